#include "core/plugins/instance_extensions.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "core/plugins/scripted_plugin_test.h"

namespace dstream::core {
namespace {

// What the tables of the test do; their functions have nothing but `self`.
struct Script {
  std::function<dstream_status(char*, uint32_t, uint32_t*, dstream_error*)> status;
  std::function<dstream_status(const char*, dstream_error*)> snapshot;
  std::function<dstream_status(uint32_t, dstream_check_emit, void*)> checks;
  std::function<dstream_status(const dstream_checks_request&, dstream_check_emit, void*)> checks_2;
  std::function<dstream_status(dstream_error*)> probe;
  std::function<dstream_status(const char*, dstream_error*)> reconfigure;
  std::function<dstream_status(dstream_data_loss_policy, dstream_error*)> data_loss;
};
Script* script = nullptr;

constexpr dstream_instance_status kStatus = {
    [](void*, char* buffer, uint32_t capacity, uint32_t* size, dstream_error* error) noexcept {
      return script->status(buffer, capacity, size, error);
    }};
constexpr dstream_snapshot kSnapshot = {
    [](void*, const char* table, dstream_error* error) noexcept {
      return script->snapshot(table, error);
    }};
constexpr dstream_checks kChecks = {
    [](void*, uint32_t max_wait_ms, dstream_check_emit emit, void* context,
       dstream_error*) noexcept { return script->checks(max_wait_ms, emit, context); }};
constexpr dstream_checks_2 kChecks2 = {
    [](void*, const dstream_checks_request* request, dstream_check_emit emit, void* context,
       dstream_error*) noexcept { return script->checks_2(*request, emit, context); }};
constexpr dstream_probe kProbe = {
    [](void*, dstream_error* error) noexcept { return script->probe(error); }};

constexpr dstream_data_loss kDataLoss = {
    [](void*, dstream_data_loss_policy policy, dstream_error* error) noexcept {
      return script->data_loss(policy, error);
    }};
constexpr dstream_reconfigure kReconfigure = {
    [](void*, const char* config, dstream_error* error) noexcept {
      return script->reconfigure(config, error);
    }};

class InstanceExtensionsTest : public testing::Test {
 protected:
  InstanceExtensionsTest() {
    script = &script_;
    options_.pipeline = "people";
    options_.config_json = "{}";
    options_.log = &log_;
    options_.metrics = &metrics_;
    options_.clock = &clock_;
    source_.extension = [this](std::string_view id) -> const void* {
      if (id == DSTREAM_EXT_STATUS && script_.status) return &kStatus;
      if (id == DSTREAM_EXT_SNAPSHOT && script_.snapshot) return &kSnapshot;
      if (id == DSTREAM_EXT_CHECKS && script_.checks) return &kChecks;
      if (id == DSTREAM_EXT_CHECKS_2 && script_.checks_2) return &kChecks2;
      if (id == DSTREAM_EXT_DATA_LOSS && script_.data_loss) return &kDataLoss;
      if (id == DSTREAM_EXT_RECONFIGURE && script_.reconfigure) return &kReconfigure;
      return id == DSTREAM_EXT_PROBE && script_.probe ? &kProbe : nullptr;
    };
  }

  std::unique_ptr<GuardedSource> make() {
    source_.arm();
    return std::move(make_source(scripted::source_connector(), options_).value());
  }
  void say(const std::string& status) {
    script_.status = [status](char* buffer, uint32_t capacity, uint32_t* size, dstream_error*) {
      EXPECT_LE(status.size(), capacity);
      status.copy(buffer, capacity);
      *size = static_cast<uint32_t>(status.size());
      return dstream_status{DSTREAM_OK};
    };
  }
  double breaches(const char* kind) {
    return metrics_
        .counter("dstream_plugin_misbehaviour_total", "",
                 {{"pipeline", "people"}, {"plugin", "scripted"}, {"kind", kind}})
        .value();
  }

  Script script_;
  MemoryLog log_;
  MetricsRegistry metrics_;
  ManualClock clock_;
  InstanceOptions options_;
  ScriptedSource source_;
};

dstream_check check_of(const char* id, const char* sentence, dstream_check_result result = 0,
                       const char* mend = nullptr) {
  return {sizeof(dstream_check), result, id, nullptr, sentence, mend};
}

TEST_F(InstanceExtensionsTest, WhatIsNotOfferedIsAbsent) {
  auto source = make();
  EXPECT_FALSE(source->status_json().has_value());
  EXPECT_FALSE(source->request_snapshot("dbo.t").has_value());
  EXPECT_FALSE(source->run_checks(10, "", [](const InstanceCheck&) {}).has_value());
}

TEST_F(InstanceExtensionsTest, AChangedConfigurationIsHandedOverAndMayBeRefused) {
  EXPECT_FALSE(make()->reconfigure("{}").has_value());
  std::string taken;
  script_.reconfigure = [&taken](const char* config, dstream_error* error) {
    if (std::string_view(config) == "{}") {
      std::snprintf(error->message, sizeof error->message, "/password: is needed");
      return dstream_status{DSTREAM_CONFIG};
    }
    taken = config;
    return dstream_status{DSTREAM_OK};
  };
  auto source = make();
  EXPECT_TRUE(source->reconfigure(R"({"password":"p"})")->ok());
  EXPECT_EQ(taken, R"({"password":"p"})");
  auto refused = source->reconfigure("{}");
  EXPECT_EQ(refused->status, DSTREAM_CONFIG);
  EXPECT_EQ(refused->message(), "/password: is needed");
  EXPECT_TRUE(source->open("").ok()) << "a refusal breaks nothing";
}

TEST_F(InstanceExtensionsTest, ASourceIsToldWhatToDoAboutAGap) {
  EXPECT_FALSE(make()->set_data_loss_policy(DSTREAM_DATA_LOSS_STOP).has_value());
  dstream_data_loss_policy taken = -1;
  script_.data_loss = [&taken](dstream_data_loss_policy policy, dstream_error* error) {
    std::strcpy(error->message, "snapshot: never copies nothing.");
    taken = policy;
    return dstream_status{policy == DSTREAM_DATA_LOSS_RESNAPSHOT ? DSTREAM_CONFIG : DSTREAM_OK};
  };
  auto source = make();
  EXPECT_TRUE(source->set_data_loss_policy(DSTREAM_DATA_LOSS_CONTINUE)->ok());
  EXPECT_EQ(taken, DSTREAM_DATA_LOSS_CONTINUE);
  auto refused = source->set_data_loss_policy(DSTREAM_DATA_LOSS_RESNAPSHOT);
  EXPECT_EQ(refused->status, DSTREAM_CONFIG);
  EXPECT_EQ(refused->message(), "snapshot: never copies nothing.");
}

TEST_F(InstanceExtensionsTest, AStatusIsPassedOnBeforeWhileAndAfterItIsOpen) {
  say(R"({"lag_ms": 5})");
  auto source = make();
  EXPECT_EQ(source->status_json(), R"({"lag_ms": 5})");
  ASSERT_TRUE(source->open("").ok());
  EXPECT_EQ(source->status_json(), R"({"lag_ms": 5})");
  source->close();
  EXPECT_EQ(source->status_json(), R"({"lag_ms": 5})");
}

TEST_F(InstanceExtensionsTest, AStatusOfTheLargestSizeFits) {
  std::string text = "{\"a\":\"";
  text.append(DSTREAM_MAX_STATUS - text.size() - 2, 'x').append("\"}");
  say(text);
  EXPECT_EQ(make()->status_json(), text);
}

TEST_F(InstanceExtensionsTest, NothingIsSaidForAgainAndForAnError) {
  for (dstream_status came : {dstream_status{DSTREAM_AGAIN}, dstream_status{DSTREAM_RETRY}}) {
    script_.status = [came](char*, uint32_t, uint32_t*, dstream_error*) { return came; };
    EXPECT_FALSE(make()->status_json().has_value());
  }
  EXPECT_TRUE(log_.lines.empty());
}

TEST_F(InstanceExtensionsTest, AStatusThatIsNoObjectIsNotedAndThePipelineGoesOn) {
  say("{");
  auto source = make();
  ASSERT_TRUE(source->open("").ok());
  int noted = 0;
  for (const char* text : {"{", "[]", "7", "{\"a\":\"\xff\"}", ""}) {
    say(text);
    EXPECT_FALSE(source->status_json().has_value()) << text;
    EXPECT_EQ(breaches("status_json"), ++noted);
  }
  EXPECT_EQ(log_.lines.size(), 1u) << "logged once";
  dstream_batch* out = nullptr;
  EXPECT_EQ(source->read(10, 10, &out).status, DSTREAM_AGAIN);
}

TEST_F(InstanceExtensionsTest, ALengthBeyondTheBufferIsNotRead) {
  script_.status = [](char*, uint32_t capacity, uint32_t* size, dstream_error*) {
    *size = capacity + 1;
    return dstream_status{DSTREAM_OK};
  };
  EXPECT_FALSE(make()->status_json().has_value());
  EXPECT_EQ(breaches("status_json"), 1);
}

TEST_F(InstanceExtensionsTest, AStatusThatWaitsIsCounted) {
  say("{}");
  auto source = make();
  script_.status = [this](char*, uint32_t, uint32_t*, dstream_error*) {
    clock_.advance_ms(1001);
    return dstream_status{DSTREAM_AGAIN};
  };
  source->status_json();
  EXPECT_EQ(breaches("overrun"), 1);
}

TEST_F(InstanceExtensionsTest, AStatusIsAskedWhileTheWorkerOpensReadsAndCloses) {
  std::atomic<int> asked{0};
  script_.status = [&asked](char* buffer, uint32_t, uint32_t* size, dstream_error*) {
    std::memcpy(buffer, "{}", 2);
    *size = 2;
    ++asked;
    return dstream_status{DSTREAM_OK};
  };
  auto source = make();
  // The worker stays in read() until it was asked there.
  source_.read = [&asked](uint32_t, uint32_t, dstream_batch**, dstream_error*) {
    for (int before = asked.load(); asked.load() < before + 2;) {
      std::this_thread::yield();
    }
    return dstream_status{DSTREAM_AGAIN};
  };
  std::atomic<bool> done{false};
  std::thread asker([&] {
    while (!done.load()) {
      EXPECT_EQ(source->status_json(), "{}");
    }
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(source->open("").ok());
    dstream_batch* out = nullptr;
    EXPECT_EQ(source->read(10, 10, &out).status, DSTREAM_AGAIN);
    source->close();
  }
  done.store(true);
  asker.join();
}

TEST_F(InstanceExtensionsTest, ASnapshotIsAskedForByName) {
  std::string asked;
  script_.snapshot = [&asked](const char* table, dstream_error* error) -> dstream_status {
    asked = table;
    std::strcpy(error->message, "No table dbo.x is read.");
    return asked == "dbo.t" ? DSTREAM_OK : asked == "dbo.u" ? DSTREAM_AGAIN : DSTREAM_CONFIG;
  };
  auto source = make();
  EXPECT_EQ(source->request_snapshot("dbo.t")->status, DSTREAM_OK);
  EXPECT_EQ(source->request_snapshot("dbo.u")->status, DSTREAM_AGAIN);
  auto refused = source->request_snapshot("dbo.x");
  EXPECT_EQ(refused->status, DSTREAM_CONFIG);
  EXPECT_EQ(refused->message(), "No table dbo.x is read.");
  asked.clear();
  for (const std::string& bad :
       {std::string(), std::string("a\0b", 3), std::string(2000, 'x'), std::string("\xff")}) {
    EXPECT_EQ(source->request_snapshot(bad)->status, DSTREAM_CONFIG);
  }
  EXPECT_EQ(asked, "") << "such names do not reach the plugin";
}

TEST_F(InstanceExtensionsTest, ASnapshotWithAStatusOfAnotherCallIsAnError) {
  script_.snapshot = [](const char*, dstream_error*) { return dstream_status{DSTREAM_END}; };
  auto source = make();
  EXPECT_EQ(source->request_snapshot("dbo.t")->status, DSTREAM_FATAL);
  EXPECT_EQ(breaches("status"), 1);
  EXPECT_TRUE(source->open("").ok()) << "the pipeline goes on";
}

TEST_F(InstanceExtensionsTest, ChecksComeOneByOne) {
  std::vector<InstanceCheck> seen;
  script_.checks = [&seen](uint32_t max_wait_ms, dstream_check_emit emit, void* context) {
    EXPECT_EQ(max_wait_ms, 500u);
    dstream_check one = check_of("cdc.enabled", "CDC is on.");
    emit(context, &one);
    EXPECT_EQ(seen.size(), 1u) << "handed on at once";
    one = check_of("job\x2erate", "Too slow\n.", DSTREAM_CHECK_WARNING, "EXEC a;\nEXEC b;\x1b");
    one.subject = "dbo.t";
    emit(context, &one);
    one = check_of("later", "From a later version.", 99);
    emit(context, &one);
    one = check_of("skipped", "No permission.", DSTREAM_CHECK_SKIPPED);
    emit(context, &one);
    return dstream_status{DSTREAM_OK};
  };
  auto source = make();
  auto result =
      source->run_checks(500, "", [&](const InstanceCheck& each) { seen.push_back(each); });
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(result->ok()) << result->message();
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].id, "cdc.enabled");
  EXPECT_EQ(seen[0].result, InstanceCheck::Result::kOk);
  EXPECT_EQ(seen[1].sentence, "Too slow?.");
  EXPECT_EQ(seen[1].subject, "dbo.t");
  EXPECT_EQ(seen[1].mend, "EXEC a;\nEXEC b;?");
  EXPECT_EQ(seen[2].result, InstanceCheck::Result::kFailed);
  EXPECT_EQ(seen[3].result, InstanceCheck::Result::kSkipped);
}

TEST_F(InstanceExtensionsTest, ACheckWithoutWhatItNeedsIsABreach) {
  std::vector<dstream_check> bad = {check_of("Bad Id", "x"), check_of("", "x"),
                                    check_of(nullptr, "x"),  check_of("id", ""),
                                    check_of("id", nullptr), check_of("id", "x")};
  bad.back().struct_size = 8;
  for (const dstream_check& each : bad) {
    script_.checks = [&each](uint32_t, dstream_check_emit emit, void* context) {
      emit(context, &each);
      return dstream_status{DSTREAM_OK};
    };
    int handled = 0;
    auto result = make()->run_checks(500, "", [&](const InstanceCheck&) { ++handled; });
    EXPECT_EQ(result->status, DSTREAM_FATAL);
    EXPECT_EQ(handled, 0);
  }
  EXPECT_EQ(breaches("checks"), static_cast<double>(bad.size()));
}

TEST_F(InstanceExtensionsTest, ACheckFromAnotherThreadOrAfterTheCallIsDropped) {
  dstream_check_emit kept_emit = nullptr;
  void* kept_context = nullptr;
  dstream_check one = check_of("id", "x");
  script_.checks = [&](uint32_t, dstream_check_emit emit, void* context) {
    kept_emit = emit;
    kept_context = context;
    std::thread([&] { emit(context, &one); }).join();
    return dstream_status{DSTREAM_OK};
  };
  auto source = make();
  int handled = 0;
  EXPECT_TRUE(source->run_checks(500, "", [&](const InstanceCheck&) { ++handled; })->ok());
  kept_emit(kept_context, &one);
  EXPECT_EQ(handled, 0);
  EXPECT_EQ(breaches("checks"), 2);
}

TEST_F(InstanceExtensionsTest, ChecksWithThePositionAreTakenBeforeThoseWithout) {
  script_.checks = [](uint32_t, dstream_check_emit, void*) -> dstream_status {
    ADD_FAILURE() << "the older table is not asked where there is a newer one";
    return DSTREAM_OK;
  };
  std::string position = "none";
  script_.checks_2 = [&](const dstream_checks_request& request, dstream_check_emit emit,
                         void* context) -> dstream_status {
    EXPECT_EQ(request.struct_size, sizeof request);
    EXPECT_EQ(request.max_wait_ms, 500u);
    position.assign(reinterpret_cast<const char*>(request.position.data), request.position.size);
    dstream_check one = check_of("position", "It is old.");
    emit(context, &one);
    return DSTREAM_OK;
  };
  int handled = 0;
  auto count = [&](const InstanceCheck&) { ++handled; };
  EXPECT_TRUE(make()
                  ->run_checks(500,
                               std::string_view("0\0"
                                                "17",
                                                4),
                               count)
                  ->ok());
  EXPECT_EQ(position, std::string("0\0"
                                  "17",
                                  4));
  EXPECT_EQ(handled, 1);
  EXPECT_TRUE(make()->run_checks(500, "", count)->ok());
  EXPECT_EQ(position, "");
}

TEST_F(InstanceExtensionsTest, AProbeIsACheckWhereThereAreNoOthers) {
  script_.probe = [](dstream_error* error) {
    std::strcpy(error->message, "Nobody there.");
    return dstream_status{DSTREAM_RETRY};
  };
  std::vector<InstanceCheck> seen;
  auto keep = [&](const InstanceCheck& each) { seen.push_back(each); };
  EXPECT_TRUE(make()->run_checks(500, "", keep)->ok());
  script_.probe = [](dstream_error*) { return dstream_status{DSTREAM_OK}; };
  EXPECT_TRUE(make()->run_checks(500, "", keep)->ok());
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].result, InstanceCheck::Result::kFailed);
  EXPECT_EQ(seen[0].sentence, "Nobody there.");
  EXPECT_EQ(seen[1].result, InstanceCheck::Result::kOk);
}

TEST_F(InstanceExtensionsTest, ASinkHasAStatusAndChecksToo) {
  say(R"({"brokers": 3})");
  script_.checks = [](uint32_t, dstream_check_emit emit, void* context) {
    dstream_check one = check_of("name.resolves", "It does.");
    emit(context, &one);
    return dstream_status{DSTREAM_CANCELLED};
  };
  class NoSettles final : public SettleHandler {
    void on_settle(uint64_t, uint32_t, uint32_t, dstream_status, const dstream_error*) override {}
  } settles;
  ScriptedSink sink;
  sink.extension = source_.extension;
  sink.arm();
  auto made = make_sink(scripted::sink_connector(), options_, &settles);
  ASSERT_TRUE(made.has_value());
  EXPECT_EQ((*made)->status_json(), R"({"brokers": 3})");
  int handled = 0;
  auto result = (*made)->run_checks(500, [&](const InstanceCheck&) { ++handled; });
  EXPECT_EQ(result->status, DSTREAM_CANCELLED);
  EXPECT_EQ(handled, 1);
}

}  // namespace
}  // namespace dstream::core
