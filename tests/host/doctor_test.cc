// `dstream doctor`: what it prints, in which order, and how it exits.
#include <Poco/JSON/Array.h>
#include <gmock/gmock.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>

#include "core/pipeline/checkpoint.h"
#include "tests/end_to_end/child.h"
#include "tests/host/program.h"
#include "tests/standins/http/http_server.h"
#include "tests/standins/registry/schema_registry.h"

namespace dstream::host_test {
namespace {

using std::chrono::seconds;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class DoctorTest : public ::testing::Test {
 protected:
  Ended look(const std::string& source, std::vector<std::string> more = {}) {
    std::string file = folder_.write("f.yaml", "pipelines:\n- name: people\n  source: " + source +
                                                   "\n  sink: {type: \"null\"}\n");
    std::vector<std::string> arguments = {"doctor",       file,
                                          "--state-dir",  folder_.path("state"),
                                          "--plugin-dir", DSTREAM_TEST_PLUGIN_DIR};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return call(arguments);
  }
  core::JsonObject result(const Ended& ended) { return parse_json(ended.out)->getObject("result"); }

  Folder folder_;
};

TEST_F(DoctorTest, PrintsEveryCheckAndExitsWith0) {
  Ended fine = look("{type: talkative, connection: hunter2}");
  EXPECT_EQ(fine.exit_code, 0) << fine.err;
  EXPECT_THAT(fine.out, HasSubstr("people: talkative -> null\n"));
  EXPECT_THAT(fine.out, HasSubstr("  ok       config: "));
  EXPECT_THAT(fine.out, HasSubstr("  ok       state.folder: "));
  EXPECT_THAT(fine.out, ContainsRegex("ok       source.plugin: talkative 1.0.0 from .*talkative"));
  EXPECT_THAT(fine.out, HasSubstr("  ok       source.connect: Connected as [redacted].\n"));
  EXPECT_THAT(fine.out, HasSubstr("  skipped  source.agent.running: The login may not see it.\n"));
  EXPECT_THAT(fine.out, HasSubstr("  skipped  sink.checks: null has no checks of its own.\n"));
  EXPECT_THAT(fine.out, HasSubstr(" 0 warnings, 0 failed, 2 skipped.\n"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path("state"))) << "it changes nothing";
}

TEST_F(DoctorTest, LooksAtTheStoreOfLargeValues) {
  auto look_at = [&](const std::string& claims) {
    return call({"doctor",
                 folder_.write("f.yaml",
                               "name: people\nsource: {type: generator, rows: 1}\nsink: {type: "
                               "eventhubs, brokers: \"localhost:1\", topic: t}\n"
                               "on_oversize: claim_check\nclaim_check: {" +
                                   claims + "}\n"),
                 "--state-dir", folder_.path("state"), "--timeout", "1s"})
        .out;
  };
  EXPECT_THAT(look_at("folder: values"),
              HasSubstr("failed   claim_check.store: A value cannot be stored (DS-CLAIM-AWAY)"));
  std::filesystem::create_directory(folder_.path("values"));
  EXPECT_THAT(look_at("folder: values"), HasSubstr("ok       claim_check.store: A value"));
  EXPECT_TRUE(std::filesystem::exists(folder_.path("values/people/doctor")));
  const std::string url = "container_url: \"https://localhost:1/c?sig=hunter2";
  const std::string expired = look_at(url + "&sp=cw&se=2020-01-01T00:00:00Z\"");
  EXPECT_THAT(expired, HasSubstr("failed   claim_check.sas: The SAS expired at 2020-01-01T"));
  EXPECT_THAT(expired, Not(HasSubstr("hunter2")));
  EXPECT_THAT(look_at(url + "&sp=r&se=2999-01-01\""),
              HasSubstr("failed   claim_check.sas: The SAS has the permissions 'r'"));
  EXPECT_THAT(look_at(url + "&sp=cw&se=2999-01-01T00:00Z\""),
              HasSubstr("ok       claim_check.sas: The SAS is good until 2999-01-01T00:00:00Z."));
}

TEST_F(DoctorTest, LooksAtTheSchemaRegistry) {
  standin::SchemaRegistry::Options options;
  options.username = "dora";
  options.password = "opensesame";
  standin::SchemaRegistry registry(options);
  auto look_at = [&](const std::string& keys) {
    Ended ended = call({"doctor",
                        folder_.write("f.yaml",
                                      "name: people\nsource: {type: generator, rows: 1}\nsink: "
                                      "{type: console}\nformat: {type: avro, registry: {" +
                                          keys + "}}\n"),
                        "--state-dir", folder_.path("state"), "--timeout", "5s"});
    EXPECT_THAT(ended.out, Not(HasSubstr("opensesame")));
    return ended.out;
  };
  const std::string url = "url: \"" + registry.url() + "\"";
  const std::string right = url + ", username: dora, password: opensesame";
  EXPECT_THAT(look_at(right), HasSubstr("ok       format.registry: The schema registry answers and "
                                        "takes the login."));
  EXPECT_THAT(look_at(url), HasSubstr("failed   format.registry: The schema registry wants a"));
  EXPECT_THAT(look_at(url + ", username: dora, password: opensesame2"),
              HasSubstr("failed   format.registry: The schema registry refuses the login"));
  EXPECT_THAT(
      look_at("url: \"" + registry.url() + "/elsewhere\", username: dora, password: opensesame"),
      HasSubstr("failed   format.registry: There is no schema registry at"));
  registry.fail_with(403);
  EXPECT_THAT(look_at(right), HasSubstr("warning  format.registry: The schema registry does not"));
  registry.fail_with(500);
  EXPECT_THAT(look_at(right), HasSubstr("failed   format.registry: The schema registry cannot"));
  EXPECT_THAT(look_at("url: \"http://localhost:1\""),
              HasSubstr("failed   format.registry: The schema registry gives no answer: "));
}

TEST_F(DoctorTest, TellsASchemaRegistryFromWhatElseAnswers) {
  const auto body = std::make_shared<std::string>();
  standin::HttpServer server({}, [body](auto& /*request*/, auto& response) {
    standin::send_answer(response, 200, "text/html", *body);
  });
  auto look_at = [&](const std::string& answer) {
    *body = answer;
    Ended ended = call({"doctor",
                        folder_.write("f.yaml",
                                      "name: people\nsource: {type: generator, rows: 1}\nsink: "
                                      "{type: console}\nformat: {type: avro, registry: {url: \"" +
                                          server.url() + "\"}}\n"),
                        "--state-dir", folder_.path("state"), "--timeout", "5s"});
    return ended.out;
  };
  const std::string failed = "failed   format.registry: ";
  for (const char* other :
       {"", "<html>Welcome</html>", "{}", "[1]", "[[\"AVRO\"]]", "\"AVRO\"", "null", "[null]"}) {
    EXPECT_THAT(look_at(other),
                HasSubstr(failed + "What answers at format.registry.url is no schema registry."))
        << other;
  }
  EXPECT_THAT(look_at(R"(["JSON","PROTOBUF"])"),
              HasSubstr(failed + "The schema registry takes no Avro schemas."));
  EXPECT_THAT(look_at(R"(["JSON","PROTOBUF","AVRO"])"),
              HasSubstr("ok       format.registry: The schema registry answers, and asks for no"));
}

TEST_F(DoctorTest, AWarningHasTheTextThatMendsIt) {
  Ended warned = look("{type: talkative, act: warn}");
  EXPECT_EQ(warned.exit_code, 0);
  EXPECT_THAT(warned.out, HasSubstr(" 1 warning, 0 failed"));
  EXPECT_THAT(
      warned.out,
      HasSubstr("  warning  source.retention: dbo.Orders: Changes are kept for 4320 minutes "
                "only.\n"
                "             EXEC sys.sp_cdc_change_job\n"
                "               @job_type = N'cleanup';\n"));
}

TEST_F(DoctorTest, AFailedCheckExitsWith1) {
  Ended failed = look("{type: talkative, act: fail}", {"--json"});
  EXPECT_EQ(failed.exit_code, 1);
  EXPECT_EQ(result(failed)->getValue<int>("failed"), 1);
  EXPECT_EQ(result(failed)->getValue<int>("warnings"), 1);
  auto checks = result(failed)->getArray("pipelines")->getObject(0)->getArray("checks");
  bool seen = false;
  for (unsigned i = 0; i < checks->size(); ++i) {
    core::JsonObject check = checks->getObject(i);
    if (check->getValue<std::string>("id") == "cdc.enabled") {
      seen = true;
      EXPECT_EQ(check->getValue<std::string>("side"), "source");
      EXPECT_EQ(check->getValue<std::string>("result"), "failed");
      EXPECT_EQ(check->getValue<std::string>("mend"), "EXEC sys.sp_cdc_enable_db;");
    }
  }
  EXPECT_TRUE(seen) << failed.out;
}

TEST_F(DoctorTest, ChecksThatBreakOffAreAFailure) {
  Ended lost = look("{type: talkative, act: lost}");
  EXPECT_EQ(lost.exit_code, 1);
  EXPECT_THAT(lost.out, HasSubstr("  failed   source.checks: The checks could not go on: The "
                                  "connection broke.\n"));
  EXPECT_THAT(lost.out, HasSubstr("sink.plugin")) << "the sink is looked at all the same";
}

TEST_F(DoctorTest, APluginThatDoesNotComeBackIsLeftBehind) {
  Ended hung = look("{type: talkative, act: hang in checks}", {"--timeout", "10ms"});
  EXPECT_EQ(hung.exit_code, 1);
  EXPECT_THAT(hung.out, HasSubstr("The plugin does not come back from its checks."));
  EXPECT_THAT(hung.out, HasSubstr("1 failed"));
}

TEST_F(DoctorTest, SettingsThatAreRefusedAreAFailure) {
  Ended refused = look("{type: leaky, connection: hunter2, fail: create}");
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.out, HasSubstr("  failed   source.settings: "));
  EXPECT_THAT(refused.out + refused.err, Not(HasSubstr("hunter2")));
}

TEST_F(DoctorTest, AConfigurationThatIsWrongIsNotLookedAt) {
  Ended wrong = look("{type: talkative, nonsense: 1}");
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("DS-CONFIG-UNKNOWN-KEY"));
  EXPECT_EQ(wrong.out, "");
  EXPECT_EQ(look("{type: talkative}", {"--pipeline", "nobody"}).exit_code, 2);
}

TEST_F(DoctorTest, ASourceIsAskedAboutTheStoredPosition) {
  EXPECT_THAT(look("{type: talkative}").out, Not(HasSubstr("source.position")));
  std::filesystem::create_directory(folder_.path("state"));
  core::Checkpoint stored;
  stored.pipeline = "people";
  stored.source_type = "talkative";
  stored.position = "0017";
  std::ofstream(folder_.path("state/people.checkpoint")) << core::format_checkpoint(stored);
  EXPECT_THAT(look("{type: talkative}").out,
              HasSubstr("  ok       source.position: It goes on behind 0017.\n"));
}

// Nobody listens at the broker: what is asked of it fails or is skipped, and the rest is said.
TEST_F(DoctorTest, LooksAtTheSinkOfDeadLettersAndAsksTheHostThatRuns) {
  const std::string file =
      folder_.write("letters.yaml",
                    "pipelines:\n- name: people\n  source: {type: generator, rows: 1}\n"
                    "  sink: {type: eventhubs, brokers: \"127.0.0.1:1\", topic: people}\n"
                    "  dead_letter:\n"
                    "    sink: {type: eventhubs, brokers: \"127.0.0.1:2\", topic: letters}\n");
  const Ended ended = call({"doctor", file, "--state-dir", folder_.path("state"), "--plugin-dir",
                            DSTREAM_PLUGIN_DIR, "--json"});
  EXPECT_EQ(ended.exit_code, 1) << ended.err;
  std::map<std::string, std::string> found;
  auto checks = result(ended)->getArray("pipelines")->getObject(0)->getArray("checks");
  for (unsigned i = 0; i < checks->size(); ++i) {
    core::JsonObject check = checks->getObject(i);
    found[check->getValue<std::string>("side") + "." + check->getValue<std::string>("id") + " " +
          check->getValue<std::string>("subject")] = check->getValue<std::string>("result");
  }
  EXPECT_EQ(found["sink.tcp.connects 127.0.0.1:1"], "failed");
  EXPECT_EQ(found["sink.throttled "], "skipped") << ended.out;
  EXPECT_EQ(found["dead_letter.sink.settings "], "ok");
  EXPECT_EQ(found["dead_letter.sink.tcp.connects 127.0.0.1:2"], "failed");
  EXPECT_EQ(found.count("dead_letter.sink.throttled "), 0u);
}

TEST_F(DoctorTest, LooksBesideARunningHost) {
  std::string file = folder_.write(
      "run.yaml",
      "pipelines:\n- {name: people, source: {type: talkative}, sink: {type: \"null\"}}\n");
  end_to_end::Child child({DSTREAM_PROGRAM, "run", file, "--state-dir", folder_.path("state"),
                           "--plugin-dir", DSTREAM_TEST_PLUGIN_DIR});
  ASSERT_TRUE(child.wait_line("is running", seconds(60))) << child.output();
  Ended beside = look("{type: talkative}");
  EXPECT_EQ(beside.exit_code, 0) << beside.out;
  EXPECT_THAT(beside.out, HasSubstr("  ok       state.lock: The pipeline runs now.\n"));
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait_exit(seconds(60)), 143);
}

}  // namespace
}  // namespace dstream::host_test
