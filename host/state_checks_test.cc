#include "host/state_checks.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

namespace dstream::host {
namespace {

namespace fs = std::filesystem;
using Result = core::InstanceCheck::Result;
using ::testing::HasSubstr;

class StateChecks : public ::testing::Test {
 protected:
  StateChecks() {
    std::string pattern = (fs::temp_directory_path() / "dstream-state-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~StateChecks() override { fs::remove_all(folder_); }

  void look(const std::string& state_dir, const std::string& source = "generator") {
    found_.clear();
    auto keep = [&](const core::InstanceCheck& check) { found_[check.id] = check; };
    check_state_folder(state_dir, keep);
    position_ = check_pipeline_state(*files_, state_dir, "a", source, keep);
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << text;
  }

  std::unique_ptr<core::FileSystem> files_ = core::make_system_file_system();
  std::string folder_;
  std::map<std::string, core::InstanceCheck> found_;
  std::string position_;
};

TEST_F(StateChecks, AFolderOfThisUserIsFine) {
  look(folder_);
  EXPECT_EQ(found_["state.folder"].result, Result::kOk);
  EXPECT_EQ(found_["state.owner"].result, Result::kOk);
  EXPECT_EQ(found_["state.lock"].sentence, "Nobody runs this pipeline.");
  EXPECT_EQ(found_["state.checkpoint"].result, Result::kOk);
  EXPECT_TRUE(fs::is_empty(folder_)) << "nothing is changed";
}

TEST_F(StateChecks, AFolderThatIsNotThereWillBeMade) {
  look(folder_ + "/deep/below/");
  EXPECT_EQ(found_["state.folder"].result, Result::kOk);
  EXPECT_THAT(found_["state.folder"].sentence, HasSubstr("will be made"));
  EXPECT_EQ(found_.count("state.owner"), 0u);
  EXPECT_FALSE(fs::exists(folder_ + "/deep"));
}

TEST_F(StateChecks, AFileIsNoFolder) {
  write("file", "");
  look(folder_ + "/file");
  EXPECT_EQ(found_["state.folder"].result, Result::kFailed);
}

TEST_F(StateChecks, AFolderThatCannotBeWrittenFails) {
  if (geteuid() == 0) {
    GTEST_SKIP() << "root may write everywhere";
  }
  fs::permissions(folder_, fs::perms::owner_read | fs::perms::owner_exec);
  look(folder_ + "/below");
  EXPECT_EQ(found_["state.folder"].result, Result::kFailed);
  fs::permissions(folder_, fs::perms::owner_all);
}

TEST_F(StateChecks, AFolderOthersMayWriteIsAWarning) {
  fs::permissions(folder_, fs::perms::all);
  look(folder_);
  EXPECT_EQ(found_["state.owner"].result, Result::kWarning);
  EXPECT_EQ(found_["state.owner"].mend, "chmod go-w '" + folder_ + "'");
}

TEST_F(StateChecks, APipelineThatRunsIsNoFault) {
  auto lock = files_->lock(folder_ + "/a.lock");
  ASSERT_TRUE(lock.has_value());
  look(folder_);
  EXPECT_EQ(found_["state.lock"].result, Result::kOk);
  EXPECT_EQ(found_["state.lock"].sentence, "The pipeline runs now.");
}

TEST_F(StateChecks, ADamagedCheckpointFails) {
  write("a.checkpoint", "nonsense");
  look(folder_);
  EXPECT_EQ(found_["state.checkpoint"].result, Result::kFailed);
}

TEST_F(StateChecks, ACheckpointOfAnotherSourceFails) {
  fs::copy_file(std::string(GOLDEN_FOLDER) + "/golden.checkpoint", folder_ + "/people.checkpoint");
  auto check = [&](const std::string& source) {
    core::InstanceCheck last;
    position_ = check_pipeline_state(*files_, folder_, "people", source,
                                     [&](const core::InstanceCheck& each) { last = each; });
    return last;
  };
  EXPECT_EQ(check("sqlserver-cdc").result, Result::kOk);
  EXPECT_THAT(check("sqlserver-cdc").sentence, HasSubstr("after 1,234,567 records"));
  EXPECT_NE(position_, "") << "the source is asked about it";
  EXPECT_EQ(check("another").result, Result::kFailed);
  EXPECT_THAT(check("another").sentence, HasSubstr("another cannot continue"));
  EXPECT_EQ(position_, "") << "no other source is handed it";
}

}  // namespace
}  // namespace dstream::host
