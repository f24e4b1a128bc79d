// Files that are no plugins, or no longer whole: refused from their bytes, without loading them.
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/plugins/plugin_image.h"
#include "core/plugins/registry.h"

namespace dstream::core {
namespace {

namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class FilesTest : public testing::Test {
 protected:
  FilesTest() {
    std::string pattern = (fs::temp_directory_path() / "dstream-zoo-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    good_ = read_file(std::string(ZOO) + "/a_good.so");
    EXPECT_GT(good_.size(), sizeof(Elf64_Ehdr));
  }
  ~FilesTest() override { fs::remove_all(folder_); }

  std::string write(const std::string& bytes, const std::string& name = "x.so") {
    std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return path;
  }
  static std::string code_of(const std::string& file) {
    PluginRegistry registry;
    auto result = registry.load_file(file);
    return result ? "loaded" : result.error().code;
  }

  fs::path folder_;
  std::string good_;
};

TEST_F(FilesTest, ACopyCutAtAnyLengthIsRefused) {
  std::string file = write(good_);
  ASSERT_TRUE(read_plugin_image(file).has_value());
  for (size_t size = good_.size() - 1; size > 0;
       size -= size < 2048 || size % 61 == 0 ? 1 : size % 61) {
    ASSERT_EQ(::truncate(file.c_str(), static_cast<off_t>(size)), 0);
    auto image = read_plugin_image(file);
    ASSERT_FALSE(image.has_value()) << "cut to " << size << " of " << good_.size() << " bytes";
    ASSERT_EQ(image.error().code, "DS-PLUGIN-TRUNCATED") << size;
  }
}

TEST_F(FilesTest, ACutCopyIsRefusedBeforeItIsLoaded) {
  for (size_t size : {good_.size() / 4, good_.size() / 2, good_.size() - 1}) {
    EXPECT_EQ(code_of(write(good_.substr(0, size))), "DS-PLUGIN-TRUNCATED");
  }
}

// Damaged headers must not lead a read astray. What is still a plugin is not loaded here.
TEST_F(FilesTest, DamagedHeadersAreNeverFollowedOutOfTheFile) {
  constexpr uint32_t kSeed = 20'240'601;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  // The file header, the segments and whatever lies in the first page: dynamic symbols, hashes.
  size_t reach = std::min<size_t>(good_.size(), 8192);
  int file = ::open(write(good_).c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(file, 0);
  int refused = 0;
  for (int round = 0; round < 3000; round++) {
    std::vector<size_t> places;
    for (uint32_t i = 0; i <= random() % 4; i++) {
      constexpr unsigned char kNasty[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
      places.push_back(random() % reach);
      ASSERT_EQ(::pwrite(file, &kNasty[random() % 5], 1, static_cast<off_t>(places.back())), 1);
    }
    refused += read_plugin_image(folder_ / "x.so").has_value() ? 0 : 1;
    for (size_t place : places) {
      ASSERT_EQ(::pwrite(file, &good_[place], 1, static_cast<off_t>(place)), 1);
    }
  }
  ::close(file);
  EXPECT_GT(refused, 0);
}

TEST_F(FilesTest, WhatIsNoLibraryIsRefused) {
  EXPECT_EQ(code_of(write("")), "DS-PLUGIN-TRUNCATED");
  EXPECT_EQ(code_of(write("#!/bin/sh\necho no\n")), "DS-PLUGIN-FORMAT");
  EXPECT_EQ(code_of(write(std::string(100'000, '\0'))), "DS-PLUGIN-FORMAT");
  EXPECT_EQ(code_of("/proc/self/exe").substr(0, 10), "DS-PLUGIN-");
  EXPECT_EQ(code_of((folder_ / "absent.so").string()), "DS-PLUGIN-FILE");
  EXPECT_EQ(code_of(folder_.string()), "DS-PLUGIN-FILE");
  std::string fifo = folder_ / "fifo.so";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(code_of(fifo), "DS-PLUGIN-FILE") << "and it does not wait for a writer";
}

TEST_F(FilesTest, AnotherMachinesLibraryIsRefused) {
  std::string other = good_;
  other[EI_CLASS] = ELFCLASS32;
  EXPECT_EQ(code_of(write(other)), "DS-PLUGIN-FORMAT");
  other = good_;
  other[EI_DATA] = ELFDATA2MSB;
  EXPECT_EQ(code_of(write(other)), "DS-PLUGIN-FORMAT");
  other = good_;
  other[offsetof(Elf64_Ehdr, e_machine)] = EM_RISCV & 0x7f;
  EXPECT_EQ(code_of(write(other)), "DS-PLUGIN-FORMAT");
  other = good_;
  other[offsetof(Elf64_Ehdr, e_type)] = ET_EXEC;
  EXPECT_EQ(code_of(write(other)), "DS-PLUGIN-FORMAT");
}

TEST_F(FilesTest, AForeignLibraryIsRefused) {
  // The C library of this machine, by the map of this process.
  std::ifstream maps("/proc/self/maps");
  std::string line;
  std::string library;
  while (library.empty() && std::getline(maps, line)) {
    size_t at = line.find('/');
    if (at != std::string::npos && line.find("libstdc++") != std::string::npos) {
      library = line.substr(at);
    }
  }
  ASSERT_FALSE(library.empty());
  EXPECT_EQ(code_of(library), "DS-PLUGIN-SYMBOL");
}

TEST_F(FilesTest, ALibraryWithoutItsLibrariesSaysWhichIsMissing) {
  // The name of the C library, changed in the table of names.
  std::string orphan = read_file(std::string(ZOO) + "/behaviour.so");
  size_t at = orphan.find("libc.so.6");
  ASSERT_NE(at, std::string::npos);
  orphan.replace(at, 9, "libq.so.6");
  PluginRegistry registry;
  auto result = registry.load_file(write(orphan));
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, "DS-PLUGIN-LOAD");
  EXPECT_NE(result.error().message.find("libq.so.6"), std::string::npos) << result.error().text();
}

TEST_F(FilesTest, WhatOthersMayWriteIsRefusedUnlessItIsOurOwn) {
  std::string file = write(good_);
  ASSERT_EQ(::chmod(file.c_str(), 0666), 0);
  EXPECT_EQ(code_of(file), "loaded") << "the running user's own business";
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root can give a file to another user";
  }
  std::string theirs = write(good_, "theirs.so");
  ASSERT_EQ(::chmod(theirs.c_str(), 0664), 0);
  ASSERT_EQ(::chown(theirs.c_str(), 65534, 65534), 0);
  EXPECT_EQ(code_of(theirs), "DS-PLUGIN-PERMISSIONS");
  ASSERT_EQ(::chmod(theirs.c_str(), 0644), 0);
  EXPECT_EQ(code_of(theirs), "loaded");

  std::string last = write(good_, "last.so");
  ASSERT_EQ(::chmod(folder_.c_str(), 0777), 0);
  ASSERT_EQ(::chown(folder_.c_str(), 65534, 65534), 0);
  EXPECT_EQ(code_of(last), "DS-PLUGIN-PERMISSIONS");
  PluginRegistry registry;
  auto result = registry.load_folder(folder_.string());
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, "DS-PLUGIN-PERMISSIONS");
}

}  // namespace
}  // namespace dstream::core
