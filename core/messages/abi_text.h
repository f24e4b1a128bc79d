// Bytes and texts of the ABI as C++ has them. Nothing is copied but by text_or_empty().
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dstream/abi.h"

namespace dstream::core {

inline std::string_view text_of(const dstream_bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

inline dstream_bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Texts of the ABI may be nullptr.
inline std::string text_or_empty(const char* text) { return text == nullptr ? "" : text; }

}  // namespace dstream::core
