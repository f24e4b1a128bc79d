// The sink "console": prints messages for people and for pipes.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "dstream/plugin.hpp"
#include "output.h"

namespace console {

struct Options {
  bool json = false;  // one JSON object a line; else text
  bool color = false;
  uint64_t value_bytes_max = 0;  // text only: longer values are cut; 0: never
};

// Reads the instance's configuration; color "auto" needs to know where the output goes.
Options read_options(const dstream::Host& host, const Output& output);

// Thread rule: [worker], as the ABI says.
class ConsoleSink {
 public:
  explicit ConsoleSink(dstream::Host host);
  // For tests: writes to `fd`.
  ConsoleSink(dstream::Host host, int fd, const Options& options);

  void open() {}
  // Formats messages into memory; takes no more while a good deal of text waits to be written.
  uint32_t write(const dstream::Delivery& delivery, uint32_t first);
  // Writes and settles every message whose last byte is out. False: nothing was written.
  bool poll(dstream::Millis max_wait);
  bool flush(dstream::Millis max_wait);
  void close();

 private:
  struct Pending {
    uint64_t delivery;
    uint32_t first;
    uint32_t count;
    uint64_t end;  // of their text, counted over everything ever formatted
  };

  void append_text(const dstream_record& record, const dstream_message& message);
  void append_colored(const char* color, std::string_view text);
  void settle_written();

  dstream::Host host_;
  Output output_;
  Options options_;
  std::string text_;        // formatted and not yet written
  uint64_t formatted_ = 0;  // bytes ever appended to text_
  std::deque<Pending> pending_;
};

}  // namespace console
