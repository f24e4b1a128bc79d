#include "file_sink.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <span>

#include "message_line.h"

namespace file_sink {
namespace {

constexpr uint64_t kBufferedBytesMax = 4 * 1024 * 1024;
constexpr uint64_t kCommitBytes = 1024 * 1024;
constexpr int64_t kCommitDelayMs = 20;
constexpr uint32_t kTopicIdsCachedMax = 100'000;
constexpr std::string_view kTopicField = "{topic}";

struct Unit {
  std::string_view name;
  uint64_t factor;
};

uint64_t parse(std::string_view text, std::span<const Unit> units, const char* key,
               const char* expected) {
  uint64_t number = 0;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc()) {
    const std::string_view name(stop, static_cast<size_t>(end - stop));
    for (const Unit& unit : units) {
      if (unit.name == name && number <= (uint64_t{1} << 60) / unit.factor) {
        return number * unit.factor;
      }
    }
  }
  throw dstream::Error(DSTREAM_CONFIG, std::string(key) + ": expected " + expected + ".");
}

int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

int64_t monotonic_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void check_path(const std::string& path) {
  std::string rest = path;
  if (size_t at = rest.find(kTopicField); at != std::string::npos) {
    rest.erase(at, kTopicField.size());
  }
  if (rest.find_first_of("{}") != std::string::npos) {
    throw dstream::Error(DSTREAM_CONFIG, "/path: the only field is {topic}, once.");
  }
  if (path.empty() || path.back() == '/') {
    throw dstream::Error(DSTREAM_CONFIG, "/path: expected the name of a file, not of a folder.");
  }
}

}  // namespace

int64_t parse_duration_ms(std::string_view text, const char* key) {
  static constexpr Unit kUnits[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
  return static_cast<int64_t>(parse(text, kUnits, key, "a duration such as 30m or 24h"));
}

uint64_t parse_size_bytes(std::string_view text, const char* key) {
  static constexpr Unit kUnits[] = {
      {"B", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}};
  return parse(text, kUnits, key, "a size such as 64MiB");
}

Options read_options(const dstream::Host& host) {
  Options options;
  options.path = host.config<std::string>("/path");
  check_path(options.path);
  options.rotation.size_bytes =
      parse_size_bytes(host.config_or<std::string>("/rotate_size", "256MiB"), "/rotate_size");
  options.rotation.age_ms =
      parse_duration_ms(host.config_or<std::string>("/rotate_age", "24h"), "/rotate_age");
  return options;
}

std::string expand_path(const std::string& path, std::string_view topic) {
  const size_t at = path.find(kTopicField);
  if (at == std::string::npos) {
    return path;
  }
  std::string name(topic);
  for (char& c : name) {
    if (c == '/' || static_cast<unsigned char>(c) < 0x20) {
      c = '_';
    }
  }
  if (name.empty() || name == "." || name == "..") {
    name = "_" + name;
  }
  std::string expanded = path;
  return expanded.replace(at, kTopicField.size(), name);
}

World system_world() { return {system_disk(), &unix_ms, &monotonic_ms}; }

FileSink::FileSink(dstream::Host host) : FileSink(host, read_options(host), system_world()) {}

FileSink::FileSink(dstream::Host host, const Options& options, const World& world)
    : host_(host), options_(options), world_(world) {}

void FileSink::open() {
  // Without {topic} there is one file: a path that cannot be used is said at once.
  if (options_.path.find(kTopicField) == std::string::npos) {
    open_file(options_.path);
  }
}

uint32_t FileSink::write(const dstream::Delivery& delivery, uint32_t first) {
  uint32_t next = first;
  while (next < delivery.count() && buffered_bytes_ < kBufferedBytesMax) {
    const dstream_message& message = delivery.message(next);
    LineFile* file = nullptr;
    try {
      file = file_for(message);
    } catch (const dstream::Error&) {
      if (next == first) {
        throw;
      }
      break;  // what was taken must be known; the next call fails
    }
    if (file == nullptr) {
      break;  // too many files are open; poll() makes them ready to be closed
    }
    std::string* buffer = file->buffer();
    const size_t before = buffer->size();
    message_lines::append_json_line(message, buffer);
    buffered_bytes_ += buffer->size() - before;
    ++next;
  }
  if (next > first) {
    if (pending_.empty()) {
      pending_since_ms_ = world_.monotonic_ms();
    }
    pending_.push_back({delivery.id(), first, next - first});
  }
  return next - first;
}

LineFile* FileSink::file_for(const dstream_message& message) {
  const uint32_t id = message.topic_id;
  LineFile* file = id < by_topic_.size() ? by_topic_[id] : nullptr;
  if (file == nullptr) {
    const std::string path = expand_path(options_.path, message.topic);
    auto known = files_.find(path);
    if (known == files_.end() && !make_room()) {
      return nullptr;
    }
    file = known != files_.end() ? known->second.get() : open_file(path);
    if (id < kTopicIdsCachedMax) {
      by_topic_.resize(std::max<size_t>(by_topic_.size(), id + 1), nullptr);
      by_topic_[id] = file;
    }
  }
  file->last_used = ++use_counter_;
  return file;
}

LineFile* FileSink::open_file(const std::string& path) {
  auto file = std::make_unique<LineFile>(world_.disk, path, options_.rotation);
  if (const uint64_t removed = file->open(); removed > 0) {
    host_.log(DSTREAM_LOG_WARN, "Removed " + std::to_string(removed) +
                                    " bytes of unfinished lines at the end of " + path +
                                    "; they are written again.");
  }
  return files_.insert_or_assign(path, std::move(file)).first->second.get();
}

// Closes the file that was not used for longest if there are too many. False if it is not durable.
bool FileSink::make_room() {
  if (files_.size() < kOpenFilesMax) {
    return true;
  }
  auto oldest = std::min_element(files_.begin(), files_.end(), [](const auto& a, const auto& b) {
    return a.second->last_used < b.second->last_used;
  });
  if (oldest->second->is_dirty()) {
    return false;
  }
  files_.erase(oldest);
  by_topic_.clear();
  return true;
}

bool FileSink::poll(dstream::Millis max_wait) {
  const bool is_due = max_wait.count() > 0 || buffered_bytes_ >= kCommitBytes ||
                      world_.monotonic_ms() - pending_since_ms_ >= kCommitDelayMs;
  if (!pending_.empty() && !is_due) {
    return false;
  }
  const bool settles = !pending_.empty();
  commit();
  return settles;
}

void FileSink::commit() {
  for (auto& [path, file] : files_) {
    file->write_out();
  }
  buffered_bytes_ = 0;
  for (auto& [path, file] : files_) {
    file->make_durable();
  }
  // Settled only now: a crash before this moment makes the host send them again.
  std::vector<Pending> done;
  done.swap(pending_);
  for (const Pending& item : done) {
    host_.settle(item.delivery, item.first, item.count);
  }
  const int64_t now_ms = world_.unix_ms();
  for (auto& [path, file] : files_) {
    file->rotate_if_due(now_ms);
  }
}

bool FileSink::flush(dstream::Millis) {
  commit();
  return true;
}

void FileSink::close() {
  by_topic_.clear();
  files_.clear();
  pending_.clear();
  buffered_bytes_ = 0;
}

}  // namespace file_sink
