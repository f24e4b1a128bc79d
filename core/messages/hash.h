// A 64-bit hash that is the same on every machine and in every version: it ends up in names and
// identifiers outside the process. Do not change it.
#pragma once

#include <cstdint>
#include <string_view>

namespace dstream::core {

// FNV-1a.
inline uint64_t stable_hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (char c : text) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  }
  return hash;
}

}  // namespace dstream::core
