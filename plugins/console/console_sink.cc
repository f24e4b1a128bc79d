#include "console_sink.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "json_check.h"
#include "message_line.h"

namespace console {
namespace {

constexpr size_t kTextBytesMax = 256 * 1024;

constexpr char kReset[] = "\x1b[0m";
constexpr char kDim[] = "\x1b[2m";
constexpr char kBold[] = "\x1b[1m";
constexpr char kRed[] = "\x1b[31m";
constexpr char kGreen[] = "\x1b[32m";
constexpr char kYellow[] = "\x1b[33m";
constexpr char kCyan[] = "\x1b[36m";

const char* color_of(std::string_view word) {
  if (word == "delete" || word == "tombstone" || word == "truncate") {
    return kRed;
  }
  return word == "update" ? kYellow : kGreen;
}

bool wants_color(const std::string& setting, const Output& output) {
  if (setting != "auto") {
    return setting == "always";
  }
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return output.is_terminal() && (no_color == nullptr || *no_color == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

std::string_view view(dstream_bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

// Text that cannot do anything to a terminal: control characters are escaped, and bytes that are
// no UTF-8 are named.
void append_harmless(std::string_view text, std::string* out) {
  if (message_lines::is_json_line(text)) {
    *out += text;
  } else if (message_lines::is_utf8(text)) {
    message_lines::append_escaped(text, out);
  } else {
    *out += "(" + std::to_string(text.size()) + " bytes that are no text)";
  }
}

}  // namespace

Options read_options(const dstream::Host& host, const Output& output) {
  Options options;
  options.json = host.config_or<std::string>("/output", "text") == "json";
  options.color = wants_color(host.config_or<std::string>("/color", "auto"), output);
  options.value_bytes_max = host.config_or<uint64_t>("/value_bytes_max", 0);
  return options;
}

ConsoleSink::ConsoleSink(dstream::Host host)
    : ConsoleSink(host, STDOUT_FILENO, read_options(host, Output(STDOUT_FILENO))) {}

ConsoleSink::ConsoleSink(dstream::Host host, int fd, const Options& options)
    : host_(host), output_(fd), options_(options) {}

uint32_t ConsoleSink::write(const dstream::Delivery& delivery, uint32_t first) {
  uint32_t next = first;
  while (next < delivery.count() && text_.size() < kTextBytesMax) {
    const size_t before = text_.size();
    const dstream_message& message = delivery.message(next);
    if (options_.json) {
      message_lines::append_json_line(message, &text_);
    } else {
      append_text(delivery.record(next), message);
    }
    formatted_ += text_.size() - before;
    ++next;
    if (!pending_.empty() && pending_.back().delivery == delivery.id() &&
        pending_.back().count < 64) {
      // A few messages share an entry; more would be settled late on a slow terminal.
      pending_.back().count += 1;
      pending_.back().end = formatted_;
    } else {
      pending_.push_back({delivery.id(), next - 1, 1, formatted_});
    }
  }
  return next - first;
}

void ConsoleSink::append_colored(const char* color, std::string_view text) {
  if (options_.color) {
    text_ += color;
  }
  append_harmless(text, &text_);
  if (options_.color) {
    text_ += kReset;
  }
}

// 2026-11-23T07:40:00.123Z shop.dbo.Persons update {"Id":1} {"op":"update",...}
void ConsoleSink::append_text(const dstream_record& record, const dstream_message& message) {
  std::string time = "-";
  if (message.timestamp_ns != 0) {
    time.clear();
    message_lines::append_time(message.timestamp_ns, &time);
  }
  const std::string_view word = message_lines::op_word(record.op, message);
  append_colored(kDim, time);
  text_ += ' ';
  append_colored(kCyan, message.topic);
  text_ += ' ';
  append_colored(color_of(word), word);
  text_ += ' ';
  append_colored(kBold, message.key.data == nullptr ? "-" : view(message.key));
  if (message.value.data != nullptr) {
    text_ += ' ';
    std::string value;
    append_harmless(view(message.value), &value);
    if (options_.value_bytes_max != 0 && value.size() > options_.value_bytes_max) {
      size_t end = options_.value_bytes_max;
      while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) {
        --end;  // not inside a character
      }
      value.resize(end);
      value += "...";
    }
    text_ += value;
  }
  text_ += '\n';
}

bool ConsoleSink::poll(dstream::Millis max_wait) {
  const size_t written = output_.write(text_, max_wait.count());
  text_.erase(0, written);
  settle_written();
  return written > 0;
}

bool ConsoleSink::flush(dstream::Millis max_wait) {
  poll(max_wait);
  return pending_.empty();
}

void ConsoleSink::close() {
  pending_.clear();
  text_.clear();
}

void ConsoleSink::settle_written() {
  const uint64_t out = formatted_ - text_.size();
  while (!pending_.empty() && pending_.front().end <= out) {
    const Pending done = pending_.front();
    pending_.pop_front();
    host_.settle(done.delivery, done.first, done.count);
  }
}

}  // namespace console
