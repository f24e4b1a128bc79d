// The sink "file": messages as lines of JSON, settled when they are on stable storage.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "disk.h"
#include "dstream/plugin.hpp"
#include "line_file.h"

namespace file_sink {

struct Options {
  std::string path;  // may hold {topic}
  Rotation rotation;
};

// Throws dstream::Error (CONFIG) that names the key.
Options read_options(const dstream::Host& host);

// "250ms", "5s", "2m", "1h" in milliseconds and "512B", "64KiB", "64MiB", "2GiB" in bytes; throws
// dstream::Error (CONFIG) with `key` for anything else.
int64_t parse_duration_ms(std::string_view text, const char* key);
uint64_t parse_size_bytes(std::string_view text, const char* key);

// The file of a topic. Characters that could leave the folder become '_'.
std::string expand_path(const std::string& path, std::string_view topic);

// What the sink asks the world for; a test gives its own.
struct World {
  Disk& disk;
  int64_t (*unix_ms)();       // for ages and names
  int64_t (*monotonic_ms)();  // for intervals
};
World system_world();

// Thread rule: [worker], as the ABI says.
class FileSink {
 public:
  // Files held open at once; beyond it the one not used for longest is closed.
  static constexpr size_t kOpenFilesMax = 128;

  explicit FileSink(dstream::Host host);
  FileSink(dstream::Host host, const Options& options, const World& world);

  void open();
  // Formats messages into memory. Takes no more while a good deal of text waits for poll().
  uint32_t write(const dstream::Delivery& delivery, uint32_t first);
  // One group commit: writes, makes durable, settles, rotates. A poll that may not wait only does
  // so if a good deal of text or time has come together: syncs are what a disk can do least of.
  // False: nothing was settled.
  bool poll(dstream::Millis max_wait);
  bool flush(dstream::Millis max_wait);
  void close();

 private:
  struct Pending {
    uint64_t delivery;
    uint32_t first;
    uint32_t count;
  };

  void commit();
  LineFile* file_for(const dstream_message& message);
  LineFile* open_file(const std::string& path);
  bool make_room();

  dstream::Host host_;
  Options options_;
  World world_;
  std::map<std::string, std::unique_ptr<LineFile>> files_;  // by path
  std::vector<LineFile*> by_topic_;                         // by topic id; nullptr: not looked up
  std::vector<Pending> pending_;
  int64_t pending_since_ms_ = 0;  // when the first of them came
  uint64_t buffered_bytes_ = 0;
  uint64_t use_counter_ = 0;
};

}  // namespace file_sink
