// Bad files: exit 2, the code, the place, in less than 100 ms, and never a crash.
#include <gmock/gmock.h>

#include "tests/host/program.h"

namespace dstream::host_test {
namespace {

using ::testing::HasSubstr;

struct BadInput {
  const char* name;
  std::string content;
  const char* place;  // "line:column"
  const char* code;
};

std::string pipeline(const std::string& more) {
  return "pipelines:\n"
         "  - name: a\n"
         "    source: {type: generator}\n"
         "    sink: {type: \"null\"}\n" +
         more;
}

std::string alias_bomb() {
  std::string out = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int level = 1; level < 30; ++level) {
    std::string below = "*a" + std::to_string(level - 1);
    out += "a" + std::to_string(level) + ": &a" + std::to_string(level) + " [" + below;
    for (int i = 1; i < 10; ++i) {
      out += "," + below;
    }
    out += "]\n";
  }
  return out;
}

std::string many_aliases() {
  std::string out = "a: &a x\nb:\n";
  for (int i = 0; i < 2000; ++i) {
    out += "- *a\n";
  }
  return out;
}

std::vector<BadInput> bad_inputs() {
  using namespace std::string_literals;
  return {
      {"unknown key", pipeline("    quue: {max_bytes: 8MiB}\n"), "5:5", "DS-CONFIG-UNKNOWN-KEY"},
      {"unknown key of a connector",
       "name: a\nsource: {type: generator, rowz: 1}\nsink: {type: \"null\"}\n", "2:27",
       "DS-CONFIG-UNKNOWN-KEY"},
      {"wrong type", pipeline("    queue: {batch_max_records: lots}\n"), "5:32", "DS-CONFIG-TYPE"},
      {"wrong value", pipeline("    checkpoint: {interval: 5}\n"), "5:28", "DS-CONFIG-VALUE"},
      {"duplicate pipeline name",
       pipeline("  - {name: a, source: {type: generator}, sink: {type: \"null\"}}\n"), "5:12",
       "DS-CONFIG-DUPLICATE-PIPELINE"},
      {"missing environment variable", pipeline("    stop_timeout: ${env:DSTREAM_TEST_NOT_SET}\n"),
       "5:19", "DS-CONFIG-ENVIRONMENT"},
      {"unreadable file of a reference", pipeline("    stop_timeout: ${file:/nowhere/at/all}\n"),
       "5:19", "DS-CONFIG-REFERENCE-FILE"},
      {"alias bomb", alias_bomb(), "5:46", "DS-CONFIG-ALIASES"},
      {"many aliases", many_aliases(), "1003:3", "DS-CONFIG-ALIASES"},
      {"10 MB scalar", "pipelines:\n- name: " + std::string(10 << 20, 'x') + "\n", "2:1",
       "DS-CONFIG-TOO-LARGE"},
      {"NUL", "pipelines:\n- name: a\0b\n"s, "2:10", "DS-CONFIG-CHARACTER"},
      {"tab", "pipelines:\n\t- name: a\n", "2:1", "DS-CONFIG-TAB"},
      {"byte order mark", "\xef\xbb\xbfpipelines: []\n", "1:1", "DS-CONFIG-ENCODING"},
      {"empty file", "", "1:1", "DS-CONFIG-EMPTY"},
      {"only a comment", "# nothing\n", "1:1", "DS-CONFIG-EMPTY"},
      {"duplicate key", pipeline("    name: b\n"), "5:5", "DS-CONFIG-DUPLICATE-KEY"},
      {"deep nesting", "a: " + std::string(2000, '['), "1:36", "DS-CONFIG-DEPTH"},
      {"syntax", "pipelines: [\n", "2:1", "DS-CONFIG-SYNTAX"},
      {"unknown connector", "name: a\nsource: {type: genrator}\nsink: {type: \"null\"}\n", "2:16",
       "DS-PLUGIN-UNKNOWN"},
      {"not YAML at all", std::string(200'000, '\xff'), "1:1", "DS-CONFIG-ENCODING"},
  };
}

class BadInputs : public ::testing::TestWithParam<BadInput> {};

TEST_P(BadInputs, AreRefusedInTime) {
  const BadInput& input = GetParam();
  Folder folder;
  std::string file = folder.write("f.yaml", input.content);
  for (const char* command : {"validate", "run"}) {
    Ended ended = call({command, file});
    EXPECT_EQ(ended.exit_code, 2) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(file + ":" + input.place + ": error: " + input.code));
    EXPECT_EQ(ended.out, "");
    // CPU time: what it takes on a machine that does nothing else.
    if (!kSanitized) {
      EXPECT_LT(ended.cpu_ms, 100);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Host, BadInputs, ::testing::ValuesIn(bad_inputs()), [](const auto& test) {
  std::string name = test.param.name;
  std::replace_if(
      name.begin(), name.end(), [](char letter) { return std::isalnum(letter) == 0; }, '_');
  return name;
});

}  // namespace
}  // namespace dstream::host_test
