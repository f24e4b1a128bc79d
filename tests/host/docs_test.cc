// The pages that describe the program say what it does now.
#include <gmock/gmock.h>

#include <regex>
#include <set>

#include "core/config/schema_markdown.h"
#include "tests/host/program.h"

namespace dstream::host_test {
namespace {

using ::testing::HasSubstr;

namespace fs = std::filesystem;

std::string page(const std::string& name) {
  return read_file(std::string(DSTREAM_SOURCE_DIR "/docs/") + name);
}

TEST(Docs, TheReferenceIsThatOfTheProgram) {
  EXPECT_THAT(page("configuration.md"), HasSubstr(core::file_schema_markdown()))
      << "Run docs/update-configuration.sh.";
}

TEST(Docs, TheReferenceHasEveryKeyOfEveryConnector) {
  std::string text = page("configuration.md");
  core::JsonObject schema = parse_json(call({"config", "schema"}).out);
  core::JsonObject definitions = schema->getObject("definitions");
  for (const std::string& name : definitions->getNames()) {
    if (name == "pipeline") {
      continue;
    }
    bool source = name.rfind("source-", 0) == 0;
    std::string id = name.substr(name.find('-') + 1);
    size_t at = text.find((source ? "### Source `" : "### Sink `") + id + "`\n");
    ASSERT_NE(at, std::string::npos) << name << ": run docs/update-configuration.sh.";
    std::string section = text.substr(at, text.find("\n### ", at) - at);
    core::JsonObject keys = definitions->getObject(name)->getObject("properties");
    for (const std::string& key : keys->getNames()) {
      EXPECT_THAT(section, HasSubstr("| `" + key + "` |"))
          << name << ": run docs/update-configuration.sh.";
    }
  }
}

TEST(Docs, EveryErrorCodeIsListed) {
  std::string text = page("errors.md");
  std::set<std::string> codes;
  std::regex literal("\"(DS-[A-Z]+(-[A-Z]+)+)\"");
  for (const char* folder : {"core", "host", "plugins"}) {
    for (const auto& entry :
         fs::recursive_directory_iterator(std::string(DSTREAM_SOURCE_DIR "/") + folder)) {
      std::string name = entry.path().filename().string();
      if (entry.path().extension() != ".cc" || name.find("_test.") != std::string::npos ||
          name.starts_with("test_")) {
        continue;
      }
      std::string source = read_file(entry.path().string());
      for (std::sregex_iterator at(source.begin(), source.end(), literal), end; at != end; ++at) {
        codes.insert((*at)[1]);
      }
    }
  }
  EXPECT_GT(codes.size(), 50u);
  for (const std::string& code : codes) {
    EXPECT_THAT(text, HasSubstr("`" + code + "`"));
  }
}

TEST(Docs, EveryCommandIsListed) {
  std::string text = page("commands.md");
  for (const char* command :
       {"run", "status", "snapshot", "doctor", "validate", "plugins list", "plugins inspect",
        "checkpoint show", "config show", "config schema", "config example", "version"}) {
    EXPECT_THAT(text, HasSubstr(std::string("dstream ") + command));
  }
}

TEST(Docs, TheConsumerInTheManualIsTheOneThatIsTested) {
  const std::string program = page("join_parts.py");
  const size_t begin = program.find("def join(");
  ASSERT_NE(begin, std::string::npos);
  EXPECT_THAT(page("messages.md"),
              HasSubstr(program.substr(begin, program.find("\n\n\n", begin) - begin)));
}

}  // namespace
}  // namespace dstream::host_test
