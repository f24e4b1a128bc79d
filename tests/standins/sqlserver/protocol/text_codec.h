// Text between UTF-8 (inside the stand-in) and what SQL Server sends: UTF-16LE, or bytes of code
// page 1252 under the default collation.
//
// Bad input never fails: a byte that is not UTF-8, an unpaired surrogate or an odd last byte
// becomes U+FFFD; a character that code page 1252 lacks becomes '?', as on a real server.
//
// Thread rule: plain functions, no shared state.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dstream::standin {

void append_utf16(std::string_view utf8, std::string* out);
void append_utf8_of_utf16(std::string_view utf16_bytes, std::string* out);
std::string utf8_of_utf16(std::string_view utf16_bytes);
// How many UTF-16 units append_utf16() would write; what nvarchar(n) counts.
size_t utf16_units(std::string_view utf8);

void append_cp1252(std::string_view utf8, std::string* out);
std::string utf8_of_cp1252(std::string_view bytes);

}  // namespace dstream::standin
