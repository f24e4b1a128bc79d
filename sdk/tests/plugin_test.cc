// Classes of every shape go through the layer's tables, driven as the host drives them.
#include "dstream/plugin.hpp"

#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "dstream/testing.hpp"

namespace dstream {
namespace {

using testing::Batch;
using testing::CallFailed;
using testing::ContractBroken;
using testing::FakeHost;
using testing::Messages;
using testing::SinkDriver;
using testing::SourceDriver;

// A source with everything a source may have.
class FullSource {
 public:
  StopToken stop;

  FullSource(Host host, std::string_view config) : host_(host) {
    host_.info("Made.", {{"config", config}});
    schema_.column("n", DSTREAM_INT64, "bigint", DSTREAM_COLUMN_KEY);
  }
  FullSource(const FullSource&) = delete;  // made in place: it need not be movable
  FullSource& operator=(const FullSource&) = delete;

  void open(std::string_view position) {
    if (position == "lost") throw Error(DSTREAM_DATA_LOSS, "Too old.");
    if (position == "denied") {
      throw Error(DSTREAM_DENIED, "Login failed.", 18456, Millis(1500), "28000");
    }
    if (position == "memory") throw std::bad_alloc();
    if (position == "other") throw std::runtime_error("Something else.");
    if (position == "unknown") throw 3;
    if (position == "fine") throw Error(DSTREAM_OK, "No result.");
    next_ = position.empty() ? 0 : std::stoi(std::string(position)) + 1;
  }
  std::optional<BatchBuilder> read(uint32_t max_records, Millis max_wait) {
    if (next_ >= 5) throw Error(DSTREAM_END, "");
    if (stop.wait_for(std::min(max_wait, Millis(0)))) return std::nullopt;
    BatchBuilder batch;
    while (batch.size() < max_records && next_ < 5) {
      batch.add(DSTREAM_OP_INSERT, schema_, std::to_string(next_)).after =
          batch.row(schema_).int64(next_).values();
      next_++;
    }
    return batch;
  }
  void commit(std::string_view position) { host_.info("Committed " + std::string(position)); }
  void close() {
    if (next_ == 3) throw std::runtime_error("Close went wrong.");
  }
  void probe() { throw Error(DSTREAM_RETRY, "Nobody there."); }

 private:
  Host host_;
  Schema schema_{"dbo", "t"};
  int next_ = 0;
};

// A source with nothing but what it must have, and memory of its own.
class BareSource {
 public:
  explicit BareSource(Host) {}
  void open(std::string_view) {}
  dstream_batch* read(uint32_t, Millis) { return nullptr; }
  void close() {}
};

constexpr auto kFull = source<FullSource>("full", "1.0.0", "Everything.", "{}");
constexpr auto kBare = source<BareSource>("bare", "1.0.0", "Nothing.", "{}");

dstream_status open_status(const char* position, dstream_error* error = nullptr) {
  FakeHost host;
  SourceDriver source(kFull, host);
  try {
    return source.open(position);
  } catch (const CallFailed& failed) {
    if (error != nullptr) *error = failed.error;
    return failed.status;
  }
}

TEST(SourceLayer, RunsThroughItsLife) {
  FakeHost host(R"({"a": 1})");
  SourceDriver source(kFull, host);
  EXPECT_EQ(host.lines()[0].fields["config"], R"({"a": 1})");
  EXPECT_EQ(source.open(""), DSTREAM_OK);
  Batch first = source.read(2, Millis(10));
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[1].after()[0].as.i64, 1);
  EXPECT_EQ(first.last_position(), "1");
  source.commit(first.last_position());
  EXPECT_TRUE(host.logged("Committed 1"));
  source.close();
  EXPECT_EQ(source.open("1"), DSTREAM_OK);
  Batch second = source.read(10, Millis(10));
  EXPECT_EQ(second.size(), 3u);
  EXPECT_EQ(source.read(10, Millis(10)).status(), DSTREAM_END);
}

TEST(SourceLayer, AStopIsStickyUntilClose) {
  FakeHost host;
  SourceDriver source(kFull, host);
  source.request_stop();
  EXPECT_EQ(source.open(""), DSTREAM_CANCELLED) << "a request before open() counts";
  EXPECT_EQ(source.open(""), DSTREAM_CANCELLED);

  SourceDriver other(kFull, host);
  EXPECT_EQ(other.open(""), DSTREAM_OK);
  other.request_stop();
  EXPECT_EQ(other.read(1, Millis(10)).status(), DSTREAM_CANCELLED);
  EXPECT_EQ(other.read(1, Millis(10)).status(), DSTREAM_CANCELLED);
  other.close();
  EXPECT_EQ(other.open(""), DSTREAM_OK);
  EXPECT_EQ(other.read(1, Millis(10)).status(), DSTREAM_OK);
}

TEST(SourceLayer, TurnsExceptionsIntoStatuses) {
  dstream_error error{};
  EXPECT_EQ(open_status("lost"), DSTREAM_DATA_LOSS);
  EXPECT_EQ(open_status("denied", &error), DSTREAM_DENIED);
  EXPECT_STREQ(error.message, "Login failed.");
  EXPECT_EQ(error.vendor_code, 18456);
  EXPECT_EQ(error.retry_after_ms, 1500u);
  EXPECT_STREQ(error.sqlstate, "28000");
  EXPECT_EQ(open_status("memory"), DSTREAM_RETRY);
  EXPECT_EQ(open_status("other", &error), DSTREAM_FATAL);
  EXPECT_STREQ(error.message, "Something else.");
  EXPECT_EQ(open_status("unknown"), DSTREAM_FATAL);
  EXPECT_EQ(open_status("fine"), DSTREAM_FATAL) << "OK cannot be thrown";
}

TEST(SourceLayer, ACloseThatThrowsIsLogged) {
  FakeHost host;
  SourceDriver source(kFull, host);
  source.open("");
  source.read(3, Millis(0));
  source.close();
  ASSERT_TRUE(host.logged("A call that cannot fail has failed."));
  EXPECT_EQ(host.lines().back().fields["error"], "Close went wrong.");
}

TEST(SourceLayer, LeavesOutWhatAClassDoesNotHave) {
  EXPECT_EQ(kBare.source->commit, nullptr);
  EXPECT_NE(kFull.source->commit, nullptr);
  FakeHost host;
  SourceDriver source(kBare, host);
  EXPECT_EQ(source.open(""), DSTREAM_OK);
  source.request_stop();
  source.commit("1");
  EXPECT_EQ(source.read(1, Millis(0)).status(), DSTREAM_AGAIN);
}

TEST(SourceLayer, OffersAProbeOnlyWhereThereIsOne) {
  FakeHost host;
  dstream_source* self = nullptr;
  ASSERT_EQ(kFull.source->create(host.raw(), "{}", &self, nullptr), DSTREAM_OK);
  auto* probe =
      static_cast<const dstream_probe*>(kFull.source->get_extension(self, DSTREAM_EXT_PROBE));
  ASSERT_NE(probe, nullptr);
  dstream_error error{};
  error.struct_size = sizeof error;
  EXPECT_EQ(probe->probe(self, &error), DSTREAM_RETRY);
  EXPECT_STREQ(error.message, "Nobody there.");
  EXPECT_EQ(kFull.source->get_extension(self, "dstream.probe/2"), nullptr);
  kFull.source->destroy(self);
  EXPECT_EQ(kBare.source->get_extension(nullptr, DSTREAM_EXT_PROBE), nullptr);
}

TEST(SourceLayer, AnErrorBufferIsOptionalAndItsSizeRespected) {
  FakeHost host;
  dstream_source* self = nullptr;
  ASSERT_EQ(kFull.source->create(host.raw(), "{}", &self, nullptr), DSTREAM_OK);
  EXPECT_EQ(kFull.source->open(self, bytes("lost"), nullptr), DSTREAM_DATA_LOSS);
  dstream_error small{};
  small.struct_size = 8;
  EXPECT_EQ(kFull.source->open(self, bytes("lost"), &small), DSTREAM_DATA_LOSS);
  EXPECT_EQ(small.message[0], '\0');
  kFull.source->destroy(self);
}

// A sink with room for three messages, settled newest first by poll().
class SmallSink {
 public:
  explicit SmallSink(Host host) : host_(host) {
    if (host.config_or("/broken", false)) throw Error(DSTREAM_CONFIG, "/broken: not this way");
  }
  void open() {}
  uint32_t write(const Delivery& delivery, uint32_t first) {
    uint32_t taken = 0;
    for (uint32_t i = first; i < delivery.count() && held_.size() < 3; i++, taken++) {
      if (view(delivery.message(i).value) == "throw") throw Error(DSTREAM_REOPEN, "Gone.");
      held_.push_back({delivery.id(), i});
    }
    return taken;
  }
  bool poll(Millis) {
    if (held_.empty()) return false;
    host_.settle(held_.back().first, held_.back().second, 1);
    held_.pop_back();
    return true;
  }
  bool flush(Millis max_wait) {
    while (poll(max_wait)) {
    }
    return held_.empty();
  }
  void close() { held_.clear(); }

 private:
  Host host_;
  std::vector<std::pair<uint64_t, uint32_t>> held_;
};

// A sink that settles from a thread of its own and has no poll().
class ThreadedSink {
 public:
  explicit ThreadedSink(Host host) : host_(host) {}
  void open() {}
  uint32_t write(const Delivery& delivery, uint32_t first) {
    uint32_t count = delivery.count() - first;
    thread_ = std::thread([this, id = delivery.id(), first, count] {
      for (uint32_t i = 0; i < count; i++) host_.settle(id, first + i, 1);
    });
    return count;
  }
  bool flush(Millis) {
    if (thread_.joinable()) thread_.join();
    return true;
  }
  void close() { flush(Millis(0)); }

 private:
  Host host_;
  std::thread thread_;
};

constexpr auto kSmall = message_sink<SmallSink>("small", "1.0.0", "Small.", "{}");
constexpr auto kThreaded = record_sink<ThreadedSink>("threaded", "1.0.0", "Threads.", "{}");

TEST(SinkLayer, TakesAPrefixAndSettlesEachItemOnce) {
  FakeHost host;
  SinkDriver sink(kSmall, host);
  sink.open();
  Messages messages(9);
  for (int i = 0; i < 5; i++) messages.add("t", "k", std::to_string(i));
  EXPECT_EQ(sink.write(messages), 3u);
  EXPECT_EQ(sink.poll(Millis(0)), DSTREAM_OK);
  EXPECT_EQ(sink.write(messages, 3), 1u);
  EXPECT_EQ(sink.flush(Millis(0)), DSTREAM_OK);
  EXPECT_EQ(sink.write(messages, 4), 1u);
  EXPECT_EQ(sink.flush(Millis(0)), DSTREAM_OK);
  EXPECT_EQ(sink.poll(Millis(0)), DSTREAM_AGAIN);
  EXPECT_EQ(host.settled(9), 5u);
  EXPECT_TRUE(host.problems().empty());
}

TEST(SinkLayer, AWriteThatThrowsHasTakenNothing) {
  FakeHost host;
  SinkDriver sink(kSmall, host);
  sink.open();
  Messages messages(9);
  messages.add("t", std::nullopt, "throw");
  try {
    sink.write(messages);
    FAIL();
  } catch (const CallFailed& failed) {
    EXPECT_EQ(failed.status, DSTREAM_REOPEN);
  }
}

TEST(SinkLayer, AConstructorMayRefuseTheConfiguration) {
  FakeHost host(R"({"broken": true})");
  EXPECT_THROW(SinkDriver(kSmall, host), CallFailed);
}

TEST(SinkLayer, MaySettleFromAThreadOfItsOwn) {
  EXPECT_EQ(kThreaded.sink->poll, nullptr);
  EXPECT_EQ(kThreaded.flags, 0u);
  EXPECT_EQ(kSmall.flags, uint32_t{DSTREAM_CONNECTOR_MESSAGES});
  FakeHost host;
  SinkDriver sink(kThreaded, host);
  sink.open();
  Messages messages(1);
  for (int i = 0; i < 100; i++) messages.add("t", "k", "v");
  EXPECT_EQ(sink.write(messages), 100u);
  EXPECT_EQ(sink.flush(Millis(1000)), DSTREAM_OK);
  EXPECT_EQ(host.settled(1), 100u);
  EXPECT_TRUE(host.problems().empty());
}

// A sink that settles what it is given before write() returns. The host may reuse the delivery at
// the last settle, as the test does here.
class ImmediateSink {
 public:
  static inline dstream_delivery* reused = nullptr;

  explicit ImmediateSink(Host host) : host_(host) {}
  void open() {}
  uint32_t write(const Delivery& delivery, uint32_t first) {
    const uint32_t count = delivery.count() - first;
    host_.settle(delivery.id(), first, count);
    reused->count = 0;
    return count;
  }
  bool flush(Millis) { return true; }
  void close() {}

 private:
  Host host_;
};

constexpr auto kImmediate = message_sink<ImmediateSink>("immediate", "1.0.0", "At once.", "{}");

TEST(SinkLayer, LooksAtNoDeliveryThatIsSettled) {
  FakeHost host;
  dstream_sink* self = nullptr;
  ASSERT_EQ(kImmediate.sink->create(host.raw(), "{}", &self, nullptr), DSTREAM_OK);
  ASSERT_EQ(kImmediate.sink->open(self, nullptr), DSTREAM_OK);
  dstream_delivery delivery{};
  delivery.struct_size = sizeof delivery;
  delivery.id = 4;
  delivery.count = 3;
  ImmediateSink::reused = &delivery;
  uint32_t accepted = 0;
  EXPECT_EQ(kImmediate.sink->write(self, &delivery, 0, &accepted, nullptr), DSTREAM_OK);
  EXPECT_EQ(accepted, 3u);
  kImmediate.sink->destroy(self);
}

TEST(TestingMessages, KeepApartNoValueAndAnEmptyOne) {
  Messages messages(1);
  messages.add("a", std::nullopt, "").add("b", "", std::nullopt, {{"h", "x"}}).add("a", "k", "v");
  Delivery delivery(&messages.raw());
  EXPECT_EQ(delivery.message(0).key.data, nullptr);
  EXPECT_NE(delivery.message(0).value.data, nullptr);
  EXPECT_EQ(delivery.message(1).value.data, nullptr);
  EXPECT_EQ(delivery.message(0).topic_id, delivery.message(2).topic_id);
  EXPECT_EQ(delivery.message(1).topic_id, 1u);
  EXPECT_EQ(view(delivery.message(1).headers[0].value), "x");
}

// A connector whose read() says OK and gives nothing.
TEST(TestingDrivers, SeeABrokenContract) {
  static dstream_source_api table = *kBare.source;
  table.read = [](dstream_source*, uint32_t, uint32_t, dstream_batch**, dstream_error*) noexcept {
    return dstream_status{DSTREAM_OK};
  };
  dstream_connector connector = kBare;
  connector.source = &table;
  FakeHost host;
  SourceDriver source(connector, host);
  source.open("");
  EXPECT_THROW(source.read(1, Millis(0)), ContractBroken);
  EXPECT_THROW(SinkDriver(connector, host), ContractBroken);
}

}  // namespace
}  // namespace dstream

DSTREAM_PLUGIN("test", "DStream", "MIT",
               dstream::source<dstream::FullSource>("full", "1.0.0", "Everything.", "{}"),
               dstream::message_sink<dstream::SmallSink>("small", "1.0.0", "Small.", "{}"));

TEST(PluginMacro, DefinesTheDescriptor) {
  EXPECT_EQ(dstream_plugin_v1.magic, DSTREAM_MAGIC);
  EXPECT_EQ(dstream_plugin_v1.connector_count, 2u);
  EXPECT_STREQ(dstream::testing::find_connector(dstream_plugin_v1, "small")->id, "small");
  EXPECT_THROW(dstream::testing::find_connector(dstream_plugin_v1, "absent"),
               std::invalid_argument);
}
