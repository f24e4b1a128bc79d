// Durations as configuration spells them: "5s", "250ms", "2m".
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace dstream::sqlserver {

// A whole number and one of ms, s, m, h, d, up to 365 days; nothing else.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

}  // namespace dstream::sqlserver
