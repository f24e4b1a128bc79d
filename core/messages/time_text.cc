#include "core/messages/time_text.h"

#include <array>
#include <cstring>

#include "core/base/clock.h"

namespace dstream::core {
namespace {

constexpr int64_t kFirstDay = -719'162;  // 0001-01-01
constexpr int64_t kLastDay = 2'932'896;  // 9999-12-31
constexpr size_t kSecondBytes = 19;      // "2026-11-23T05:49:07"
constexpr int32_t kOffsetMinutesMax = 18 * 60;

constexpr std::array<char, 200> make_pairs() {
  std::array<char, 200> pairs{};
  for (size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}
constexpr std::array<char, 200> kPairs = make_pairs();

char* write_pair(char* out, uint32_t value) {
  std::memcpy(out, kPairs.data() + 2 * static_cast<size_t>(value), 2);
  return out + 2;
}

// REQUIRES: kFirstDay <= days <= kLastDay.
char* write_checked_date(char* out, int64_t days) {
  // Counted in years that start in March, so that the leap day is the last of its year. Day 0 of
  // this count is 0000-03-01, and an era is the 400 years after which the calendar repeats.
  const auto day = static_cast<uint32_t>(days + 719'468);
  const uint32_t era = day / 146'097;
  const uint32_t day_of_era = day % 146'097;
  const uint32_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const uint32_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const uint32_t march_month = (5 * day_of_year + 2) / 153;
  const uint32_t day_of_month = day_of_year - (153 * march_month + 2) / 5 + 1;
  const uint32_t month = march_month < 10 ? march_month + 3 : march_month - 9;
  const uint32_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
  out = write_pair(out, year / 100);
  out = write_pair(out, year % 100);
  *out++ = '-';
  out = write_pair(out, month);
  *out++ = '-';
  return write_pair(out, day_of_month);
}

// Nothing, or ".123" with 3, 6, 7 or 9 digits. REQUIRES: nanos below 10^9.
char* write_fraction(char* out, uint32_t nanos) {
  if (nanos == 0) {
    return out;
  }
  *out++ = '.';
  char digits[10];
  write_pair(digits, nanos / 10'000'000);
  write_pair(digits + 2, nanos / 100'000 % 100);
  write_pair(digits + 4, nanos / 1'000 % 100);
  write_pair(digits + 6, nanos / 10 % 100);
  digits[8] = static_cast<char>('0' + nanos % 10);
  size_t count = 9;
  if (nanos % 1'000'000 == 0) {
    count = 3;
  } else if (nanos % 1'000 == 0) {
    count = 6;
  } else if (nanos % 100 == 0) {
    count = 7;
  }
  std::memcpy(out, digits, 9);
  return out + count;
}

// REQUIRES: second of the day and nanoseconds in range.
char* write_checked_time(char* out, uint32_t second, uint32_t nanos) {
  out = write_pair(out, second / 3600);
  *out++ = ':';
  out = write_pair(out, second / 60 % 60);
  *out++ = ':';
  out = write_pair(out, second % 60);
  return write_fraction(out, nanos);
}

}  // namespace

char* write_date(char* out, int64_t days) {
  if (days < kFirstDay || days > kLastDay) {
    return nullptr;
  }
  return write_checked_date(out, days);
}

char* write_time(char* out, int64_t nanos) {
  if (nanos < 0 || nanos >= kSecondsPerDay * kNanosPerSecond) {
    return nullptr;
  }
  return write_checked_time(out, static_cast<uint32_t>(nanos / kNanosPerSecond),
                            static_cast<uint32_t>(nanos % kNanosPerSecond));
}

char* write_timestamp(char* out, int64_t seconds, int32_t nanos) {
  if (seconds < kFirstDay * kSecondsPerDay || seconds >= (kLastDay + 1) * kSecondsPerDay ||
      nanos < 0 || nanos >= kNanosPerSecond) {
    return nullptr;
  }
  // From here on counted from the first day, so that nothing is negative.
  const auto offset = static_cast<uint64_t>(seconds - kFirstDay * kSecondsPerDay);
  out = write_checked_date(out, static_cast<int64_t>(offset / kSecondsPerDay) + kFirstDay);
  *out++ = 'T';
  return write_checked_time(out, static_cast<uint32_t>(offset % kSecondsPerDay),
                            static_cast<uint32_t>(nanos));
}

char* write_timestamp_with_zone(char* out, int64_t seconds, int32_t nanos, int32_t offset_minutes,
                                bool shortest_fraction) {
  if (offset_minutes < -kOffsetMinutesMax || offset_minutes > kOffsetMinutesMax ||
      seconds < kFirstDay * kSecondsPerDay - 86'400 || seconds > (kLastDay + 2) * kSecondsPerDay) {
    return nullptr;
  }
  out = write_timestamp(out, seconds + int64_t{offset_minutes} * 60, nanos);
  if (out == nullptr) {
    return nullptr;
  }
  while (shortest_fraction && nanos != 0 && out[-1] == '0') {
    --out;
  }
  if (offset_minutes == 0) {
    *out++ = 'Z';
    return out;
  }
  const auto distance =
      static_cast<uint32_t>(offset_minutes < 0 ? -offset_minutes : offset_minutes);
  *out++ = offset_minutes < 0 ? '-' : '+';
  out = write_pair(out, distance / 60);
  *out++ = ':';
  return write_pair(out, distance % 60);
}

char* write_instant(char* out, int64_t unix_ns) { return InstantWriter().write(out, unix_ns); }

char* InstantWriter::write(char* out, int64_t unix_ns) {
  int64_t second = unix_ns / kNanosPerSecond;
  int64_t nanos = unix_ns % kNanosPerSecond;
  if (nanos < 0) {
    nanos += kNanosPerSecond;
    --second;
  }
  if (second != second_) {
    // 64 bits of nanoseconds reach from 1677 to 2262: always in range.
    write_timestamp(text_, second, 0);
    second_ = second;
  }
  std::memcpy(out, text_, kSecondBytes);
  out = write_fraction(out + kSecondBytes, static_cast<uint32_t>(nanos));
  *out++ = 'Z';
  return out;
}

}  // namespace dstream::core
