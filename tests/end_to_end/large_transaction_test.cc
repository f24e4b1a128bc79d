// A transaction of a million rows, and a host that is killed again and again in its middle: every
// row arrives, in order, and memory does not grow with the transaction.
//
// DSTREAM_SEED=n repeats the killer's choices; DSTREAM_KILLS=n changes how often.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>

#include "tests/end_to_end/child.h"
#include "tests/end_to_end/line_tail.h"
#include "tests/end_to_end/sql_client.h"
#include "tests/host/program.h"

namespace dstream::end_to_end {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr int kRows = 1'000'000;
constexpr int64_t kMiB = 1 << 20;

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// The most memory that a process had, in bytes.
int64_t peak_bytes(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) {
      return std::atoll(line.c_str() + 6) * 1024;
    }
  }
  return 0;
}

class LargeTransaction : public ::testing::Test {
 protected:
  void SetUp() override {
    database_ = std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_SQLSERVER_PROGRAM, "--port", "0", "--database", "shop", "--password", "secret",
        "--script",
        folder_.write("script.sql",
                      "EXEC sys.sp_cdc_enable_db;\nGO\nCREATE TABLE dbo.Cars (ID int NOT NULL "
                      "PRIMARY KEY, Model nvarchar(40) NULL);\nGO\nEXEC sys.sp_cdc_enable_table "
                      "N'dbo', N'Cars', NULL;\nGO\n")});
    const auto line = database_->wait_line("listening ", seconds(60));
    ASSERT_TRUE(line) << database_->output();
    port_ = std::stoi(line->substr(line->find(':') + 1));
    const std::string rows = std::to_string(kRows);
    SqlClient(port_, "shop")
        .execute("EXEC dstream.fill_changes N'dbo_Cars', " + rows + ", " + rows);
  }
  std::unique_ptr<Child> start_host() {
    const std::string config = folder_.write(
        "dstream.yaml",
        "pipelines:\n- name: shop\n  source:\n    type: sqlserver-cdc\n    connection: "
        "sqlserver://sa:secret@127.0.0.1:" +
            std::to_string(port_) +
            "?database=shop&encrypt=no\n    tables: [dbo.Cars]\n"
            "    snapshot: never\n    read_ahead_bytes: 8388608\n  sink:\n    type: file\n"
            "    path: " +
            folder_.path("changes.jsonl") +
            "\n    rotate_size: 4GiB\n  queue: {max_bytes: 16MiB}\n  checkpoint: {interval: "
            "20ms}\n");
    return std::make_unique<Child>(std::vector<std::string>{DSTREAM_PROGRAM, "run", config,
                                                            "--plugin-dir", DSTREAM_PLUGIN_DIR,
                                                            "--state-dir", folder_.path("state")});
  }
  // Takes what is new in the file; a row may come again, never ahead of its turn.
  void read_messages() {
    constexpr char kMark[] = "\"after\":{\"ID\":";
    for (std::string line; messages_.next(&line);) {
      const size_t at = line.find(kMark);
      ASSERT_NE(at, std::string::npos) << line;
      const int id = std::atoi(line.c_str() + at + sizeof kMark - 1);
      ASSERT_LE(id, next_) << line;
      repeated_ += id < next_ ? 1 : 0;
      next_ = std::max(next_, id + 1);
    }
  }

  host_test::Folder folder_;
  std::unique_ptr<Child> database_;
  int port_ = 0;
  LineTail messages_{folder_.path("changes.jsonl")};
  int next_ = 0;
  int repeated_ = 0;
};

TEST_F(LargeTransaction, AMillionRowsArriveAcrossKills) {
  const uint64_t seed = number_from_environment("DSTREAM_SEED", std::random_device()());
  const uint64_t kills = number_from_environment("DSTREAM_KILLS", 8);
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  int64_t peak = 0;
  uint64_t inside = 0;  // kills while a part of the transaction had arrived
  auto host = start_host();
  for (uint64_t kill = 0; kill < kills; ++kill) {
    const auto early = host->wait_exit(milliseconds(150 + random() % 300));
    ASSERT_FALSE(early) << "the host ended by itself:\n" << host->output();
    peak = std::max(peak, peak_bytes(host->pid()));
    host->signal(SIGKILL);
    ASSERT_TRUE(host->wait_exit(seconds(10)));
    ASSERT_NO_FATAL_FAILURE(read_messages());
    inside += next_ > 0 && next_ < kRows ? 1 : 0;
    host = start_host();
  }
  const auto deadline = Clock::now() + seconds(100);
  while (next_ < kRows && Clock::now() < deadline && !host->wait_exit(milliseconds(20))) {
    ASSERT_NO_FATAL_FAILURE(read_messages());
    peak = std::max(peak, peak_bytes(host->pid()));
  }
  EXPECT_EQ(next_, kRows) << host->output();
  host->signal(SIGTERM);
  EXPECT_EQ(host->wait_exit(seconds(40)), 143) << host->output();
  EXPECT_GT(inside, 0u);
  if (!kSanitized) {
    EXPECT_LT(peak, 150 * kMiB);
  }
  std::printf("%llu kills inside the transaction, %d rows came again, %lld MiB at most\n",
              static_cast<unsigned long long>(inside), repeated_,
              static_cast<long long>(peak / kMiB));
}

}  // namespace
}  // namespace dstream::end_to_end
