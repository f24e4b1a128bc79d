#include "core/base/file_system.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace dstream::core {
namespace {

class FileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "dstream-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  std::string folder_;
  std::unique_ptr<FileSystem> files_ = make_system_file_system();
};

TEST_F(FileSystemTest, WritesReadsAndReplaces) {
  ASSERT_TRUE(files_->write_durable(path("a.tmp"), "one").has_value());
  ASSERT_TRUE(files_->rename(path("a.tmp"), path("a")).has_value());
  ASSERT_TRUE(files_->sync_folder(folder_).has_value());
  EXPECT_FALSE(files_->exists(path("a.tmp")));
  EXPECT_EQ(files_->read(path("a"), 3).value(), "one");
  EXPECT_EQ(files_->read_last(path("a"), 2).value(), "ne");
  EXPECT_EQ(files_->read_last(path("a"), 20).value(), "one");
  ASSERT_TRUE(files_->write_durable(path("a"), "").has_value());
  EXPECT_EQ(files_->read(path("a"), 3).value(), "");
  ASSERT_TRUE(files_->remove(path("a")).has_value());
  EXPECT_TRUE(files_->remove(path("a")).has_value());
}

TEST_F(FileSystemTest, NamesPathAndReasonOfAFailure) {
  auto missing = files_->read(path("none"), 10);
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, "DS-FILE-MISSING");
  EXPECT_NE(missing.error().message.find(path("none")), std::string::npos);
  ASSERT_TRUE(files_->write_durable(path("big"), "12345").has_value());
  EXPECT_EQ(files_->read(path("big"), 4).error().code, "DS-FILE-TOO-LARGE");
  EXPECT_EQ(files_->write_durable(path("no/such"), "x").error().code, "DS-FILE-MISSING");
  EXPECT_EQ(files_->rename(path("none"), path("other")).error().code, "DS-FILE-MISSING");
  EXPECT_EQ(files_->write_durable("/dev/full", "x").error().code, "DS-FILE-FULL");
}

TEST_F(FileSystemTest, ReadOnlyFolderIsDenied) {
  if (::geteuid() == 0) {
    GTEST_SKIP() << "Permissions do not bind root.";
  }
  ASSERT_EQ(::chmod(folder_.c_str(), 0500), 0);
  EXPECT_EQ(files_->write_durable(path("a"), "x").error().code, "DS-FILE-DENIED");
  ASSERT_EQ(::chmod(folder_.c_str(), 0700), 0);
}

TEST_F(FileSystemTest, MakesFoldersOnce) {
  ASSERT_TRUE(files_->make_folders(path("x/y/z")).has_value());
  EXPECT_TRUE(files_->make_folders(path("x/y/z")).has_value());
  EXPECT_TRUE(files_->make_folders(path("x/y/z/")).has_value());
  ASSERT_TRUE(files_->write_durable(path("file"), "").has_value());
  EXPECT_FALSE(files_->make_folders(path("file")).has_value());
  EXPECT_FALSE(files_->make_folders(path("file/below")).has_value());
}

TEST_F(FileSystemTest, AppendsWhereTheFileEnds) {
  for (const char* line : {"one\n", "two\n"}) {
    auto file = files_->open_append(path("log"));
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE((*file)->append(line).has_value());
    ASSERT_TRUE((*file)->sync().has_value());
  }
  EXPECT_EQ(files_->read(path("log"), 100).value(), "one\ntwo\n");
}

TEST_F(FileSystemTest, SecondOwnerOfALockIsRefusedAndToldWho) {
  auto first = files_->lock(path("lock"));
  ASSERT_TRUE(first.has_value());
  auto second = files_->lock(path("lock"));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, "DS-FILE-LOCKED");
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos);
  first->reset();
  EXPECT_TRUE(files_->lock(path("lock")).has_value());
}

}  // namespace
}  // namespace dstream::core
