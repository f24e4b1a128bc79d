// Log sequence numbers: binary(10), big-endian VLF (4 bytes), log block (4), slot (2).
//
// The SQL room counts log records; these functions map the count to numbers that grow as those of a
// real log do: slots within a block, blocks with gaps between them, files after files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dstream::standin::cdc {

inline constexpr size_t kLsnBytes = 10;

std::string lsn_of_record(uint64_t record);
// The last record whose LSN is not above `lsn`.
uint64_t record_at_or_below(std::string_view lsn);

// Plain arithmetic on the 80-bit number. Wraps at the ends, which no log reaches.
std::string increment_lsn(std::string_view lsn);
std::string decrement_lsn(std::string_view lsn);

// "00000027:000001f4:0003"
std::string lsn_text(std::string_view lsn);
const std::string& zero_lsn();

}  // namespace dstream::standin::cdc
