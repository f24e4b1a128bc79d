// Avro's binary encoding of single values.
//
// As json_text.h: writes at `out`, returns the end, checks for no room, allocates nothing; up to
// kSlackBytes beyond the end may be stored.
//
// Thread rule: pure functions.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/messages/json_text.h"

namespace dstream::core {

// Zigzag and seven bits a byte, at most 10 bytes.
inline char* write_avro_long(char* out, int64_t value) {
  uint64_t rest = (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
  while (rest >= 0x80) {
    *out++ = static_cast<char>(rest | 0x80);
    rest >>= 7;
  }
  *out++ = static_cast<char>(rest);
  return out;
}

template <class Float>
char* write_avro_float(char* out, Float value) {
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(out, &value, sizeof value);
  return out + sizeof value;
}

inline char* write_avro_bytes(char* out, const void* bytes, size_t size) {
  out = write_avro_long(out, static_cast<int64_t>(size));
  if (size != 0) {
    std::memcpy(out, bytes, size);
  }
  return out + size;
}

// Bytes that are no UTF-8 become U+FFFD, as write_escaped() has it; three bytes for each at most.
inline char* write_avro_string(char* out, std::string_view text, bool* replaced) {
  const size_t valid = valid_utf8_size(text);
  if (valid == text.size()) [[likely]] {
    return write_avro_bytes(out, text.data(), text.size());
  }
  *replaced = true;
  char* const head = write_avro_long(out, static_cast<int64_t>(repaired_utf8_size(text)));
  return write_repaired_utf8(head, text);
}

}  // namespace dstream::core
