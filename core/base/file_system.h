// The few file operations the engine needs, so that a test can stand in for the disk and lose
// whatever was not made durable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace dstream::core {

// An exclusive, advisory lock on a file, released when destroyed or when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// A file that only grows. Not thread safe.
class AppendFile {
 public:
  virtual ~AppendFile() = default;
  virtual Result<void> append(std::string_view bytes) = 0;
  // Returns when everything appended is on stable storage.
  virtual Result<void> sync() = 0;
};

// Thread rule: [any-thread]. Errors have codes DS-FILE-*; `message` names the path and the reason
// the system gave.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Whole content; DS-FILE-MISSING if there is none, DS-FILE-TOO-LARGE above `size_max`.
  virtual Result<std::string> read(const std::string& path, uint64_t size_max) = 0;
  // Creates or truncates, writes, fsyncs the file. The folder is not synced.
  virtual Result<void> write_durable(const std::string& path, std::string_view bytes) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> sync_folder(const std::string& path) = 0;
  virtual Result<void> make_folders(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  virtual Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) = 0;
  // DS-FILE-LOCKED if another owner holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

// The disk of this machine.
std::unique_ptr<FileSystem> make_system_file_system();

}  // namespace dstream::core
