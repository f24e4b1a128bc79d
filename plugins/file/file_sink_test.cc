#include "file_sink.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "dstream/testing.hpp"
#include "fake_delivery.h"

namespace file_sink {
namespace {

using dstream::testing::FakeHost;
using message_lines::FakeDelivery;
constexpr dstream::Millis kNoWait{0};
constexpr dstream::Millis kWait{1};

// The real disk with faults on demand, and a record of the order of calls.
class FaultyDisk final : public Disk {
 public:
  int make_folders(const std::string& path) override { return real_.make_folders(path); }
  int open(const std::string& path) override {
    opened += 1;
    return open_error != 0 ? open_error : real_.open(path);
  }
  void close(int fd) override { real_.close(fd); }
  int lock(int fd) override { return real_.lock(fd); }
  int64_t size(int fd) override { return real_.size(fd); }
  int64_t born_ms(int) override { return born; }
  int64_t read(int fd, char* out, size_t size, int64_t offset) override {
    return real_.read(fd, out, std::min<size_t>(size, 1000), offset);
  }
  int64_t write(int fd, std::string_view bytes) override {
    calls += 'w';
    if (room == 0) {
      return write_error;
    }
    const int64_t count = real_.write(fd, bytes.substr(0, static_cast<size_t>(room)));
    room -= count;
    return count;
  }
  int truncate(int fd, int64_t size) override { return real_.truncate(fd, size); }
  int sync(int fd) override {
    calls += 's';
    return sync_error != 0 ? sync_error : real_.sync(fd);
  }
  int sync_folder(const std::string& path) override { return real_.sync_folder(path); }
  int rename(const std::string& from, const std::string& to) override {
    return real_.rename(from, to);
  }

  int64_t room = 1'000'000'000;
  int write_error = -ENOSPC;
  int sync_error = 0;
  int open_error = 0;
  int64_t born = 1000;
  int opened = 0;
  std::string calls;

 private:
  Disk& real_ = system_disk();
};

int64_t now_ms = 1000;
int64_t clock_ms = 0;

class FileSinkTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "file_sink_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    now_ms = 1000;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<FileSink> make(const std::string& path, Rotation rotation = {}) {
    Options options;
    options.path = folder_ + "/" + path;
    options.rotation = rotation;
    auto sink = std::make_unique<FileSink>(
        host_.host(), options, World{disk_, [] { return now_ms; }, [] { return clock_ms; }});
    sink->open();
    return sink;
  }
  std::string read(const std::string& path) {
    std::ifstream file(folder_ + "/" + path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  void write(const std::string& path, const std::string& text) {
    std::ofstream(folder_ + "/" + path, std::ios::binary) << text;
  }
  std::vector<std::string> names() {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      found.push_back(entry.path().filename());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  std::string folder_;
  FaultyDisk disk_;
  FakeHost host_;
};

std::string line(const std::string& topic, const std::string& value) {
  return "{\"topic\":\"" + topic +
         "\",\"key\":{\"Id\":1},"
         "\"timestamp\":\"2026-11-23T05:40:00.123Z\",\"value\":" +
         value + "}\n";
}

dstream_status status_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const dstream::Error& error) {
    EXPECT_STRNE(error.what(), "");
    return error.status;
  }
  return DSTREAM_OK;
}

TEST_F(FileSinkTest, SettlesOnlyAfterSync) {
  auto sink = make("new/folder/changes.jsonl");
  FakeDelivery delivery(1);
  delivery.add("t", 0, "{\"Id\":1}", "1").add("t", 0, "{\"Id\":1}", "");
  EXPECT_EQ(sink->write(delivery.view(), 0), 2u);
  EXPECT_TRUE(host_.settles().empty());
  sink->poll(kWait);
  EXPECT_EQ(host_.settled(1), 2u);
  EXPECT_EQ(disk_.calls, "ws");
  EXPECT_EQ(read("new/folder/changes.jsonl"), line("t", "1") + line("t", "null"));
}

TEST_F(FileSinkTest, OneSyncForAllThatWaits) {
  auto sink = make("a.jsonl");
  FakeDelivery one(1), two(2);
  one.add("t", 0, "{\"Id\":1}", "1");
  two.add("t", 0, "{\"Id\":1}", "2");
  sink->write(one.view(), 0);
  sink->write(two.view(), 0);
  EXPECT_TRUE(sink->flush(kNoWait));
  EXPECT_EQ(disk_.calls, "ws");
  EXPECT_EQ(host_.settled(1), 1u);
  EXPECT_EQ(host_.settled(2), 1u);
}

TEST_F(FileSinkTest, WithoutWaitingItSyncsOnlyWhatIsWorthIt) {
  auto sink = make("a.jsonl");
  FakeDelivery small(1);
  small.add("t", 0, "{\"Id\":1}", "1");
  sink->write(small.view(), 0);
  clock_ms += 19;
  EXPECT_FALSE(sink->poll(kNoWait));
  EXPECT_EQ(disk_.calls, "");
  clock_ms += 1;
  EXPECT_TRUE(sink->poll(kNoWait));
  EXPECT_EQ(disk_.calls, "ws");
  FakeDelivery large(2);
  large.add("t", 0, "{\"Id\":1}", "\"" + std::string(2'000'000, 'x') + "\"");
  sink->write(large.view(), 0);
  EXPECT_TRUE(sink->poll(kNoWait));
  EXPECT_EQ(disk_.calls, "wsws");
  EXPECT_FALSE(sink->poll(kWait));
}

TEST_F(FileSinkTest, AFileForEachTopic) {
  auto sink = make("{topic}.jsonl");
  FakeDelivery delivery(1);
  delivery.add("shop.dbo.A", 0, "{\"Id\":1}", "1").add("../B", 1, "{\"Id\":1}", "2");
  sink->write(delivery.view(), 0);
  EXPECT_TRUE(sink->flush(kNoWait));
  EXPECT_EQ(names(), (std::vector<std::string>{".._B.jsonl", "shop.dbo.A.jsonl"}));
  EXPECT_EQ(read("shop.dbo.A.jsonl"), line("shop.dbo.A", "1"));
}

TEST_F(FileSinkTest, ManyTopicsKeepFewFilesOpen) {
  auto sink = make("{topic}.jsonl");
  FakeDelivery delivery(1);
  std::vector<std::string> topics;
  const auto count = static_cast<uint32_t>(FileSink::kOpenFilesMax + 20);
  for (uint32_t i = 0; i < count; ++i) {
    topics.push_back("t" + std::to_string(1000 + i));
  }
  for (uint32_t i = 0; i < count; ++i) {
    delivery.add(topics[i].c_str(), i, "{\"Id\":1}", "1");
  }
  uint32_t next = 0;
  int polls = 0;
  while (next < count) {
    next += sink->write(delivery.view(), next);
    sink->poll(kWait);
    ASSERT_LT(++polls, 10);
  }
  EXPECT_EQ(host_.settled(1), count);
  EXPECT_EQ(names().size(), count);
  EXPECT_EQ(read("t1000.jsonl"), line("t1000", "1"));
}

TEST_F(FileSinkTest, RotatesBySize) {
  auto sink = make("changes.jsonl", Rotation{100, 0});
  for (int i = 0; i < 3; ++i) {
    FakeDelivery delivery(1);
    delivery.add("t", 0, "{\"Id\":1}", std::to_string(i));
    sink->write(delivery.view(), 0);
    sink->poll(kWait);
  }
  // Two lines are above 100 bytes; the third is alone in the new file.
  EXPECT_EQ(names(),
            (std::vector<std::string>{"changes.19700101T000001.000Z.jsonl", "changes.jsonl"}));
  EXPECT_EQ(read("changes.19700101T000001.000Z.jsonl"), line("t", "0") + line("t", "1"));
  EXPECT_EQ(read("changes.jsonl"), line("t", "2"));
}

TEST_F(FileSinkTest, RotatedNamesNeverReplaceAFile) {
  write("changes.19700101T000001.000Z.jsonl", "precious");
  auto sink = make("changes.jsonl", Rotation{1, 0});
  FakeDelivery delivery(1);
  delivery.add("t", 0, "{\"Id\":1}", "1");
  sink->write(delivery.view(), 0);
  sink->poll(kWait);
  EXPECT_EQ(read("changes.19700101T000001.000Z.jsonl"), "precious");
  EXPECT_EQ(read("changes.19700101T000001.000Z-1.jsonl"), line("t", "1"));
}

TEST_F(FileSinkTest, RotatesByAgeButNotAnEmptyFile) {
  auto sink = make("changes.jsonl", Rotation{0, 60'000});
  now_ms = 61'000;
  sink->poll(kWait);
  EXPECT_EQ(names(), (std::vector<std::string>{"changes.jsonl"}));
  FakeDelivery delivery(1);
  delivery.add("t", 0, "{\"Id\":1}", "1");
  now_ms = 60'999;
  sink->write(delivery.view(), 0);
  sink->poll(kWait);
  EXPECT_EQ(names().size(), 1u);
  now_ms = 61'000;
  sink->poll(kWait);
  EXPECT_EQ(names().size(), 2u);
  EXPECT_EQ(read("changes.jsonl"), "");
}

TEST_F(FileSinkTest, FullDiskIsRetriedAndContinuesWhereItStopped) {
  auto sink = make("a.jsonl");
  FakeDelivery delivery(1);
  delivery.add("t", 0, "{\"Id\":1}", "1").add("t", 0, "{\"Id\":1}", "2");
  sink->write(delivery.view(), 0);
  disk_.room = 30;
  EXPECT_EQ(status_of([&] { sink->poll(kWait); }), DSTREAM_RETRY);
  EXPECT_EQ(status_of([&] { sink->poll(kWait); }), DSTREAM_RETRY);
  EXPECT_TRUE(host_.settles().empty());
  disk_.room = 1'000'000;
  sink->poll(kWait);
  EXPECT_EQ(host_.settled(1), 2u);
  EXPECT_EQ(read("a.jsonl"), line("t", "1") + line("t", "2"));
}

TEST_F(FileSinkTest, FailedSyncSettlesNothingAndTakesTheLinesBack) {
  auto sink = make("a.jsonl");
  FakeDelivery delivery(1);
  delivery.add("t", 0, "{\"Id\":1}", "1");
  sink->write(delivery.view(), 0);
  disk_.sync_error = -EIO;
  EXPECT_EQ(status_of([&] { sink->poll(kWait); }), DSTREAM_REOPEN);
  EXPECT_TRUE(host_.settles().empty());
  EXPECT_EQ(read("a.jsonl"), "");
  sink->close();
  disk_.sync_error = 0;
  sink->open();
  sink->write(delivery.view(), 0);
  sink->poll(kWait);
  EXPECT_EQ(read("a.jsonl"), line("t", "1"));
}

TEST_F(FileSinkTest, BrokenDiskIsReopened) {
  auto sink = make("a.jsonl");
  FakeDelivery delivery(1);
  delivery.add("t", 0, "{\"Id\":1}", "1");
  sink->write(delivery.view(), 0);
  disk_.room = 0;
  disk_.write_error = -EIO;
  EXPECT_EQ(status_of([&] { sink->poll(kWait); }), DSTREAM_REOPEN);
  EXPECT_TRUE(host_.settles().empty());
}

TEST_F(FileSinkTest, CloseTakesBackWhatWasNotSettled) {
  auto sink = make("a.jsonl");
  FakeDelivery delivery(1);
  delivery.add("t", 0, "{\"Id\":1}", "1");
  sink->write(delivery.view(), 0);
  disk_.room = 30;
  EXPECT_EQ(status_of([&] { sink->poll(kWait); }), DSTREAM_RETRY);
  sink->close();
  EXPECT_EQ(read("a.jsonl"), "");
}

TEST_F(FileSinkTest, ACrashedFileIsRepaired) {
  const std::string good = line("t", "1") + line("t", "2");
  // A line cut short at each byte, and blocks that were never written.
  std::vector<std::string> damages = {std::string(5000, '\0'),
                                      "{\"a\":1}" + std::string(10, '\0') + "\n{\"b\":2}\n"};
  for (size_t cut = 1; cut < line("t", "3").size(); ++cut) {
    damages.push_back(line("t", "3").substr(0, cut));
  }
  for (const std::string& damage : damages) {
    for (const std::string& before : {good, std::string()}) {
      write("a.jsonl", before + damage);
      auto sink = make("a.jsonl");
      EXPECT_EQ(read("a.jsonl"), before) << damage;
    }
  }
  write("a.jsonl", good);
  auto sink = make("a.jsonl");
  EXPECT_EQ(read("a.jsonl"), good);
}

TEST_F(FileSinkTest, AForeignFileIsLeftAlone) {
  for (const std::string& foreign : {std::string("just some text"), std::string("a\nb")}) {
    write("a.jsonl", foreign);
    EXPECT_EQ(status_of([&] { make("a.jsonl"); }), DSTREAM_CONFIG);
    EXPECT_EQ(read("a.jsonl"), foreign);
  }
}

TEST_F(FileSinkTest, TwoSinksDoNotShareAFile) {
  auto sink = make("a.jsonl");
  EXPECT_EQ(status_of([&] { make("a.jsonl"); }), DSTREAM_RETRY);
  sink->close();
  EXPECT_EQ(status_of([&] { make("a.jsonl"); }), DSTREAM_OK);
}

TEST_F(FileSinkTest, PathsThatCannotBeUsed) {
  std::filesystem::create_directory(folder_ + "/a_folder");
  write("a_file", "");
  EXPECT_EQ(status_of([&] { make("a_folder"); }), DSTREAM_CONFIG);
  EXPECT_EQ(status_of([&] { make("a_file/x.jsonl"); }), DSTREAM_CONFIG);
  EXPECT_EQ(status_of([&] { make(std::string(300, 'x')); }), DSTREAM_CONFIG);
  disk_.open_error = -ENOSPC;
  EXPECT_EQ(status_of([&] { make("b.jsonl"); }), DSTREAM_RETRY);
}

// What was taken before the error must be known to the host, or it would be written twice.
TEST_F(FileSinkTest, AFileThatCannotBeOpenedStopsTheWriteBeforeIt) {
  auto sink = make("{topic}.jsonl");
  const std::string bad(300, 'x');
  FakeDelivery delivery(1);
  delivery.add("good", 0, "{\"Id\":1}", "1").add(bad.c_str(), 1, "{\"Id\":1}", "2");
  EXPECT_EQ(sink->write(delivery.view(), 0), 1u);
  EXPECT_EQ(status_of([&] { sink->write(delivery.view(), 1); }), DSTREAM_CONFIG);
}

TEST_F(FileSinkTest, TakesNoMoreThanItsBufferHolds) {
  auto sink = make("a.jsonl");
  const std::string value = "\"" + std::string(100'000, 'x') + "\"";
  FakeDelivery delivery(1);
  for (int i = 0; i < 100; ++i) {
    delivery.add("t", 0, "{\"Id\":1}", value);
  }
  const uint32_t taken = sink->write(delivery.view(), 0);
  EXPECT_GT(taken, 30u);
  EXPECT_LT(taken, 60u);
  EXPECT_EQ(sink->write(delivery.view(), taken), 0u);
  sink->poll(kWait);
  EXPECT_EQ(host_.settled(1), taken);
  EXPECT_GT(sink->write(delivery.view(), taken), 0u);
}

TEST(FileSinkOptions, AreRead) {
  const FakeHost host(
      R"({"path": "/data/{topic}.jsonl", "rotate_size": "2KiB", "rotate_age": "3m"})");
  const Options options = read_options(host.host());
  EXPECT_EQ(options.path, "/data/{topic}.jsonl");
  EXPECT_EQ(options.rotation.size_bytes, 2048u);
  EXPECT_EQ(options.rotation.age_ms, 180'000);
  const FakeHost bare(R"({"path": "a"})");
  const Options defaults = read_options(bare.host());
  EXPECT_EQ(defaults.rotation.size_bytes, 256u << 20);
  EXPECT_EQ(defaults.rotation.age_ms, 86'400'000);
}

TEST(FileSinkOptions, WrongOnesAreConfigErrors) {
  auto status = [](const std::string& config) {
    const FakeHost host(config);
    return status_of([&] { read_options(host.host()); });
  };
  EXPECT_EQ(status("{}"), DSTREAM_CONFIG);
  EXPECT_EQ(status(R"({"path": "folder/"})"), DSTREAM_CONFIG);
  EXPECT_EQ(status(R"({"path": "{table}.jsonl"})"), DSTREAM_CONFIG);
  EXPECT_EQ(status(R"({"path": "{topic}{topic}"})"), DSTREAM_CONFIG);
  for (std::string size :
       {"", "5", "MiB", "5 MiB", "5MB", "-1B", "99999999999999999999B", "9999999999GiB"}) {
    EXPECT_EQ(status(R"({"path": "a", "rotate_size": ")" + size + "\"}"), DSTREAM_CONFIG) << size;
  }
  EXPECT_EQ(status(R"({"path": "a", "rotate_age": "1d"})"), DSTREAM_CONFIG);
}

}  // namespace
}  // namespace file_sink
