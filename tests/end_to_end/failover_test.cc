// The availability group fails over, again and again, while a writer goes on: the host, which knows
// only the listener, or both servers, loses nothing and keeps the order, whether it reads from the
// primary or from the readable secondary.
//
// DSTREAM_FAILOVERS=n changes how often.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include "tests/end_to_end/child.h"
#include "tests/end_to_end/line_tail.h"
#include "tests/end_to_end/sql_client.h"
#include "tests/host/program.h"
#include "tests/standins/sqlserver/protocol/packet_proxy.h"

namespace dstream::end_to_end {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kPatience{60};

int number_behind(const std::string& text, const std::string& mark) {
  const size_t at = text.find(mark);
  return at == std::string::npos ? -1 : std::atoi(text.c_str() + at + mark.size());
}

// Inserts 1, 2, 3, ... one transaction each, at whichever server is the primary.
class CountingWriter {
 public:
  CountingWriter(std::atomic<int>& port) : port_(port), thread_([this] { run(); }) {}
  ~CountingWriter() { stop(); }
  CountingWriter(const CountingWriter&) = delete;
  CountingWriter& operator=(const CountingWriter&) = delete;
  // The last number that is committed.
  int stop() {
    stopping_ = true;
    if (thread_.joinable()) {
      thread_.join();
    }
    return written_;
  }
  int written() const { return written_; }

 private:
  void run() {
    while (!stopping_) {
      try {
        SqlClient client(port_, "shop");
        // What was under way when the connection was cut may be committed or not.
        written_ = std::stoi(client.scalar("SELECT ISNULL(MAX(ID), 0) FROM dbo.Numbers"));
        while (!stopping_) {
          client.execute("INSERT INTO dbo.Numbers VALUES (" + std::to_string(written_ + 1) + ")");
          ++written_;
        }
      } catch (const std::runtime_error&) {
        continue;  // cut by the failover, or refused by a server that is no primary yet
      }
    }
  }

  std::atomic<int>& port_;
  std::atomic<bool> stopping_{false};
  std::atomic<int> written_{0};
  std::thread thread_;
};

class Failover : public ::testing::Test {
 protected:
  void SetUp() override {
    database_ = std::make_unique<Child>(std::vector<std::string>{
        DSTREAM_SQLSERVER_PROGRAM, "--port", "0", "--database", "shop", "--password", "secret",
        "--second-server", "--secondary-access", access_, "--capture-interval", "20", "--script",
        folder_.write("script.sql",
                      "EXEC sys.sp_cdc_enable_db;\nGO\n"
                      "CREATE TABLE dbo.Numbers (ID int NOT NULL PRIMARY KEY);\nGO\n"
                      "EXEC sys.sp_cdc_enable_table N'dbo', N'Numbers', NULL;\nGO\n")});
    const auto line = database_->wait_line("listening ", kPatience);
    ASSERT_TRUE(line) << database_->output();
    ports_[0] = number_behind(*line, "127.0.0.1:");
    const auto second = database_->wait_line("second server ", kPatience);
    ASSERT_TRUE(second) << database_->output();
    ports_[1] = number_behind(*second, "127.0.0.1:");
    primary_port_ = ports_[0];
  }

  std::unique_ptr<Child> start_host(const std::string& intent) {
    const std::string config = folder_.write(
        "dstream.yaml",
        "pipelines:\n- name: shop\n  source:\n    type: sqlserver-cdc\n    connection: "
        "sqlserver://sa:secret@127.0.0.1:" +
            std::to_string(listener_ != nullptr ? listener_->port() : ports_[0]) +
            "?database=shop&encrypt=no&application_intent=" + intent +
            (listener_ != nullptr ? ""
                                  : "&failover_partner=127.0.0.1:" + std::to_string(ports_[1])) +
            "\n    tables: [dbo.Numbers]\n    snapshot: never\n    poll_interval: 20ms\n"
            "    max_poll_interval: 20ms\n  sink:\n    type: file\n    path: " +
            folder_.path("changes.jsonl") + "\n  checkpoint: {interval: 20ms}\n");
    return std::make_unique<Child>(std::vector<std::string>{DSTREAM_PROGRAM, "run", config,
                                                            "--plugin-dir", DSTREAM_PLUGIN_DIR,
                                                            "--state-dir", folder_.path("state")});
  }

  // Takes what is new in the file. Numbers may come again after a reconnect, but never one ahead of
  // its turn.
  void read_messages() {
    for (std::string line; messages_.next(&line);) {
      const int id = number_behind(line, "\"after\":{\"ID\":");
      ASSERT_LE(id, arrived_ + 1) << line;
      ASSERT_GT(id, 0) << line;
      repeated_ += id <= arrived_ ? 1 : 0;
      arrived_ = std::max(arrived_, id);
    }
  }
  void wait_arrived(int id, const Child& host) {
    const auto deadline = Clock::now() + kPatience;
    while (arrived_ < id && !HasFatalFailure()) {
      ASSERT_LT(Clock::now(), deadline) << arrived_ << " of " << id << '\n' << host.output();
      read_messages();
      std::this_thread::yield();
    }
  }

  // The roles change: the other server is the primary from now on.
  void fail_over() {
    try {
      SqlClient(primary_port_, "shop").execute("EXEC dstream.failover");
    } catch (const std::runtime_error&) {
      // its own connection is cut like the others
    }
    primary_port_ = primary_port_ == ports_[0] ? ports_[1] : ports_[0];
  }

  void read_through_failovers(const std::string& intent) {
    const bool reads_secondary = intent == "ReadOnly";
    const auto target = [&] {
      const int primary = primary_port_;
      return static_cast<uint16_t>(!reads_secondary       ? primary
                                   : primary == ports_[0] ? ports_[1]
                                                          : ports_[0]);
    };
    const char* text = std::getenv("DSTREAM_FAILOVERS");
    const int failovers = text == nullptr ? 6 : std::atoi(text);
    if (has_listener_) {
      listener_ = std::make_unique<standin::PacketProxy>(target());
    }
    CountingWriter writer(primary_port_);
    auto host = start_host(intent);
    for (int i = 0; i < failovers; ++i) {
      // Numbers from after the last failover: the host has connected again.
      ASSERT_NO_FATAL_FAILURE(wait_arrived(writer.written() + 50, *host));
      fail_over();
      // The listener follows late: until then it leads to a server of the wrong role.
      ASSERT_NO_FATAL_FAILURE(wait_written(writer.written() + 20, writer));
      if (has_listener_) {
        listener_->move_to(target());
      }
    }
    const int written = writer.stop();
    ASSERT_NO_FATAL_FAILURE(wait_arrived(written, *host));
    host->signal(SIGTERM);
    EXPECT_EQ(host->wait_exit(seconds(40)), 143) << host->output();
    read_messages();
    EXPECT_EQ(arrived_, written);
    EXPECT_NE(host->output().find("backing_off"), std::string::npos) << host->output();
    std::printf("%s: %d failovers, %d numbers, %d came again\n", intent.c_str(), failovers, written,
                repeated_);
  }
  void wait_written(int id, const CountingWriter& writer) {
    const auto deadline = Clock::now() + kPatience;
    while (writer.written() < id) {
      ASSERT_LT(Clock::now(), deadline) << "the writer does not get on";
      std::this_thread::yield();
    }
  }

  const char* access_ = "read_only";  // who may read the secondary
  bool has_listener_ = true;
  host_test::Folder folder_;
  std::unique_ptr<Child> database_;
  int ports_[2] = {0, 0};
  std::atomic<int> primary_port_{0};
  std::unique_ptr<standin::PacketProxy> listener_;
  LineTail messages_{folder_.path("changes.jsonl")};
  int arrived_ = 0;
  int repeated_ = 0;
};

// Another secondary takes over that is behind: it is waited for, and not taken for a database that
// was restored.
TEST_F(Failover, ASecondaryThatIsBehindIsWaitedFor) {
  listener_ = std::make_unique<standin::PacketProxy>(static_cast<uint16_t>(ports_[1]));
  CountingWriter writer(primary_port_);
  auto host = start_host("ReadOnly");
  ASSERT_NO_FATAL_FAILURE(wait_arrived(writer.written() + 50, *host));
  SqlClient(primary_port_, "shop").execute("EXEC dstream.secondary_redo 0");
  ASSERT_NO_FATAL_FAILURE(wait_arrived(writer.written() + 50, *host));
  listener_->move_to(static_cast<uint16_t>(ports_[1]));
  const auto line = host->wait_line("beyond what this secondary replica has so far", kPatience);
  ASSERT_TRUE(line) << host->output();
  EXPECT_NE(line->find("backing_off"), std::string::npos) << *line;
  SqlClient(primary_port_, "shop").execute("EXEC dstream.secondary_redo 1");
  const int written = writer.stop();
  ASSERT_NO_FATAL_FAILURE(wait_arrived(written, *host));
  host->signal(SIGTERM);
  EXPECT_EQ(host->wait_exit(seconds(40)), 143) << host->output();
  read_messages();
  EXPECT_EQ(arrived_, written);
}

TEST_F(Failover, FromThePrimaryNothingIsLost) { read_through_failovers("ReadWrite"); }

TEST_F(Failover, FromTheSecondaryNothingIsLost) { read_through_failovers("ReadOnly"); }

TEST_F(Failover, WithoutAListenerTheOtherServerIsTried) {
  has_listener_ = false;
  read_through_failovers("ReadWrite");
}

// A secondary that lets everybody read is no primary all the same.
class FailoverReadableByAll : public Failover {
 protected:
  FailoverReadableByAll() { access_ = "all"; }
};

TEST_F(FailoverReadableByAll, WithoutAListenerTheSecondaryIsPassedOver) {
  has_listener_ = false;
  read_through_failovers("ReadWrite");
}

}  // namespace
}  // namespace dstream::end_to_end
