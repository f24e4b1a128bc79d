// The few file operations the engine needs, so that a test can stand in for the disk and lose
// whatever was not made durable.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

// Thread rule: [any-thread]. `message` names the path and the reason the system gave. Every call
// may fail with DS-FILE-MISSING (no such file or folder), DS-FILE-DENIED (permissions, a read-only
// disk), DS-FILE-FULL (no space, quota) or DS-FILE-IO (anything else); none of them leaves the file
// at `path` half replaced, except write_durable(), which is for files that are renamed afterwards.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Whole content; DS-FILE-MISSING if there is none, DS-FILE-TOO-LARGE above `size_max`.
  virtual Result<std::string> read(const std::string& path, uint64_t size_max) = 0;
  // The last `size` bytes, or all of them if there are fewer.
  virtual Result<std::string> read_last(const std::string& path, uint64_t size) = 0;
  // `size` bytes from `offset` on; fewer, maybe none, where the file ends before.
  virtual Result<std::string> read_part(const std::string& path, uint64_t offset,
                                        uint64_t size) = 0;
  // How large the file is now.
  virtual Result<uint64_t> file_bytes(const std::string& path) = 0;
  // The names in folder `path`, in no order.
  virtual Result<std::vector<std::string>> list_folder(const std::string& path) = 0;
  // Creates or truncates, writes, fsyncs the file. The folder is not synced.
  virtual Result<void> write_durable(const std::string& path, std::string_view bytes) = 0;
  // Replaces `to` if it exists; atomic for every reader, durable after sync_folder().
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  // Removing what is not there is no error.
  virtual Result<void> remove(const std::string& path) = 0;
  // Makes the names in folder `path` durable: files created, renamed and removed in it.
  virtual Result<void> sync_folder(const std::string& path) = 0;
  // The folder and the folders above it; no error if they are there.
  virtual Result<void> make_folders(const std::string& path) = 0;
  virtual bool exists(const std::string& path) = 0;
  // Creates the file if there is none.
  virtual Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) = 0;
  // Creates the file if there is none. DS-FILE-LOCKED if another owner holds it, in this process
  // or in another.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

// The disk of this machine.
std::unique_ptr<FileSystem> make_system_file_system();

}  // namespace dstream::core
