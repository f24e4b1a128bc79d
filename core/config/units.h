// Durations and sizes as the configuration writes them: a whole number and a unit, "250ms",
// "64MiB".
//
// Thread rule: plain functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dstream::core {

// "250ms", "5s", "2m", "1h" in milliseconds; nullopt for anything else, or more than 10,000 days.
std::optional<int64_t> parse_duration_ms(std::string_view text);

// "512B", "64KiB", "64MiB", "2GiB" in bytes; nullopt for anything else, or more than 1 EiB.
std::optional<uint64_t> parse_size_bytes(std::string_view text);

// What an error says was expected.
inline constexpr const char* kDurationExpected = "a duration such as 250ms, 5s, 2m or 1h";
inline constexpr const char* kSizeExpected = "a size such as 512KiB, 64MiB or 2GiB";

}  // namespace dstream::core
