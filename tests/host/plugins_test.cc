// Plugin files that are turned away, and the others that load all the same.
#include <Poco/JSON/Array.h>
#include <gmock/gmock.h>

#include "tests/host/program.h"

namespace dstream::host_test {
namespace {

using ::testing::HasSubstr;

namespace fs = std::filesystem;

constexpr const char* kPlugin = DSTREAM_PLUGIN_DIR "/null.so";

class Plugins : public ::testing::Test {
 protected:
  Plugins() {
    fs::create_directories(folder_.path("plugins"));
    fs::copy_file(kPlugin, folder_.path("plugins/good.so"));
    fs::copy_file(DSTREAM_FOREIGN_LIBRARY, folder_.path("plugins/foreign.so"));
    std::string whole = read_file(kPlugin);
    folder_.write("plugins/truncated.so", whole.substr(0, whole.size() / 3));
    folder_.write("plugins/text.so", "this is no library\n");
    folder_.write("plugins/empty.so", "");
  }

  Folder folder_;
};

TEST_F(Plugins, ListNamesWhatWasRefusedAndWhy) {
  Ended ended = call({"plugins", "list", "--no-default-plugins", "--plugin-dir",
                      folder_.path("plugins"), "--json"});
  ASSERT_EQ(ended.exit_code, 0) << ended.err;
  core::JsonObject result = parse_json(ended.out)->getObject("result");
  ASSERT_EQ(result->getArray("connectors")->size(), 2u);
  EXPECT_EQ(result->getArray("connectors")->getObject(0)->getValue<std::string>("id"), "null");
  auto refused = result->getArray("refused");
  ASSERT_EQ(refused->size(), 4u);
  for (unsigned i = 0; i < refused->size(); ++i) {
    core::JsonObject error = refused->getObject(i)->getObject("error");
    EXPECT_EQ(error->getValue<std::string>("code").rfind("DS-PLUGIN-", 0), 0u);
    EXPECT_FALSE(error->getValue<std::string>("message").empty());
  }
  Ended text =
      call({"plugins", "list", "--no-default-plugins", "--plugin-dir", folder_.path("plugins")});
  for (const char* name : {"foreign.so", "truncated.so", "text.so", "empty.so"}) {
    EXPECT_THAT(text.out, HasSubstr(name));
  }
}

TEST_F(Plugins, TheOthersRun) {
  std::string file =
      folder_.write("f.yaml",
                    "plugin_dirs: [plugins]\npipelines:\n- name: a\n"
                    "  source: {type: generator, rows: 10}\n  sink: {type: \"null\"}\n");
  Ended ended = call({"run", file, "--state-dir", folder_.path("state"), "--log-format", "json"});
  EXPECT_EQ(ended.exit_code, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("truncated.so"));
  EXPECT_THAT(ended.err, HasSubstr("\"delivered\":\"10\""));
}

TEST_F(Plugins, InspectDescribesAFile) {
  Ended ended = call({"plugins", "inspect", kPlugin, "--json"});
  ASSERT_EQ(ended.exit_code, 0) << ended.out;
  core::JsonObject result = parse_json(ended.out)->getObject("result");
  EXPECT_EQ(result->getArray("connectors")->size(), 2u);
  EXPECT_THAT(call({"plugins", "inspect", kPlugin}).out, HasSubstr("connector null-messages"));
}

TEST_F(Plugins, InspectSaysWhyAFileIsRefused) {
  for (const char* name : {"foreign.so", "truncated.so", "text.so", "empty.so", "missing.so"}) {
    Ended ended = call({"plugins", "inspect", folder_.path("plugins/" + std::string(name))});
    EXPECT_EQ(ended.exit_code, 1) << name;
    EXPECT_THAT(ended.err, HasSubstr("DS-PLUGIN-")) << name;
  }
}

TEST_F(Plugins, AFolderThatIsNotThere) {
  Ended ended = call({"plugins", "list", "--plugin-dir", folder_.path("nowhere")});
  EXPECT_EQ(ended.exit_code, 2);
  EXPECT_THAT(ended.err, HasSubstr("DS-PLUGIN-FOLDER"));
}

}  // namespace
}  // namespace dstream::host_test
