#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>

#include "console_sink.h"
#include "dstream/testing.hpp"
#include "fake_delivery.h"

namespace console {
namespace {

using dstream::testing::FakeHost;
using message_lines::FakeDelivery;

class Pipe {
 public:
  Pipe() {
    EXPECT_EQ(::pipe(ends_), 0);
    EXPECT_EQ(::fcntl(ends_[0], F_SETFL, O_NONBLOCK), 0);
  }
  ~Pipe() {
    close_reader();
    ::close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) {
      ::close(ends_[0]);
      ends_[0] = -1;
    }
  }
  // Everything there is to read now.
  std::string drain() {
    std::string text;
    char piece[4096];
    ssize_t count;
    while ((count = ::read(ends_[0], piece, sizeof piece)) > 0) {
      text.append(piece, static_cast<size_t>(count));
    }
    return text;
  }

 private:
  int ends_[2] = {-1, -1};
};

constexpr dstream::Millis kNoWait{0};

TEST(Console, TextHasTimeTopicOperationKeyAndValue) {
  Pipe pipe;
  FakeHost host;
  ConsoleSink sink(host.host(), pipe.writer(), Options{});
  FakeDelivery delivery(1);
  delivery.add("shop.dbo.Persons", 0, "{\"Id\":1}", "{\"a\":1}", DSTREAM_OP_UPDATE);
  delivery.add("shop.dbo.Persons", 0, "{\"Id\":1}", "", DSTREAM_OP_DELETE);
  delivery.add("shop.dbo.Log", 1, "", "\x1b[2J", DSTREAM_OP_INSERT);
  EXPECT_EQ(sink.write(delivery.view(), 0), 3u);
  EXPECT_TRUE(host.settles().empty());
  EXPECT_TRUE(sink.flush(kNoWait));
  EXPECT_EQ(host.settled(1), 3u);
  EXPECT_EQ(pipe.drain(),
            "2026-11-23T05:40:00.123Z shop.dbo.Persons update {\"Id\":1} {\"a\":1}\n"
            "2026-11-23T05:40:00.123Z shop.dbo.Persons tombstone {\"Id\":1}\n"
            "2026-11-23T05:40:00.123Z shop.dbo.Log insert - \\u001b[2J\n");
}

TEST(Console, JsonIsOneObjectALine) {
  Pipe pipe;
  FakeHost host;
  Options options;
  options.json = true;
  ConsoleSink sink(host.host(), pipe.writer(), options);
  FakeDelivery delivery(1);
  delivery.add("t", 0, "{\"Id\":1}", "{\"a\":1}");
  sink.write(delivery.view(), 0);
  EXPECT_TRUE(sink.flush(kNoWait));
  EXPECT_EQ(pipe.drain(),
            "{\"topic\":\"t\",\"key\":{\"Id\":1},\"timestamp\":\"2026-11-23T05:40:00.123Z\","
            "\"value\":{\"a\":1}}\n");
}

TEST(Console, LongValuesAreCutBetweenCharacters) {
  Pipe pipe;
  FakeHost host;
  Options options;
  options.value_bytes_max = 4;
  ConsoleSink sink(host.host(), pipe.writer(), options);
  FakeDelivery delivery(1);
  delivery.add("t", 0, "k", "aéüö");
  sink.write(delivery.view(), 0);
  EXPECT_TRUE(sink.flush(kNoWait));
  EXPECT_NE(pipe.drain().find(" k aé...\n"), std::string::npos);
}

TEST(Console, ColorsOnlyWhenAsked) {
  Pipe pipe;
  FakeHost host;
  Options options;
  options.color = true;
  ConsoleSink sink(host.host(), pipe.writer(), options);
  FakeDelivery delivery(1);
  delivery.add("t", 0, "k", "1", DSTREAM_OP_DELETE);
  sink.write(delivery.view(), 0);
  EXPECT_TRUE(sink.flush(kNoWait));
  EXPECT_NE(pipe.drain().find("\x1b[31mdelete\x1b[0m"), std::string::npos);
}

TEST(Console, AutomaticColorNeedsATerminal) {
  Pipe pipe;
  const Output output(pipe.writer());
  EXPECT_FALSE(read_options(FakeHost().host(), output).color);
  const FakeHost always(R"({"color": "always", "output": "json", "value_bytes_max": 7})");
  const Options options = read_options(always.host(), output);
  EXPECT_TRUE(options.color);
  EXPECT_TRUE(options.json);
  EXPECT_EQ(options.value_bytes_max, 7u);
}

// A reader that does not read: the sink takes what it has room for, waits for nobody, loses
// nothing and settles only what is out.
TEST(Console, SlowReaderMeansFull) {
  Pipe pipe;
  FakeHost host;
  ConsoleSink sink(host.host(), pipe.writer(), Options{});
  FakeDelivery delivery(1);
  const std::string value = "\"" + std::string(1000, 'x') + "\"";
  for (int i = 0; i < 2000; ++i) {
    delivery.add("t", 0, "k", value);
  }
  const uint32_t taken = sink.write(delivery.view(), 0);
  EXPECT_GT(taken, 0u);
  EXPECT_LT(taken, 2000u);
  EXPECT_FALSE(sink.flush(kNoWait));
  EXPECT_LT(host.settled(1), taken);

  std::string read;
  uint32_t next = taken;
  while (next < 2000 || !sink.flush(kNoWait)) {
    read += pipe.drain();
    next += sink.write(delivery.view(), next);
    sink.poll(kNoWait);
  }
  read += pipe.drain();
  EXPECT_EQ(host.settled(1), 2000u);
  EXPECT_EQ(std::count(read.begin(), read.end(), '\n'), 2000);
}

// How poll() ends.
dstream_status status_of(ConsoleSink& sink) {
  try {
    sink.poll(kNoWait);
  } catch (const dstream::Error& error) {
    EXPECT_STRNE(error.what(), "");
    return error.status;
  }
  return DSTREAM_OK;
}

TEST(Console, ReaderGoneIsFatalAndRaisesNoSignal) {
  Pipe pipe;
  FakeHost host;
  ConsoleSink sink(host.host(), pipe.writer(), Options{});
  FakeDelivery delivery(1);
  delivery.add("t", 0, "k", "1");
  pipe.close_reader();
  sink.write(delivery.view(), 0);
  EXPECT_EQ(status_of(sink), DSTREAM_FATAL);
  EXPECT_TRUE(host.settles().empty());
  sigset_t pending;
  sigpending(&pending);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(Console, ClosedOutputIsFatal) {
  int fd = -1;
  {
    Pipe pipe;
    fd = pipe.writer();
  }
  FakeHost host;
  ConsoleSink sink(host.host(), fd, Options{});
  FakeDelivery delivery(1);
  delivery.add("t", 0, "k", "1");
  sink.write(delivery.view(), 0);
  EXPECT_EQ(status_of(sink), DSTREAM_FATAL);
}

TEST(Console, FullDiskIsRetriedAndNothingSettled) {
  const int full = ::open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  FakeHost host;
  ConsoleSink sink(host.host(), full, Options{});
  FakeDelivery delivery(1);
  delivery.add("t", 0, "k", "1");
  sink.write(delivery.view(), 0);
  EXPECT_EQ(status_of(sink), DSTREAM_RETRY);
  EXPECT_TRUE(host.settles().empty());
  ::close(full);
}

TEST(Console, CloseForgetsWhatWasNotWritten) {
  Pipe pipe;
  FakeHost host;
  ConsoleSink sink(host.host(), pipe.writer(), Options{});
  FakeDelivery delivery(1);
  delivery.add("t", 0, "k", "1");
  sink.write(delivery.view(), 0);
  sink.close();
  EXPECT_TRUE(sink.flush(kNoWait));
  EXPECT_EQ(pipe.drain(), "");
  EXPECT_TRUE(host.settles().empty());
}

}  // namespace
}  // namespace console
