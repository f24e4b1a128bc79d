// I11: a secret of the configuration appears in no output of any command.
#include <gmock/gmock.h>
#include <signal.h>

#include "tests/end_to_end/child.h"
#include "tests/host/program.h"
#include "tests/standins/registry/schema_registry.h"

namespace dstream::host_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The leaky source repeats its whole configuration in log lines and errors.
TEST(Secrets, AppearInNoOutput) {
  const std::vector<std::string> secrets = {"pl@in-secret", "pl%40in-secret", "env-secret-77",
                                            "file-secret-88", "with\"quote\\back"};
  Folder folder;
  folder.write("token", "file-secret-88\n");
  for (const std::string fail : {"", "create", "open"}) {
    std::string file = folder.write(
        "f.yaml",
        "pipelines:\n"
        "- name: plain\n"
        "  source: {type: leaky, fail: \"" +
            fail +
            "\", token: \"${file:token}\",\n"
            "           connection: \"sqlserver://sa:pl%40in-secret@db?database=x\"}\n"
            "  sink: {type: \"null\"}\n"
            "- name: env\n"
            "  source: {type: leaky, fail: \"" +
            fail +
            "\",\n"
            "           connection: \"Server=db;PWD=${env:LEAK_TEST_PASSWORD};UID=sa\"}\n"
            "  sink: {type: \"null\"}\n"
            "- name: quoted\n"
            "  source: {type: leaky, fail: \"" +
            fail +
            "\", connection: 'with\"quote\\back'}\n"
            "  sink: {type: \"null\"}\n");
    std::string state = folder.path("state");
    std::vector<std::vector<std::string>> calls = {{"validate", file},
                                                   {"validate", file, "--json"},
                                                   {"config", "show", file},
                                                   {"config", "show", file, "--json"}};
    if (!fail.empty()) {  // without a failure it would run on
      for (const char* format : {"text", "json", "logfmt"}) {
        calls.push_back(
            {"run", file, "--state-dir", state, "--log-level", "trace", "--log-format", format});
      }
      calls.push_back({"run", file, "--state-dir", state, "--json"});
    }
    for (std::vector<std::string> arguments : calls) {
      arguments.insert(arguments.end(), {"--plugin-dir", DSTREAM_TEST_PLUGIN_DIR});
      Ended ended = call(arguments, {"LEAK_TEST_PASSWORD=env-secret-77"});
      for (const std::string& secret : secrets) {
        EXPECT_THAT(ended.out, Not(HasSubstr(secret))) << arguments[0] << " " << fail;
        EXPECT_THAT(ended.err, Not(HasSubstr(secret))) << arguments[0] << " " << fail;
      }
      if (arguments[0] == "run") {  // it did speak
        EXPECT_THAT(ended.out + ended.err, HasSubstr("[redacted]"));
      }
    }
  }
}

TEST(Secrets, APasswordOfTheRegistryRotatesWithoutARestart) {
  standin::SchemaRegistry::Options options;
  options.username = "dora";
  options.password = "second-password";
  standin::SchemaRegistry registry(options);
  Folder folder;
  folder.write("password", "first-password\n");
  const std::string file = folder.write(
      "f.yaml", "name: people\nsource: {type: generator, rows: 3}\nsink: {type: file, path: " +
                    folder.path("out") + "}\nformat: {type: avro, registry: {url: \"" +
                    registry.url() + "\", username: dora, password: \"${file:password}\"}}\n");
  end_to_end::Child host({DSTREAM_PROGRAM, "run", file, "--state-dir", folder.path("state"),
                          "--plugin-dir", DSTREAM_PLUGIN_DIR});
  EXPECT_TRUE(host.wait_line("DS-REGISTRY-DENIED", std::chrono::seconds(60)));
  folder.write("password", "second-password\n");
  EXPECT_EQ(host.wait_exit(std::chrono::seconds(60)), 0) << host.output();
  EXPECT_THAT(host.output(), HasSubstr("The login of format.registry has changed"));
  EXPECT_THAT(host.output(), HasSubstr("delivered=3"));
  EXPECT_THAT(host.output(), Not(HasSubstr("first-password")));
  EXPECT_THAT(host.output(), Not(HasSubstr("second-password")));
}

TEST(Secrets, AreNotInTheStateFolder) {
  Folder folder;
  std::string file = folder.write("f.yaml",
                                  "name: a\nsource: {type: leaky, connection: hunter2-of-test}\n"
                                  "sink: {type: \"null\"}\n");
  end_to_end::Child child({DSTREAM_PROGRAM, "run", file, "--state-dir", folder.path("state"),
                           "--plugin-dir", DSTREAM_TEST_PLUGIN_DIR});
  ASSERT_TRUE(child.wait_line("connecting to [redacted]", std::chrono::seconds(60)))
      << child.output();
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait_exit(std::chrono::seconds(60)), 143);
  EXPECT_THAT(child.output(), Not(HasSubstr("hunter2-of-test")));
  for (const auto& entry : std::filesystem::directory_iterator(folder.path("state"))) {
    EXPECT_THAT(read_file(entry.path().string()), Not(HasSubstr("hunter2-of-test")));
  }
}

}  // namespace
}  // namespace dstream::host_test
