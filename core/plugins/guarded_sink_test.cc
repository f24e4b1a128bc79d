#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/plugins/guard.h"
#include "core/plugins/scripted_plugin_test.h"

namespace dstream::core {
namespace {

struct SeenSettle {
  uint64_t delivery = 0;
  uint32_t first = 0;
  uint32_t count = 0;
  dstream_status result = DSTREAM_OK;
  std::string message;
  bool operator==(const SeenSettle&) const = default;
};

class Recorder final : public SettleHandler {
 public:
  void on_settle(uint64_t delivery_id, uint32_t first, uint32_t count, dstream_status result,
                 const dstream_error* error) override {
    std::lock_guard lock(mutex);
    seen.push_back({delivery_id, first, count, result, error != nullptr ? error->message : ""});
  }
  std::mutex mutex;
  std::vector<SeenSettle> seen;
};

class GuardedSinkTest : public testing::Test {
 protected:
  GuardedSinkTest() {
    options_.pipeline = "people";
    options_.config_json = "{}";
    options_.log = &log_;
    options_.metrics = &metrics_;
    options_.clock = &clock_;
    plugin_.arm();
    auto made = make_sink(scripted::sink_connector(), options_, &recorder_);
    EXPECT_TRUE(made.has_value());
    sink_ = std::move(*made);
    EXPECT_TRUE(sink_->open().ok());
    take(UINT32_MAX);
  }

  // The next writes take at most `room` items each and remember the id they came with.
  void take(uint32_t room) {
    plugin_.write = [this, room](const dstream_delivery* delivery, uint32_t first,
                                 uint32_t* accepted, dstream_error*) {
      shown_id_ = delivery->id;
      *accepted = std::min(room, delivery->count - first);
      return first + *accepted == delivery->count ? DSTREAM_OK : DSTREAM_AGAIN;
    };
  }
  CallResult write(uint64_t id, uint32_t count, uint32_t first = 0) {
    dstream_delivery delivery{};
    delivery.struct_size = sizeof delivery;
    delivery.id = id;
    delivery.count = count;
    return sink_->write(delivery, first, &accepted_);
  }
  double breaches(const char* kind) {
    return metrics_
        .counter("dstream_plugin_misbehaviour_total", "",
                 {{"pipeline", "people"}, {"plugin", "scripted"}, {"kind", kind}})
        .value();
  }
  void expect_breach(const char* part) {
    CallResult result = sink_->poll(0);
    EXPECT_EQ(result.status, DSTREAM_FATAL);
    EXPECT_NE(result.message().find(part), std::string::npos) << result.message();
    EXPECT_EQ(result.message().substr(0, 8), "scripted");
  }

  MemoryLog log_;
  MetricsRegistry metrics_;
  ManualClock clock_;
  Recorder recorder_;
  InstanceOptions options_;
  ScriptedSink plugin_;
  std::unique_ptr<GuardedSink> sink_;
  uint64_t shown_id_ = 0;
  uint32_t accepted_ = 0;
};

TEST_F(GuardedSinkTest, HandsSettlesOnUnderTheEnginesId) {
  EXPECT_TRUE(write(77, 10).ok());
  EXPECT_EQ(accepted_, 10u);
  plugin_.settle(shown_id_, 5, 5);
  plugin_.settle(shown_id_, 0, 4);
  dstream_error error{};
  error.struct_size = sizeof error;
  std::snprintf(error.message, sizeof error.message, "Too large.");
  plugin_.settle(shown_id_, 4, 1, DSTREAM_REJECTED, &error);
  std::vector<SeenSettle> expected = {{77, 5, 5, DSTREAM_OK, ""},
                                      {77, 0, 4, DSTREAM_OK, ""},
                                      {77, 4, 1, DSTREAM_REJECTED, "Too large."}};
  EXPECT_EQ(recorder_.seen, expected);
  EXPECT_EQ(sink_->poll(0).status, DSTREAM_AGAIN);
}

TEST_F(GuardedSinkTest, AnItemThatFailedHasAReason) {
  write(77, 2);
  plugin_.settle(shown_id_, 0, 2, DSTREAM_RETRY);
  ASSERT_EQ(recorder_.seen.size(), 1u);
  EXPECT_EQ(recorder_.seen[0].message, "The sink gave no reason.");
}

TEST_F(GuardedSinkTest, ContinuesADeliveryAcceptedInPart) {
  take(4);
  EXPECT_EQ(write(77, 10).status, DSTREAM_AGAIN);
  EXPECT_EQ(accepted_, 4u);
  uint64_t id = shown_id_;
  EXPECT_EQ(write(77, 10, 4).status, DSTREAM_AGAIN);
  EXPECT_EQ(shown_id_, id);
  EXPECT_TRUE(write(77, 10, 8).ok());
  EXPECT_EQ(accepted_, 2u);
  plugin_.settle(id, 0, 10);
  EXPECT_EQ(recorder_.seen.size(), 1u);
}

TEST_F(GuardedSinkTest, AnErrorKeepsWhatWasAcceptedBeforeIt) {
  plugin_.write = [](const dstream_delivery*, uint32_t, uint32_t* accepted, dstream_error*) {
    *accepted = 3;
    return dstream_status{DSTREAM_RETRY};
  };
  EXPECT_EQ(write(77, 10).status, DSTREAM_RETRY);
  EXPECT_EQ(accepted_, 3u);
}

TEST_F(GuardedSinkTest, AgainWithEverythingAcceptedIsOk) {
  plugin_.write = [](const dstream_delivery* delivery, uint32_t, uint32_t* accepted,
                     dstream_error*) {
    *accepted = delivery->count;
    return dstream_status{DSTREAM_AGAIN};
  };
  EXPECT_TRUE(write(77, 10).ok());
}

TEST_F(GuardedSinkTest, AcceptingMoreThanOfferedIsFatal) {
  plugin_.write = [](const dstream_delivery*, uint32_t, uint32_t* accepted, dstream_error*) {
    *accepted = 11;
    return dstream_status{DSTREAM_OK};
  };
  EXPECT_EQ(write(77, 10).status, DSTREAM_FATAL);
  EXPECT_EQ(accepted_, 0u);
  expect_breach("more items");
}

TEST_F(GuardedSinkTest, OkWithoutEverythingIsFatal) {
  plugin_.write = [](const dstream_delivery*, uint32_t, uint32_t* accepted, dstream_error*) {
    *accepted = 9;
    return dstream_status{DSTREAM_OK};
  };
  EXPECT_EQ(write(77, 10).status, DSTREAM_FATAL);
  EXPECT_EQ(accepted_, 9u) << "the nine are the sink's all the same";
}

TEST_F(GuardedSinkTest, SettlingTwiceIsFatalAndNotHandedOn) {
  write(77, 10);
  plugin_.settle(shown_id_, 3, 1);
  plugin_.settle(shown_id_, 2, 3);
  EXPECT_EQ(recorder_.seen.size(), 1u);
  EXPECT_EQ(breaches("settle"), 1);
  expect_breach("twice");
}

TEST_F(GuardedSinkTest, SettlingAnUnknownDeliveryIsFatal) {
  write(77, 10);
  plugin_.settle(77, 0, 1);  // the engine's id is not the sink's
  EXPECT_TRUE(recorder_.seen.empty());
  expect_breach("not open");
}

TEST_F(GuardedSinkTest, SettlingOutsideTheRangeIsFatal) {
  write(77, 10);
  plugin_.settle(shown_id_, 9, 2);
  EXPECT_TRUE(recorder_.seen.empty());
  expect_breach("9 to 10");
}

TEST_F(GuardedSinkTest, SettlingWithAStatusThatIsNoneIsFatal) {
  write(77, 10);
  plugin_.settle(shown_id_, 0, 1, DSTREAM_AGAIN);
  EXPECT_TRUE(recorder_.seen.empty());
  expect_breach("status 1");
}

TEST_F(GuardedSinkTest, SettlingNothingIsNothing) {
  write(77, 10);
  plugin_.settle(shown_id_, 0, 0);
  EXPECT_TRUE(recorder_.seen.empty());
  EXPECT_EQ(sink_->poll(0).status, DSTREAM_AGAIN);
}

TEST_F(GuardedSinkTest, SettlingInsideWriteIsFine) {
  plugin_.write = [this](const dstream_delivery* delivery, uint32_t first, uint32_t* accepted,
                         dstream_error*) {
    plugin_.settle(delivery->id, first, delivery->count - first);
    *accepted = delivery->count - first;
    return dstream_status{DSTREAM_OK};
  };
  EXPECT_TRUE(write(77, 10).ok());
  EXPECT_TRUE(write(78, 10).ok());
  ASSERT_EQ(recorder_.seen.size(), 2u);
  EXPECT_EQ(recorder_.seen[1].delivery, 78u);
}

TEST_F(GuardedSinkTest, SettlingWhatItDidNotAcceptIsFatal) {
  plugin_.write = [this](const dstream_delivery* delivery, uint32_t, uint32_t* accepted,
                         dstream_error*) {
    plugin_.settle(delivery->id, 5, 1);
    *accepted = 5;
    return dstream_status{DSTREAM_AGAIN};
  };
  EXPECT_EQ(write(77, 10).status, DSTREAM_FATAL);
}

TEST_F(GuardedSinkTest, NothingArrivesAfterClose) {
  write(77, 10);
  uint64_t id = shown_id_;
  plugin_.close = [&] { plugin_.settle(id, 0, 1); };  // close() itself may still settle
  sink_->close();
  EXPECT_EQ(recorder_.seen.size(), 1u);
  plugin_.close = nullptr;
  plugin_.settle(id, 1, 1);
  EXPECT_EQ(recorder_.seen.size(), 1u);
  EXPECT_EQ(breaches("settle_after_close"), 1);
  ASSERT_TRUE(sink_->open().ok());
  plugin_.settle(id, 2, 1);
  EXPECT_EQ(recorder_.seen.size(), 1u) << "a delivery of the life before is not open any more";
  expect_breach("not open");
}

TEST_F(GuardedSinkTest, SettlesMayComeFromAnyThreadAfterPollReturned) {
  constexpr uint32_t kThreads = 3;
  constexpr uint32_t kItems = 600;
  for (uint64_t round = 0; round < 20; round++) {
    ASSERT_TRUE(write(round, kItems).ok());
    uint64_t id = shown_id_;
    std::vector<std::thread> threads;
    for (uint32_t thread = 0; thread < kThreads; thread++) {
      threads.emplace_back([=, this] {
        for (uint32_t item = thread; item < kItems; item += kThreads) {
          plugin_.settle(id, item, 1);
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
  EXPECT_EQ(recorder_.seen.size(), 20u * kItems);
  EXPECT_EQ(sink_->flush(0).status, DSTREAM_OK);
}

TEST_F(GuardedSinkTest, CloseWaitsForSettlesUnderWay) {
  // A handler that stands still until it is let go, as an engine that is busy would.
  class Slow final : public SettleHandler {
   public:
    void on_settle(uint64_t, uint32_t, uint32_t, dstream_status, const dstream_error*) override {
      std::unique_lock lock(mutex);
      entered = true;
      changed.notify_all();
      changed.wait(lock, [this] { return released; });
      left = true;
    }
    std::mutex mutex;
    std::condition_variable changed;
    bool entered = false;
    bool released = false;
    std::atomic<bool> left{false};
  } slow;
  ScriptedSink plugin;
  plugin.arm();
  auto made = make_sink(scripted::sink_connector(), options_, &slow);
  ASSERT_TRUE(made.has_value());
  ASSERT_TRUE((*made)->open().ok());
  uint64_t id = 0;
  plugin.write = [&](const dstream_delivery* delivery, uint32_t, uint32_t* accepted,
                     dstream_error*) {
    id = delivery->id;
    *accepted = delivery->count;
    return dstream_status{DSTREAM_OK};
  };
  dstream_delivery delivery{};
  delivery.struct_size = sizeof delivery;
  delivery.id = 1;
  delivery.count = 2;
  uint32_t accepted = 0;
  ASSERT_TRUE((*made)->write(delivery, 0, &accepted).ok());
  std::thread settler([&] { plugin.settle(id, 0, 1); });
  {
    std::unique_lock lock(slow.mutex);
    slow.changed.wait(lock, [&] { return slow.entered; });
  }
  plugin.close = [&] {
    std::lock_guard lock(slow.mutex);
    slow.released = true;
    slow.changed.notify_all();
  };
  (*made)->close();
  EXPECT_TRUE(slow.left) << "close() returned while on_settle() was running";
  settler.join();
}

TEST_F(GuardedSinkTest, PollAndFlushAreTimed) {
  plugin_.poll = [this](uint32_t max_wait_ms, dstream_error*) {
    clock_.advance_ms(max_wait_ms + 2000);
    return dstream_status{DSTREAM_OK};
  };
  EXPECT_TRUE(sink_->poll(10).ok());
  plugin_.flush = plugin_.poll;
  EXPECT_TRUE(sink_->flush(10).ok());
  EXPECT_EQ(breaches("overrun"), 2);
}

TEST(MakeSink, WithoutPollPollSaysAgain) {
  dstream_sink_api table = scripted::kSinkTable;
  table.poll = nullptr;
  dstream_connector connector = scripted::kSink;
  connector.sink = &table;
  connector.flags = DSTREAM_CONNECTOR_MESSAGES;
  ScriptedSink plugin;
  plugin.arm();
  InstanceOptions options;
  options.config_json = "{}";
  Recorder recorder;
  auto made = make_sink({&connector, &scripted::kPlugin, "(test)"}, options, &recorder);
  ASSERT_TRUE(made.has_value());
  EXPECT_FALSE((*made)->has_poll());
  EXPECT_TRUE((*made)->wants_messages());
  ASSERT_TRUE((*made)->open().ok());
  EXPECT_EQ((*made)->poll(10).status, DSTREAM_AGAIN);
}

}  // namespace
}  // namespace dstream::core
