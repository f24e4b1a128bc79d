#include "host/admin.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>
#include <gmock/gmock.h>

#include <filesystem>

#include "host/admin_service.h"
#include "host/http_client.h"

namespace dstream::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class FixedClock final : public core::Clock {
 public:
  int64_t monotonic_ns() const override { return now_ns; }
  int64_t wall_ns() const override { return now_ns; }
  int64_t now_ns = 1'700'000'000 * core::kNanosPerSecond;
};

class FakePipelines final : public AdminTarget {
 public:
  std::vector<PipelineView> pipelines() override { return views; }
  core::Result<bool> request_snapshot(const std::string& pipeline,
                                      const std::string& table) override {
    asked = pipeline + " " + table;
    if (!error.code.empty()) {
      return core::fail(error);
    }
    return taken;
  }
  std::vector<PipelineView> views;
  std::string asked;
  bool taken = true;
  core::Error error;
};

class AdminTest : public ::testing::Test {
 protected:
  AdminTest() {
    auto redactor = std::make_shared<core::Redactor>();
    redactor->add("hunter2");
    settings_ = {&pipelines_, &clock_, &metrics_, redactor, "9.9.9", "/state", "db.example"};
    PipelineView view;
    view.name = "people";
    view.source_type = "sqlserver-cdc";
    view.sink_type = "eventhubs";
    view.status = core::PipelineStatus();
    view.status->state = core::PipelineState::kRunning;
    view.status->since_wall_ns = clock_.now_ns - 5 * core::kNanosPerSecond;
    view.status->records_delivered = 7;
    pipelines_.views = {view};
  }

  HttpResponse ask(const std::string& method, const std::string& path, const std::string& body = {},
                   const std::string& type = "application/json") {
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.body = body;
    request.content_type = type;
    request.local = local_;
    request.host = host_;
    return Admin(settings_).answer(request);
  }
  core::JsonObject json(const HttpResponse& response) {
    return Poco::JSON::Parser().parse(response.body).extract<core::JsonObject>();
  }
  core::JsonObject first() {
    return json(ask("GET", "/status"))->getArray("pipelines")->getObject(0);
  }

  FixedClock clock_;
  core::MetricsRegistry metrics_;
  FakePipelines pipelines_;
  AdminSettings settings_;
  bool local_ = true;
  std::string host_;
};

TEST_F(AdminTest, TellsTheStateOfEverything) {
  core::JsonObject process = json(ask("GET", "/status"))->getObject("process");
  EXPECT_EQ(process->getValue<std::string>("version"), "9.9.9");
  EXPECT_EQ(process->getValue<std::string>("state_dir"), "/state");
  EXPECT_EQ(process->getValue<std::string>("started_at"), "2023-11-14T22:13:20.000Z");
  core::JsonObject pipeline = first();
  EXPECT_EQ(pipeline->getValue<std::string>("name"), "people");
  EXPECT_EQ(pipeline->getValue<std::string>("state"), "running");
  EXPECT_EQ(pipeline->getValue<int64_t>("in_state_ms"), 5000);
  EXPECT_EQ(pipeline->getValue<int64_t>("records_delivered"), 7);
  EXPECT_TRUE(pipeline->isNull("last_error"));
  EXPECT_TRUE(pipeline->isNull("lag_ms"));
  EXPECT_TRUE(pipeline->getObject("source")->isNull("status"));
}

TEST_F(AdminTest, ShowsWhatThePluginsSay) {
  pipelines_.views[0].plugins.source = R"({"lag_ms": 1200, "snapshots": [{"table": "dbo.t"}]})";
  pipelines_.views[0].plugins.sink = R"({"brokers": 3})";
  core::JsonObject pipeline = first();
  EXPECT_EQ(pipeline->getValue<int64_t>("lag_ms"), 1200);
  EXPECT_EQ(pipeline->getObject("source")->getObject("status")->getArray("snapshots")->size(), 1u);
  EXPECT_EQ(pipeline->getObject("sink")->getObject("status")->getValue<int>("brokers"), 3);
}

TEST_F(AdminTest, TheLagIsTheAgeOfTheNewestRecordWhileRecordsAreDelivered) {
  pipelines_.views[0].status->last_commit_time_ns = clock_.now_ns - 3 * core::kNanosPerSecond;
  EXPECT_TRUE(first()->isNull("lag_ms")) << "nothing is delivered: the table may be quiet";
  pipelines_.views[0].records_per_second = 10;
  EXPECT_EQ(first()->getValue<int64_t>("lag_ms"), 3000);
}

TEST_F(AdminTest, APipelineThatCouldNotBeMadeHasFailed) {
  pipelines_.views[0].status.reset();
  EXPECT_EQ(first()->getValue<std::string>("state"), "starting");
  pipelines_.views[0].create_error = core::Error{"DS-STATE-LOCKED", "Locked.", "", std::nullopt};
  core::JsonObject pipeline = first();
  EXPECT_EQ(pipeline->getValue<std::string>("state"), "failed");
  EXPECT_EQ(pipeline->getObject("last_error")->getValue<std::string>("code"), "DS-STATE-LOCKED");
}

TEST_F(AdminTest, IsReadyWhileEveryPipelineRunsOrHasEnded) {
  EXPECT_EQ(ask("GET", "/ready").status, 200);
  using core::PipelineState;
  for (auto [state, expected] :
       std::vector<std::pair<PipelineState, int>>{{PipelineState::kStarting, 503},
                                                  {PipelineState::kBackingOff, 503},
                                                  {PipelineState::kDraining, 503},
                                                  {PipelineState::kFailed, 503},
                                                  {PipelineState::kStopped, 200}}) {
    pipelines_.views[0].status->state = state;
    EXPECT_EQ(ask("GET", "/ready").status, expected) << to_string(state);
    EXPECT_EQ(ask("GET", "/health").status, 200) << "the process lives";
  }
}

TEST_F(AdminTest, MetricsAreThoseOfTheRegistry) {
  metrics_.counter("dstream_test_total", "A test.").add(3);
  HttpResponse response = ask("GET", "/metrics");
  EXPECT_THAT(response.content_type, HasSubstr("version=0.0.4"));
  EXPECT_THAT(response.body, HasSubstr("dstream_test_total 3"));
}

TEST_F(AdminTest, SecretsAreRedacted) {
  pipelines_.views[0].status->last_error =
      core::Error{"DS-SOURCE", "Login failed with hunter2.", "", std::nullopt};
  pipelines_.views[0].plugins.source = R"({"connection": "hunter2"})";
  metrics_.counter("dstream_test_total", "A test.", {{"server", "hunter2"}}).add(3);
  for (const char* path : {"/status", "/metrics", "/ready"}) {
    EXPECT_THAT(ask("GET", path).body, Not(HasSubstr("hunter2"))) << path;
  }
  EXPECT_THAT(ask("GET", "/status").body, HasSubstr("[redacted]"));
  pipelines_.error = {"DS-SNAPSHOT-TABLE", "No table hunter2.", "", std::nullopt};
  EXPECT_THAT(ask("POST", "/pipelines/people/snapshot", R"({"table": "t"})").body,
              Not(HasSubstr("hunter2")));
}

TEST_F(AdminTest, PassesOnARequestForASnapshot) {
  const char* path = "/pipelines/people/snapshot";
  HttpResponse taken = ask("POST", path, R"({"table": "dbo.Orders"})");
  EXPECT_EQ(taken.status, 202);
  EXPECT_EQ(pipelines_.asked, "people dbo.Orders");
  EXPECT_TRUE(json(taken)->getValue<bool>("accepted"));
  pipelines_.taken = false;
  HttpResponse already = ask("POST", path, R"({"table": "dbo.Orders"})");
  EXPECT_EQ(already.status, 200);
  EXPECT_FALSE(json(already)->getValue<bool>("accepted"));
  for (auto [code, status] :
       std::vector<std::pair<std::string, int>>{{"DS-ADMIN-NO-PIPELINE", 404},
                                                {"DS-SNAPSHOT-TABLE", 422},
                                                {"DS-SNAPSHOT-UNSUPPORTED", 501},
                                                {"DS-SNAPSHOT-NOT-YET", 503},
                                                {"DS-SNAPSHOT-NOT-RUNNING", 409},
                                                {"DS-SNAPSHOT-FAILED", 500}}) {
    pipelines_.error = {code, "Why.", "", std::nullopt};
    HttpResponse refused = ask("POST", path, R"({"table": "dbo.Orders"})");
    EXPECT_EQ(refused.status, status);
    EXPECT_EQ(json(refused)->getObject("error")->getValue<std::string>("code"), code);
  }
}

TEST_F(AdminTest, TakesARequestToReloadAndSaysHowItStands) {
  Reloads reloads({});  // Its thread has not been started: what is asked for waits.
  settings_.reloads = &reloads;
  HttpResponse taken = ask("POST", "/reload", "{}");
  EXPECT_EQ(taken.status, 202);
  EXPECT_EQ(json(taken)->getValue<int>("number"), 1);
  EXPECT_EQ(json(ask("POST", "/reload", R"({"pipeline": "people"})"))->getValue<int>("number"), 2);
  HttpResponse report = ask("GET", "/reload/2");
  EXPECT_EQ(report.status, 200);
  EXPECT_EQ(json(report)->getValue<std::string>("state"), "waiting");
  for (const char* unknown : {"/reload/3", "/reload/", "/reload/x", "/reload/1x", "/reload/-1"}) {
    EXPECT_EQ(ask("GET", unknown).status, 404) << unknown;
  }
  for (const char* body : {"", "[]", "{", R"({"pipeline": []})"}) {
    EXPECT_EQ(ask("POST", "/reload", body).status, 400) << body;
  }
  EXPECT_EQ(ask("POST", "/reload", "{}", "text/plain").status, 415);
  EXPECT_EQ(ask("GET", "/reload").status, 405);
  EXPECT_EQ(ask("POST", "/reload/1").status, 405);
}

TEST_F(AdminTest, RefusesARequestItDoesNotUnderstand) {
  const char* path = "/pipelines/people/snapshot";
  for (const char* body : {"", "{", "[]", "{}", R"({"table": ""})", R"("dbo.t")"}) {
    EXPECT_EQ(ask("POST", path, body).status, 400) << body;
  }
  EXPECT_EQ(ask("POST", path, R"({"table": "t"})", "text/plain").status, 415)
      << "what a web page may send unasked";
  EXPECT_EQ(ask("GET", path).status, 405);
  EXPECT_EQ(ask("POST", "/status").status, 405);
  for (const char* nowhere : {"/", "", "/pipelines//snapshot", "/pipelines/a/b/snapshot",
                              "/pipelines/snapshot", "/statuses"}) {
    EXPECT_EQ(ask("GET", nowhere).status, 404) << nowhere;
  }
  EXPECT_EQ(pipelines_.asked, "");
}

TEST_F(AdminTest, OverTheNetworkItIsKnownByItsAddressesOnly) {
  local_ = false;
  for (const char* known : {"localhost", "127.0.0.1", "[::1]", "10.1.2.3", "db.example"}) {
    host_ = known;
    EXPECT_EQ(ask("GET", "/status").status, 200) << known;
  }
  for (const char* foreign : {"", "evil.example", "127.0.0.1.evil.example", "[evil]"}) {
    host_ = foreign;
    EXPECT_EQ(ask("GET", "/status").status, 403) << foreign;
  }
}

class KeptLog final : public core::Log {
 public:
  core::LogLevel level() const override { return core::LogLevel::kInfo; }
  void write(core::LogLevel, std::string_view message, std::span<const core::LogField>) override {
    text += std::string(message) + "\n";
  }
  using core::Log::write;
  std::string text;
};

TEST_F(AdminTest, ALiveSocketIsNeverReplaced) {
  std::string folder = (std::filesystem::temp_directory_path() / "dstream-admin-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  settings_.state_dir = folder + "/state";
  core::SystemClock clock;
  settings_.clock = &clock;
  auto files = core::make_system_file_system();
  KeptLog log;
  AdminService first(settings_, files.get(), &log);
  ASSERT_TRUE(first.start("").has_value());
  EXPECT_EQ(log.text, "");
  settings_.version = "second";
  AdminService second(settings_, files.get(), &log);
  ASSERT_TRUE(second.start("").has_value()) << "its pipelines run all the same";
  EXPECT_THAT(log.text, HasSubstr("Another DStream runs"));
  HttpRequest request;
  request.method = "GET";
  request.path = "/status";
  auto version = [&] {
    return (*ask_host_json(settings_.state_dir, request))
        ->getObject("process")
        ->getValue<std::string>("version");
  };
  EXPECT_EQ(version(), "9.9.9");
  EXPECT_TRUE(second.stop());
  EXPECT_EQ(version(), "9.9.9");
  EXPECT_TRUE(first.stop());
  EXPECT_FALSE(std::filesystem::exists(settings_.state_dir + "/admin.sock"));
  EXPECT_EQ(ask_host_json(settings_.state_dir, request).error().code, "DS-ADMIN-NO-HOST");
  std::filesystem::remove_all(folder);
}

TEST_F(AdminTest, AnAddressThatCannotBeHadEndsTheStart) {
  std::string folder = (std::filesystem::temp_directory_path() / "dstream-admin-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  settings_.state_dir = folder;
  auto files = core::make_system_file_system();
  KeptLog log;
  AdminService service(settings_, files.get(), &log);
  auto started = service.start("203.0.113.1:9707");
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().code, "DS-ADMIN-LISTEN");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace dstream::host
