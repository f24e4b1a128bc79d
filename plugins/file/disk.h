// The system calls the file sink needs, so that a test can stand in for a disk that fills up or
// breaks. Errors are the negative errno, as in the kernel.
//
// Thread rule: [worker] of the sink.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace file_sink {

class Disk {
 public:
  virtual ~Disk() = default;
  virtual int make_folders(const std::string& path) = 0;
  // Opens for reading and appending; creates the file. Returns the descriptor.
  virtual int open(const std::string& path) = 0;
  virtual void close(int fd) = 0;
  // An exclusive lock until close(); -EWOULDBLOCK if somebody else holds it.
  virtual int lock(int fd) = 0;
  // Bytes in the file.
  virtual int64_t size(int fd) = 0;
  // Unix time in milliseconds at which the file was made, as far as the file system knows.
  virtual int64_t born_ms(int fd) = 0;
  // Reads up to `size` bytes at `offset`; returns how many.
  virtual int64_t read(int fd, char* out, size_t size, int64_t offset) = 0;
  // Appends; returns how many bytes it wrote, which may be fewer.
  virtual int64_t write(int fd, std::string_view bytes) = 0;
  virtual int truncate(int fd, int64_t size) = 0;
  // Returns when everything written to the file is on stable storage.
  virtual int sync(int fd) = 0;
  // The same for the names in a folder.
  virtual int sync_folder(const std::string& path) = 0;
  // Fails with -EEXIST instead of replacing a file.
  virtual int rename(const std::string& from, const std::string& to) = 0;
};

// The disk of this machine.
Disk& system_disk();

}  // namespace file_sink
