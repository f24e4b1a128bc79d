// Dates and times as ISO 8601 text, over the years 0001 to 9999.
//
// A fraction of a second has no digits if it is zero, else 3, 6, 7 or 9: the fewest that hold it
// exactly. (7 because SQL Server counts 100 ns and many readers stop at 7.)
//
// Functions write at `out`, without quotes, and return the end, or nullptr if the value is out of
// range; then nothing of use was written.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>

namespace dstream::core {

inline constexpr int64_t kSecondsPerDay = 86'400;

// Rounds down before 1970 too, where C++ rounds up. REQUIRES: divisor > 0.
inline int64_t floor_divide(int64_t value, int64_t divisor) {
  return value / divisor - (value % divisor < 0 ? 1 : 0);
}

// "2026-11-23". Days since 1970-01-01.
char* write_date(char* out, int64_t days);
// "05:49:07.123". Nanoseconds since midnight.
char* write_time(char* out, int64_t nanos);
// "2026-11-23T05:49:07.123". Seconds since 1970-01-01T00:00:00 and nanoseconds from 0.
char* write_timestamp(char* out, int64_t seconds, int32_t nanos);
// "2026-11-23T16:49:07.123+11:00": the instant as a clock at that offset shows it; "Z" for none.
// With `shortest_fraction` the fraction has just the digits it needs.
char* write_timestamp_with_zone(char* out, int64_t seconds, int32_t nanos, int32_t offset_minutes,
                                bool shortest_fraction = false);
// "2026-11-23T05:49:07.123Z". Unix time in nanoseconds.
char* write_instant(char* out, int64_t unix_ns);

// The same, quicker for instants that mostly share their second. Not thread safe.
class InstantWriter {
 public:
  char* write(char* out, int64_t unix_ns);

 private:
  int64_t second_ = INT64_MIN;
  char text_[20];  // "2026-11-23T05:49:07" and room
};

}  // namespace dstream::core
