// Reading and writing the bytes of TDS. TDS is little-endian except for packet headers and PRELOGIN
// offsets; the names say so.
//
// Thread rule: plain values, no shared state.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace dstream::standin {

static_assert(std::endian::native == std::endian::little, "The codec copies integers as they are.");

template <class T>
inline void put(std::string* out, T value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out->append(bytes, sizeof(T));
}
inline void put_u8(std::string* out, uint8_t value) { out->push_back(static_cast<char>(value)); }
inline void put_u16(std::string* out, uint16_t value) { put(out, value); }
inline void put_u32(std::string* out, uint32_t value) { put(out, value); }
inline void put_u64(std::string* out, uint64_t value) { put(out, value); }
inline void put_u16_be(std::string* out, uint16_t value) {
  put_u8(out, static_cast<uint8_t>(value >> 8));
  put_u8(out, static_cast<uint8_t>(value));
}
// The low `bytes` bytes of `value`.
inline void put_low(std::string* out, uint64_t value, size_t bytes) {
  char all[sizeof(value)];
  std::memcpy(all, &value, sizeof(value));
  out->append(all, bytes);
}
// Overwrites what an earlier put_* left as a place for a length.
template <class T>
inline void patch(std::string* out, size_t at, T value) {
  std::memcpy(out->data() + at, &value, sizeof(T));
}

// Walks over bytes a stranger sent. Reading past the end gives zeros and empty views and makes ok()
// false for good, so a parser reads a whole structure and asks once.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  void fail() { ok_ = false; }
  size_t remaining() const { return ok_ ? bytes_.size() - at_ : 0; }
  size_t position() const { return at_; }
  bool at_end() const { return remaining() == 0; }
  // REQUIRES: not at_end(), else 0 as from any other read.
  uint8_t peek() const { return remaining() > 0 ? static_cast<uint8_t>(bytes_[at_]) : uint8_t{0}; }

  std::string_view bytes(size_t count) {
    if (!ok_ || count > bytes_.size() - at_) {
      ok_ = false;
      return {};
    }
    const std::string_view view = bytes_.substr(at_, count);
    at_ += count;
    return view;
  }
  template <class T>
  T get() {
    const std::string_view view = bytes(sizeof(T));
    T value{};
    if (view.size() == sizeof(T)) {
      std::memcpy(&value, view.data(), sizeof(T));
    }
    return value;
  }
  uint8_t u8() { return get<uint8_t>(); }
  uint16_t u16() { return get<uint16_t>(); }
  uint32_t u32() { return get<uint32_t>(); }
  uint64_t u64() { return get<uint64_t>(); }
  uint16_t u16_be() {
    const uint16_t value = u16();
    return static_cast<uint16_t>((value >> 8) | (value << 8));
  }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace dstream::standin
