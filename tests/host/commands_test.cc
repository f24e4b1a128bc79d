// Commands that end by themselves: what they print and how they exit.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/host/program.h"

namespace dstream::host_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kGood =
    "pipelines:\n- name: a\n  source: {type: generator, rows: 1}\n  sink: {type: \"null\"}\n";

TEST(Commands, HelpAndVersion) {
  Ended help = call({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* command : {"run", "status", "snapshot", "doctor", "validate", "plugins",
                              "checkpoint", "config", "version"}) {
    EXPECT_THAT(help.out, HasSubstr(command));
  }
  EXPECT_EQ(call({"run", "--help"}).exit_code, 0);
  Ended version = call({"version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, HasSubstr("dstream " DSTREAM_VERSION " (plugin ABI 1.0"));
  EXPECT_THAT(call({"--version"}).out, HasSubstr(DSTREAM_VERSION));
}

TEST(Commands, JsonHasOneShape) {
  Folder folder;
  std::string good = folder.write("good.yaml", kGood);
  std::vector<std::vector<std::string>> calls = {
      {"version"},
      {"plugins", "list"},
      {"config", "schema"},
      {"validate", good},
      {"config", "example"},
      {"config", "show", good},
      {"checkpoint", "show", "--state-dir", folder.path()}};
  for (std::vector<std::string> arguments : calls) {
    arguments.push_back("--json");
    Ended ended = call(arguments);
    SCOPED_TRACE(arguments[0]);
    EXPECT_EQ(ended.exit_code, 0) << ended.err;
    EXPECT_THAT(ended.err, IsEmpty());
    EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 1);
    core::JsonObject document = parse_json(ended.out);
    EXPECT_TRUE(document->getValue<bool>("ok"));
    EXPECT_TRUE(document->has("result"));
    EXPECT_EQ(document->getValue<std::string>("command").rfind(arguments[0], 0), 0u);
  }
}

TEST(Commands, JsonOfAnError) {
  Folder folder;
  std::string bad = folder.write("bad.yaml", "pipelines:\n- nmae: a\n");
  Ended ended = call({"validate", bad, "--json"});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, IsEmpty());
  core::JsonObject document = parse_json(ended.out);
  EXPECT_EQ(document->getValue<std::string>("command"), "validate");
  EXPECT_FALSE(document->getValue<bool>("ok"));
  core::JsonObject error = document->getObject("error");
  EXPECT_EQ(error->getValue<std::string>("code"), "DS-CONFIG-MISSING-KEY");
  EXPECT_FALSE(error->getValue<std::string>("message").empty());
  core::JsonObject place = error->getObject("place");
  EXPECT_EQ(place->getValue<std::string>("file"), bad);
  EXPECT_EQ(place->getValue<int>("line"), 2);
  EXPECT_EQ(place->getValue<int>("column"), 3);
  EXPECT_EQ(document->getArray("errors")->size(), 4u);
  core::JsonObject typo = document->getArray("errors")->getObject(3);
  EXPECT_THAT(typo->getValue<std::string>("hint"), HasSubstr("Did you mean \"name\"?"));
}

TEST(Commands, WrongCallsExitWith2) {
  Ended unknown = call({"rnu"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("There is no command rnu."));
  EXPECT_THAT(unknown.err, HasSubstr("Did you mean run?"));
  EXPECT_EQ(call({}).exit_code, 2);
  EXPECT_EQ(call({"run"}).exit_code, 2);
  EXPECT_EQ(call({"run", "x", "--no-such-flag"}).exit_code, 2);
  EXPECT_EQ(call({"run", "x", "--log-level", "loud"}).exit_code, 2);
  EXPECT_EQ(call({"run", "x", "--status-interval", "5"}).exit_code, 2);
  EXPECT_EQ(call({"plugins"}).exit_code, 2);
  EXPECT_EQ(call({"plugins", "inspect"}).exit_code, 2);
  EXPECT_EQ(call({"validate", "no-such-file.yaml"}).exit_code, 2);
  Ended json = call({"plugins", "lsit", "--json"});
  EXPECT_EQ(json.exit_code, 2);
  EXPECT_EQ(parse_json(json.out)->getObject("error")->getValue<std::string>("code"), "DS-USAGE");
}

TEST(Commands, ExampleValidatesAndRuns) {
  Folder folder;
  Ended example = call({"config", "example"});
  ASSERT_EQ(example.exit_code, 0);
  std::string file = folder.write("example.yaml", example.out);
  EXPECT_EQ(call({"validate", file}).exit_code, 0);
  Ended run = call({"run", file, "--state-dir", folder.path("state")});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("generator"));
}

TEST(Commands, ConfigFilesOfTheTreeValidate) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(DSTREAM_SOURCE_DIR "/conf")) {
    if (entry.path().extension() != ".yaml" && !entry.is_directory()) {
      continue;
    }
    // A plugin that this build does not have says nothing about the file.
    Ended ended = call({"validate", entry.path().string()},
                       {"DSTREAM_SQLSERVER=sqlserver://sa:secret@127.0.0.1:1433?database=demo",
                        "DSTREAM_KAFKA=127.0.0.1:9092",
                        "EVENTHUBS_CONNECTION=Endpoint=sb://x.servicebus.windows.net/;"
                        "SharedAccessKeyName=n;SharedAccessKey=a2V5"});
    if (ended.err.find("DS-PLUGIN-UNKNOWN") == std::string::npos) {
      EXPECT_EQ(ended.exit_code, 0) << entry.path() << "\n" << ended.err;
    }
    ++count;
  }
  EXPECT_GE(count, 3);
}

TEST(Commands, ConfigShowRedacts) {
  Folder folder;
  std::string file = folder.write("f.yaml",
                                  "pipelines:\n- name: a\n  source: {type: leaky, connection: "
                                  "\"tcp://u:hunter2@h\"}\n  sink: {type: \"null\"}\n");
  Ended shown = call({"config", "show", file, "--plugin-dir", DSTREAM_TEST_PLUGIN_DIR});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_THAT(shown.out, HasSubstr("connection: \"[redacted]\""));
  EXPECT_THAT(shown.out, HasSubstr("max_bytes: 64MiB"));
  EXPECT_THAT(shown.out, Not(HasSubstr("hunter2")));
  // What is shown is a configuration again.
  std::string again = folder.write("again.yaml", shown.out);
  Ended valid = call({"validate", again, "--plugin-dir", DSTREAM_TEST_PLUGIN_DIR});
  EXPECT_EQ(valid.exit_code, 0) << valid.err;
}

TEST(Commands, ConfigSchemaHasThePluginsParts) {
  Ended ended = call({"config", "schema", "--plugin-dir", DSTREAM_TEST_PLUGIN_DIR});
  ASSERT_EQ(ended.exit_code, 0);
  core::JsonObject definitions = parse_json(ended.out)->getObject("definitions");
  EXPECT_TRUE(definitions->has("source-leaky"));
  EXPECT_TRUE(definitions->has("source-generator"));
  EXPECT_TRUE(definitions->has("sink-null-messages"));
  core::JsonObject properties =
      definitions->getObject("sink-null-messages")->getObject("properties");
  EXPECT_TRUE(properties->has("topic"));
  Ended markdown = call({"config", "schema", "--markdown"});
  EXPECT_THAT(markdown.out, HasSubstr("| `checkpoint.interval` | duration"));
  EXPECT_THAT(markdown.out, HasSubstr("### Source `generator`"));
}

TEST(Commands, ValidateAsksThePlugin) {
  Folder folder;
  std::string file =
      folder.write("f.yaml",
                   "name: a\nsource: {type: leaky, connection: xyzzy, fail: create}\n"
                   "sink: {type: \"null\"}\n");
  Ended ended = call({"validate", file, "--plugin-dir", DSTREAM_TEST_PLUGIN_DIR});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr(file + ":2:16: error: DS-PLUGIN-CREATE"));
  EXPECT_THAT(ended.err, Not(HasSubstr("xyzzy")));
}

// As the run would refuse it, but before anything runs.
TEST(Commands, ValidateAsksForTransactions) {
  Folder folder;
  const std::string start = "name: a\nsource: {type: generator, rows: 1}\nsink: {type: ";
  for (const char* sink : {"'null'", "console", "file, path: out.ndjson"}) {
    const std::string file =
        folder.write("f.yaml", start + sink + "}\ndelivery: exactly_once\nformat: {type: json}\n");
    const Ended ended = call({"validate", file});
    EXPECT_EQ(ended.exit_code, 2) << sink;
    EXPECT_THAT(ended.err, HasSubstr(file + ":3:14: error: DS-DELIVERY-UNSUPPORTED"));
  }
}

// A sink that takes everything would never meet a message that is too large.
TEST(Commands, ValidateAsksForALimitOfSize) {
  Folder folder;
  const std::string start = "name: a\nsource: {type: generator, rows: 1}\nsink: {type: ";
  for (const char* policy : {"stop", "dead_letter", "truncate_columns", "split"}) {
    const std::string end = std::string("}\non_oversize: ") + policy + "\n";
    const std::string file = folder.write("f.yaml", start + "console" + end);
    const Ended refused = call({"validate", file});
    EXPECT_EQ(refused.exit_code, 2) << policy;
    EXPECT_THAT(refused.err, HasSubstr(file + ":3:14: error: DS-CONFIG-UNSUPPORTED"));
    const Ended taken = call(
        {"validate",
         folder.write("g.yaml", start + "eventhubs, brokers: \"localhost:1\", topic: t" + end)});
    EXPECT_EQ(taken.exit_code, 0) << taken.err;
  }
}

TEST(Commands, ValidateAsksForOneClaimStore) {
  Folder folder;
  const std::string start =
      "name: a\nsource: {type: generator, rows: 1}\n"
      "sink: {type: eventhubs, brokers: \"localhost:1\", topic: t}\n";
  const std::string claim = "on_oversize: claim_check\n";
  const std::string url = "container_url: \"https://a.example/c?sp=cw&sig=hunter2\"";
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {claim, ":4:14: error: DS-CONFIG-MISSING-KEY"},
      {claim + "claim_check: {folder: /srv, " + url + "}\n", ":5:1: error: DS-CONFIG-VALUE"},
      {"claim_check: {folder: /srv}\n", ":4:1: error: DS-CONFIG-VALUE"},
      {claim + "claim_check: {container_url: \"http://a.example/c?sig=hunter2\"}\n",
       ":5:30: error"},
      {claim + "claim_check: {container_url: \"https://a.example/hunter2\"}\n", ":5:30: error"}};
  for (const auto& [keys, said] : wrong) {
    const std::string file = folder.write("f.yaml", start + keys);
    const Ended refused = call({"validate", file});
    EXPECT_EQ(refused.exit_code, 2) << keys;
    EXPECT_THAT(refused.err, HasSubstr(file + said));
    EXPECT_THAT(refused.err, Not(HasSubstr("hunter2")));
  }
  const std::string file = folder.write("f.yaml", start + claim + "claim_check: {" + url + "}\n");
  const Ended taken = call({"validate", file});
  EXPECT_EQ(taken.exit_code, 0) << taken.err;
  EXPECT_THAT(call({"config", "show", file}).out, Not(HasSubstr("hunter2")));
}

TEST(Commands, CheckpointShow) {
  Folder folder;
  std::string file = folder.write("f.yaml", kGood);
  EXPECT_EQ(call({"checkpoint", "show", "--state-dir", folder.path("nowhere")}).exit_code, 1);
  Ended none = call({"checkpoint", "show", file, "--state-dir", folder.path("state")});
  EXPECT_EQ(none.exit_code, 0) << none.err;
  EXPECT_THAT(none.out, HasSubstr("none yet"));
  ASSERT_EQ(call({"run", file, "--state-dir", folder.path("state")}).exit_code, 0);
  Ended shown = call({"checkpoint", "show", "--state-dir", folder.path("state"), "--json"});
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  auto list = parse_json(shown.out)->getObject("result")->getArray("checkpoints");
  ASSERT_EQ(list->size(), 1u);
  EXPECT_EQ(list->getObject(0)->getValue<std::string>("pipeline"), "a");
  EXPECT_EQ(list->getObject(0)->getValue<int>("records"), 1);
  std::ofstream(folder.path("state/a.checkpoint")) << "garbage";
  Ended broken = call({"checkpoint", "show", "--state-dir", folder.path("state")});
  EXPECT_EQ(broken.exit_code, 3) << broken.err;
}

}  // namespace
}  // namespace dstream::host_test
