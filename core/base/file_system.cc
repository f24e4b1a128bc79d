#include "core/base/file_system.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace dstream::core {
namespace {

constexpr mode_t kFileMode = 0640;  // positions and rejected rows are nobody else's business
constexpr mode_t kFolderMode = 0750;

Error file_error(const char* what, const std::string& path, int reason) {
  Error error;
  error.code = "DS-FILE-IO";
  if (reason == ENOENT || reason == ENOTDIR) {
    error.code = "DS-FILE-MISSING";
  } else if (reason == EACCES || reason == EPERM || reason == EROFS) {
    error.code = "DS-FILE-DENIED";
    error.hint = "Check the owner and the permissions of the file and its folder.";
  } else if (reason == ENOSPC || reason == EDQUOT) {
    error.code = "DS-FILE-FULL";
    error.hint = "Free some space on that disk.";
  }
  error.message = std::string("Cannot ") + what + " " + path + ": " +
                  std::generic_category().message(reason) + ".";
  return error;
}

tl::unexpected<Error> failed(const char* what, const std::string& path) {
  return fail(file_error(what, path, errno));
}

// Closes what it holds. A close() error after a successful fsync() loses nothing.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) {
      ::close(value_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  bool ok() const { return value_ >= 0; }
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

int open_file(const std::string& path, int flags) {
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, kFileMode);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// Reads until `size` bytes or the end of the file.
bool read_up_to(int descriptor, uint64_t size, std::string& out) {
  out.resize(size);
  size_t filled = 0;
  while (filled < out.size()) {
    ssize_t got = ::read(descriptor, out.data() + filled, out.size() - filled);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return false;
    }
    if (got == 0) {
      break;
    }
    filled += static_cast<size_t>(got);
  }
  out.resize(filled);
  return true;
}

class SystemAppendFile final : public AppendFile {
 public:
  SystemAppendFile(std::string path, int descriptor)
      : path_(std::move(path)), descriptor_(descriptor) {}

  Result<void> append(std::string_view bytes) override {
    if (!write_all(descriptor_.get(), bytes)) {
      return failed("append to", path_);
    }
    return {};
  }
  Result<void> sync() override {
    if (::fsync(descriptor_.get()) != 0) {
      return failed("sync", path_);
    }
    return {};
  }

 private:
  std::string path_;
  Descriptor descriptor_;
};

// flock() belongs to the open file, so a second owner in the same process is refused as well, and
// the kernel releases it however the process ends.
class SystemFileLock final : public FileLock {
 public:
  explicit SystemFileLock(int descriptor) : descriptor_(descriptor) {}

 private:
  Descriptor descriptor_;
};

class SystemFileSystem final : public FileSystem {
 public:
  Result<std::string> read(const std::string& path, uint64_t size_max) override {
    Descriptor file(open_file(path, O_RDONLY));
    std::string content;
    // One byte more than allowed tells a file that is too large, also one that is still growing.
    if (!file.ok() || !read_up_to(file.get(), size_max + 1, content)) {
      return failed("read", path);
    }
    if (content.size() > size_max) {
      return fail("DS-FILE-TOO-LARGE",
                  path + " is larger than " + std::to_string(size_max) + " bytes.");
    }
    return content;
  }

  Result<std::string> read_last(const std::string& path, uint64_t size) override {
    Descriptor file(open_file(path, O_RDONLY));
    struct stat facts {};
    if (!file.ok() || ::fstat(file.get(), &facts) != 0) {
      return failed("read", path);
    }
    auto total = static_cast<uint64_t>(facts.st_size);
    off_t from = static_cast<off_t>(total > size ? total - size : 0);
    std::string content;
    if (::lseek(file.get(), from, SEEK_SET) < 0 ||
        !read_up_to(file.get(), std::min(size, total), content)) {
      return failed("read", path);
    }
    return content;
  }

  Result<std::string> read_part(const std::string& path, uint64_t offset, uint64_t size) override {
    Descriptor file(open_file(path, O_RDONLY));
    std::string content;
    if (!file.ok() || ::lseek(file.get(), static_cast<off_t>(offset), SEEK_SET) < 0 ||
        !read_up_to(file.get(), size, content)) {
      return failed("read", path);
    }
    return content;
  }

  Result<uint64_t> file_bytes(const std::string& path) override {
    struct stat facts {};
    if (::stat(path.c_str(), &facts) != 0) {
      return failed("read", path);
    }
    return static_cast<uint64_t>(facts.st_size);
  }

  Result<std::vector<std::string>> list_folder(const std::string& path) override {
    std::vector<std::string> names;
    std::error_code failure;
    for (std::filesystem::directory_iterator at(path, failure), end; !failure && at != end;
         at.increment(failure)) {
      names.push_back(at->path().filename().string());
    }
    if (failure) {
      return fail(file_error("read folder", path, failure.value()));
    }
    return names;
  }

  Result<void> write_durable(const std::string& path, std::string_view bytes) override {
    Descriptor file(open_file(path, O_WRONLY | O_CREAT | O_TRUNC));
    if (!file.ok() || !write_all(file.get(), bytes)) {
      return failed("write", path);
    }
    if (::fsync(file.get()) != 0) {
      return failed("sync", path);
    }
    return {};
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) {
      return failed(("rename " + from + " to").c_str(), to);
    }
    return {};
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return failed("remove", path);
    }
    return {};
  }

  Result<void> sync_folder(const std::string& path) override {
    Descriptor folder(open_file(path, O_RDONLY | O_DIRECTORY));
    if (!folder.ok() || ::fsync(folder.get()) != 0) {
      return failed("sync folder", path);
    }
    return {};
  }

  Result<void> make_folders(const std::string& path) override {
    for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      std::string folder = path.substr(0, end);
      if (::mkdir(folder.c_str(), kFolderMode) != 0 && errno != EEXIST) {
        return failed("make folder", folder);
      }
      if (end == std::string::npos) {
        break;
      }
    }
    std::error_code ignored;
    if (!std::filesystem::is_directory(path, ignored)) {
      return fail(file_error("make folder", path, EEXIST));
    }
    return {};
  }

  bool exists(const std::string& path) override {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
  }

  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override {
    Descriptor file(open_file(path, O_WRONLY | O_CREAT | O_APPEND));
    if (!file.ok()) {
      return failed("open", path);
    }
    return std::make_unique<SystemAppendFile>(path, file.release());
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    Descriptor file(open_file(path, O_RDWR | O_CREAT));
    if (!file.ok()) {
      return failed("open", path);
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) {
        return fail("DS-FILE-LOCKED", path + " is locked by another owner" + owner(path) + ".");
      }
      return failed("lock", path);
    }
    // The number is for the person who meets the lock; losing it loses nothing.
    if (::ftruncate(file.get(), 0) == 0) {
      write_all(file.get(), std::to_string(::getpid()) + "\n");
    }
    return std::make_unique<SystemFileLock>(file.release());
  }

 private:
  std::string owner(const std::string& path) {
    auto content = read(path, 32);
    if (!content || content->find_first_not_of("0123456789\n") != std::string::npos) {
      return "";
    }
    std::string process = content->substr(0, content->find('\n'));
    return process.empty() ? "" : ", process " + process;
  }
};

}  // namespace

std::unique_ptr<FileSystem> make_system_file_system() {
  return std::make_unique<SystemFileSystem>();
}

}  // namespace dstream::core
