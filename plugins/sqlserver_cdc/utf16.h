// UTF-16 as ODBC delivers it to UTF-8 as records carry it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dstream::sqlserver {

// Bytes that `units` UTF-16 code units can become at most.
constexpr size_t utf8_size_max(size_t units) { return units * 3; }

// What these code units become at most: exactly, but for two bytes more a surrogate pair. For
// values so large that three bytes a unit would be a waste of memory.
size_t utf8_size_bound(const void* text, size_t units);

// Writes `units` code units as UTF-8 and returns the end of the output. `out` has
// utf8_size_bound(text, units) bytes of room, and nothing is written behind the end. A lone
// surrogate becomes U+FFFD. `text` may be unaligned.
char* utf16_to_utf8(const void* text, size_t units, char* out);

}  // namespace dstream::sqlserver
