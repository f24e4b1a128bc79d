#include "disk.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace file_sink {
namespace {

class SystemDisk final : public Disk {
 public:
  int make_folders(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    return error ? -error.value() : 0;
  }
  int open(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    return fd < 0 ? -errno : fd;
  }
  void close(int fd) override { ::close(fd); }
  int lock(int fd) override { return ::flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno; }
  int64_t size(int fd) override {
    struct stat status {};
    return ::fstat(fd, &status) == 0 ? status.st_size : -errno;
  }
  int64_t born_ms(int fd) override {
    struct statx status {};
    if (::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_MTIME, &status) != 0) {
      return -errno;
    }
    const auto& time = (status.stx_mask & STATX_BTIME) != 0 ? status.stx_btime : status.stx_mtime;
    return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
  }
  int64_t read(int fd, char* out, size_t size, int64_t offset) override {
    const ssize_t count = ::pread(fd, out, size, offset);
    return count < 0 ? -errno : count;
  }
  int64_t write(int fd, std::string_view bytes) override {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    return count < 0 ? -errno : count;
  }
  int truncate(int fd, int64_t size) override { return ::ftruncate(fd, size) == 0 ? 0 : -errno; }
  int sync(int fd) override { return ::fdatasync(fd) == 0 ? 0 : -errno; }
  int sync_folder(const std::string& path) override {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
      return -errno;
    }
    const int result = ::fsync(fd) == 0 ? 0 : -errno;
    ::close(fd);
    return result;
  }
  int rename(const std::string& from, const std::string& to) override {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
      return 0;
    }
    if (errno != EINVAL && errno != ENOSYS) {
      return -errno;
    }
    // A file system without that flag: nobody else writes names like ours in between.
    if (::access(to.c_str(), F_OK) == 0) {
      return -EEXIST;
    }
    return ::rename(from.c_str(), to.c_str()) == 0 ? 0 : -errno;
  }
};

}  // namespace

Disk& system_disk() {
  static SystemDisk disk;
  return disk;
}

}  // namespace file_sink
