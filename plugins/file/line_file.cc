#include "line_file.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>

#include "dstream/plugin.hpp"

namespace file_sink {
namespace {

// No more than this is ever handed to the system without being made durable, apart from a single
// longer line; what a crash can damage lies within it.
constexpr int64_t kTailBytes = 64 * 1024 * 1024;

std::string reason(int64_t negative_errno) {
  return std::generic_category().message(static_cast<int>(-negative_errno));
}

bool may_pass(int64_t negative_errno) {
  switch (-negative_errno) {
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case EINTR:
    case EAGAIN:
    case ENOMEM:
      return true;
    default:
      return false;
  }
}

[[noreturn]] void fail_open(const std::string& path, int64_t error) {
  throw dstream::Error(may_pass(error) ? DSTREAM_RETRY : DSTREAM_CONFIG,
                       "/path: " + path + " cannot be opened: " + reason(error) + ".",
                       static_cast<int32_t>(-error));
}

[[noreturn]] void fail_disk(const std::string& path, const char* what, int64_t error) {
  throw dstream::Error(DSTREAM_REOPEN, path + " cannot be " + what + ": " + reason(error) + ".",
                       static_cast<int32_t>(-error));
}

}  // namespace

uint64_t LineFile::open() {
  if (int error = disk_.make_folders(folder()); error < 0) {
    fail_open(folder(), error);
  }
  fd_ = disk_.open(path_);
  if (fd_ < 0) {
    fail_open(path_, fd_);
  }
  if (int error = disk_.lock(fd_); error < 0) {
    disk_.close(fd_);
    fd_ = -1;
    if (error == -EWOULDBLOCK) {
      throw dstream::Error(DSTREAM_RETRY, path_ + " is being written by another sink.",
                           EWOULDBLOCK);
    }
    fail_open(path_, error);
  }
  try {
    const uint64_t removed = repair();
    born_ms_ = disk_.born_ms(fd_);
    if (born_ms_ < 0) {
      fail_open(path_, born_ms_);
    }
    // The name must survive a crash as surely as the lines.
    if (int error = disk_.sync_folder(folder()); error < 0) {
      fail_disk(folder(), "made durable", error);
    }
    return removed;
  } catch (...) {
    disk_.close(fd_);
    fd_ = -1;
    throw;
  }
}

// After a crash the part that was not durable may miss its end, or hold zeros where blocks were
// never written. A line of JSON holds no zero byte, so the first one marks the damage.
uint64_t LineFile::repair() {
  size_ = durable_size_ = disk_.size(fd_);
  if (size_ < 0) {
    fail_open(path_, size_);
  }
  std::string tail(static_cast<size_t>(std::min(size_, kTailBytes)), '\0');
  const int64_t start = size_ - static_cast<int64_t>(tail.size());
  for (size_t at = 0; at < tail.size();) {
    const int64_t count =
        disk_.read(fd_, tail.data() + at, tail.size() - at, start + static_cast<int64_t>(at));
    if (count <= 0) {
      fail_open(path_, count < 0 ? count : -EIO);
    }
    at += static_cast<size_t>(count);
  }
  const std::string_view whole = std::string_view(tail).substr(0, tail.find('\0'));
  if (whole.size() == tail.size() && (tail.empty() || tail.back() == '\n')) {
    return 0;
  }
  const size_t line_feed = whole.rfind('\n');
  const size_t good = line_feed == std::string_view::npos ? 0 : line_feed + 1;
  const bool ours = tail[good] == '{' || tail[good] == '\0';
  if (!ours || (good == 0 && start > 0)) {
    throw dstream::Error(DSTREAM_CONFIG, "/path: " + path_ +
                                             " does not end like a file of JSON lines and is left "
                                             "alone; name another file.");
  }
  const int64_t good_size = start + static_cast<int64_t>(good);
  const auto removed = static_cast<uint64_t>(size_ - good_size);
  int error = disk_.truncate(fd_, good_size);
  if (error == 0) {
    error = disk_.sync(fd_);
  }
  if (error < 0) {
    fail_disk(path_, "repaired", error);
  }
  size_ = durable_size_ = good_size;
  return removed;
}

void LineFile::write_out() {
  if (buffer_.empty()) {
    return;
  }
  if (fd_ < 0) {
    open();  // a rotation could not begin the new file
  }
  size_t written = 0;
  int64_t count = 0;
  while (written < buffer_.size()) {
    count = disk_.write(fd_, std::string_view(buffer_).substr(written));
    if (count <= 0 && count != -EINTR) {
      break;
    }
    written += static_cast<size_t>(std::max<int64_t>(count, 0));
  }
  size_ += static_cast<int64_t>(written);
  buffer_.erase(0, written);
  if (buffer_.empty()) {
    return;
  }
  if (may_pass(count)) {
    throw dstream::Error(DSTREAM_RETRY, path_ + " cannot be written: " + reason(count) + ".",
                         static_cast<int32_t>(-count));
  }
  fail_disk(path_, "written", count == 0 ? -EIO : count);
}

void LineFile::make_durable() {
  if (size_ == durable_size_) {
    return;
  }
  if (int error = disk_.sync(fd_); error < 0) {
    disk_.truncate(fd_, durable_size_);
    size_ = durable_size_;
    buffer_.clear();
    fail_disk(path_, "made durable", error);
  }
  durable_size_ = size_;
}

void LineFile::rotate_if_due(int64_t now_ms) {
  const bool large =
      rotation_.size_bytes > 0 && static_cast<uint64_t>(size_) >= rotation_.size_bytes;
  const bool old = rotation_.age_ms > 0 && now_ms - born_ms_ >= rotation_.age_ms;
  if (size_ == 0 || !(large || old)) {
    return;
  }
  int error = -EEXIST;
  for (int attempt = 0; error == -EEXIST && attempt < 1000; ++attempt) {
    error = disk_.rename(path_, rotated_path(now_ms, attempt));
  }
  if (error < 0) {
    fail_disk(path_, "rotated", error);
  }
  close();
  open();  // makes the new name and the old one durable, too
}

void LineFile::close() {
  if (fd_ < 0) {
    return;
  }
  if (size_ != durable_size_) {
    disk_.truncate(fd_, durable_size_);
  }
  disk_.close(fd_);
  fd_ = -1;
  buffer_.clear();
}

std::string LineFile::folder() const {
  const size_t slash = path_.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
}

// "/data/changes.jsonl" becomes "/data/changes.20261123T054000.123Z.jsonl".
std::string LineFile::rotated_path(int64_t now_ms, int attempt) const {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds(now_ms)};
  const auto day = floor<days>(time);
  const year_month_day date(day);
  const hh_mm_ss clock(time - day);
  char stamp[80];
  std::snprintf(
      stamp, sizeof stamp, ".%04d%02u%02uT%02d%02d%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  const size_t slash = path_.rfind('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  size_t dot = path_.rfind('.');
  if (dot == std::string::npos || dot <= name) {
    dot = path_.size();
  }
  return path_.substr(0, dot) + stamp + (attempt > 0 ? "-" + std::to_string(attempt) : "") +
         path_.substr(dot);
}

}  // namespace file_sink
