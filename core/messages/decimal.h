// Exact decimals: the ABI carries them as ASCII text "-?digits(.digits)?".
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace dstream::core {

// True if `text` is spelled as the ABI demands.
bool is_decimal(std::string_view text);

// The longest decimal that unscaled_bytes() takes: digits of the text plus `scale`.
inline constexpr size_t kUnscaledDigitsMax = 1024;
// What unscaled_bytes() may write.
inline constexpr size_t kUnscaledBytesMax = kUnscaledDigitsMax / 2;

enum class UnscaledResult { kDone, kNotADecimal, kTooManyDigits, kScaleExceeded };

// The value times 10^scale as a big-endian two's complement integer in the fewest bytes: what
// Kafka Connect's Decimal holds. kScaleExceeded: digits other than 0 would be lost behind `scale`.
// REQUIRES: scale >= 0, and kUnscaledBytesMax bytes at `out`.
UnscaledResult unscaled_bytes(std::string_view text, int32_t scale, uint8_t* out, size_t* size);

}  // namespace dstream::core
