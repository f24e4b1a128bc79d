// Text that comes from a plugin and goes to a log, a message or a screen.
//
// Thread rule: plain functions, no shared state.
#pragma once

#include <string>
#include <string_view>

namespace dstream::core {

// True if `text` is well-formed UTF-8 without NUL.
bool is_utf8(std::string_view text);

// `text` cut to `bytes_max`, with '?' for every control character and malformed byte, so that a
// plugin cannot break a line of the log or the terminal of whoever reads it.
std::string printable(std::string_view text, size_t bytes_max = 4096);

// The same for a text of several lines, whose ends stay.
std::string printable_lines(std::string_view text, size_t bytes_max);

}  // namespace dstream::core
