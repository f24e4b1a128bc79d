// The pages that describe the program say what it does now.
#include <gmock/gmock.h>

#include <map>
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
  for (const char* command : {"run", "status", "reload", "snapshot", "doctor", "validate",
                              "plugins list", "plugins inspect", "checkpoint show", "config show",
                              "config schema", "config example", "version"}) {
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

TEST(Docs, TheConsumerOfReferencesIsTheOneThatIsTested) {
  const std::string program = page("fetch_claims.py");
  const size_t begin = program.find("def whole_value(");
  ASSERT_NE(begin, std::string::npos);
  EXPECT_THAT(page("messages.md"),
              HasSubstr(program.substr(begin, program.find("\n\n\n", begin) - begin)));
}

// What the references of the recipes lead to; any text will do for the others.
std::string secret_of(const std::string& name) {
  static const std::string hub =
      "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=a2V5";
  static const std::map<std::string, std::string> known = {
      {"sqlserver", "sqlserver://dstream:secret@127.0.0.1:1433?database=shop"},
      {"eventhubs", hub},
      {"eventhub-people", hub + ";EntityPath=people"}};
  const auto found = known.find(name);
  return found == known.end() ? "secret" : found->second;
}

// The blocks of a page in one language.
std::vector<std::string> blocks(const std::string& text, const std::string& language) {
  std::vector<std::string> out;
  const std::string begin = "```" + language + "\n";
  for (size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at)) {
    at += begin.size();
    out.push_back(text.substr(at, text.find("```", at) - at));
  }
  return out;
}

TEST(Docs, EveryRecipeValidates) {
  const std::string text = page("recipes.md");
  const size_t emulator = text.find("`Endpoint=sb://localhost") + 1;
  ASSERT_NE(emulator, std::string::npos + 1);
  const std::vector<std::string> environment = {
      "CONFLUENT_KEY=key",
      "EMULATOR=" + text.substr(emulator, text.find('`', emulator) - emulator)};
  const std::regex reference("\\$\\{file:/run/secrets/([^}]+)\\}");
  const std::vector<std::string> recipes = blocks(text, "yaml");
  EXPECT_GE(recipes.size(), 12u);
  for (const std::string& recipe : recipes) {
    Folder folder;
    for (std::sregex_iterator at(recipe.begin(), recipe.end(), reference), end; at != end; ++at) {
      folder.write((*at)[1], secret_of((*at)[1]));
    }
    const std::string file = folder.write(
        "recipe.yaml", std::regex_replace(recipe, reference, "${file:" + folder.path("$1") + "}"));
    const Ended ended = call({"validate", file}, environment);
    EXPECT_EQ(ended.exit_code, 0) << recipe << ended.err;
  }
}

}  // namespace
}  // namespace dstream::host_test
