// Whether a text is one JSON value, so that it can stand inside another as it is.
//
// Thread rule: pure functions.
#pragma once

#include <string_view>

namespace message_lines {

// Deeper nesting than this is taken as no JSON.
inline constexpr int kJsonDepthMax = 200;

// True if `text` is exactly one JSON value (RFC 8259) in valid UTF-8 without control characters,
// line feeds included: it fits on a line.
bool is_json_line(std::string_view text);

// True if `text` is valid UTF-8.
bool is_utf8(std::string_view text);

}  // namespace message_lines
