// Kafka's way to put numbers and texts into bytes: big-endian, lengths before contents.
//
// A reader throws std::runtime_error when the bytes end too early or a length cannot be; whoever
// serves a connection closes it then.
//
// Thread rule: plain objects.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace dstream::standin {

class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  size_t left() const { return bytes_.size(); }
  std::string_view take(size_t count) {
    if (count > bytes_.size()) {
      throw std::runtime_error("The bytes end too early.");
    }
    const std::string_view out = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return out;
  }
  // An integer of sizeof(T) bytes.
  template <typename T>
  T number() {
    uint64_t out = 0;
    for (const char byte : take(sizeof(T))) {
      out = out << 8 | static_cast<uint8_t>(byte);
    }
    return static_cast<T>(out);
  }
  // Zigzag, seven bits a byte.
  int64_t varint() {
    uint64_t out = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      out |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) {
        return static_cast<int64_t>(out >> 1) ^ -static_cast<int64_t>(out & 1);
      }
    }
    throw std::runtime_error("A number has too many bytes.");
  }
  // A length of -1 is no text at all.
  std::optional<std::string> nullable_text() { return of_length(number<int16_t>()); }
  std::string text() { return nullable_text().value_or(""); }
  std::optional<std::string> nullable_bytes() { return of_length(number<int32_t>()); }
  std::optional<std::string> nullable_varint_bytes() { return of_length(varint()); }

 private:
  std::optional<std::string> of_length(int64_t length) {
    if (length < -1) {
      throw std::runtime_error("A length is negative.");
    }
    return length < 0 ? std::nullopt
                      : std::optional<std::string>(take(static_cast<size_t>(length)));
  }

  std::string_view bytes_;
};

class WireWriter {
 public:
  template <typename T>
  WireWriter& number(T value) {
    for (size_t i = sizeof(T); i-- > 0;) {
      out_ += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i));
    }
    return *this;
  }
  WireWriter& text(std::string_view value) {
    number(static_cast<int16_t>(value.size()));
    out_ += value;
    return *this;
  }
  WireWriter& no_text() { return number(int16_t{-1}); }
  WireWriter& bytes(std::string_view value) {
    number(static_cast<int32_t>(value.size()));
    out_ += value;
    return *this;
  }
  WireWriter& raw(std::string_view value) {
    out_ += value;
    return *this;
  }
  const std::string& str() const { return out_; }

 private:
  std::string out_;
};

}  // namespace dstream::standin
