// Bytes and times as the engine writes them into its files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/messages/json_text.h"  // to_base64()

namespace dstream::core {

// Lower case, two digits a byte; "-" for no bytes at all.
std::string to_hex(std::string_view bytes);
// The inverse; nullopt for anything else, upper case included.
std::optional<std::string> from_hex(std::string_view digits);
// The inverse of to_base64(); nullopt for anything else: other characters, missing padding, bits
// left over.
std::optional<std::string> from_base64(std::string_view text);
// "2026-11-23T05:42:00.123Z"
std::string wall_time_text(int64_t wall_ns);
// With quotes around it; what is not UTF-8 becomes U+FFFD.
std::string to_json_string(std::string_view text);

}  // namespace dstream::core
