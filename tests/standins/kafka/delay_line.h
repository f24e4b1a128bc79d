// Bytes on a long wire: what goes in comes out in the same order, each chunk when it is due.
//
// A queue with times, not a wait: any number of chunks is under way at once, so a delay takes
// nothing from the bandwidth. The caller brings the time, in nanoseconds of a clock of its choice.
//
// Thread rule: one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace dstream::standin {

class DelayLine {
 public:
  explicit DelayLine(size_t bytes_max) : bytes_max_(bytes_max) {}

  // What one push() may add; 0: full, until something comes out.
  size_t room_bytes() const { return bytes_ < bytes_max_ ? bytes_max_ - bytes_ : 0; }
  // REQUIRES: not ended, `bytes` is not empty. A chunk that is due before those in front of it
  // comes out behind them all the same.
  void push(std::string bytes, int64_t due_ns) {
    bytes_ += bytes.size();
    chunks_.push_back({std::move(bytes), due_ns});
  }
  // Nothing follows; the end comes out behind all bytes.
  void end(int64_t due_ns) {
    ended_ = true;
    end_due_ns_ = due_ns;
  }
  bool is_ended() const { return ended_; }

  // Bytes that are due, as many as lie together; empty: none. Valid until the next push() or pop().
  std::string_view due(int64_t now_ns) const {
    if (chunks_.empty() || chunks_.front().due_ns > now_ns) {
      return {};
    }
    return std::string_view(chunks_.front().bytes).substr(taken_);
  }
  // REQUIRES: `count` is no more than due() gave.
  void pop(size_t count) {
    bytes_ -= count;
    taken_ += count;
    if (taken_ == chunks_.front().bytes.size()) {
      chunks_.pop_front();
      taken_ = 0;
    }
  }
  bool end_is_due(int64_t now_ns) const {
    return chunks_.empty() && ended_ && end_due_ns_ <= now_ns;
  }
  // When due() or end_is_due() will say something; nothing while the line is empty.
  std::optional<int64_t> next_due_ns() const {
    if (!chunks_.empty()) {
      return chunks_.front().due_ns;
    }
    return ended_ ? std::optional(end_due_ns_) : std::nullopt;
  }

 private:
  struct Chunk {
    std::string bytes;
    int64_t due_ns;
  };
  size_t bytes_max_;
  size_t bytes_ = 0;
  size_t taken_ = 0;  // of the first chunk
  std::deque<Chunk> chunks_;
  bool ended_ = false;
  int64_t end_due_ns_ = 0;
};

}  // namespace dstream::standin
