#include "tests/standins/sqlserver/cdc/lsn.h"

#include <cstdio>

namespace dstream::standin::cdc {
namespace {

constexpr uint64_t kFirstFile = 0x25;
constexpr uint64_t kBlocksPerFile = 4096;
constexpr uint64_t kRecordsPerBlock = 24;
constexpr uint64_t kBlockStep = 24;  // sectors; blocks of a real log have different sizes
constexpr uint64_t kFirstBlock = 16;

void append_big_endian(uint64_t value, size_t bytes, std::string* out) {
  for (size_t i = bytes; i-- > 0;) {
    out->push_back(static_cast<char>(value >> (8 * i)));
  }
}

uint64_t big_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) {
    value = (value << 8) | static_cast<unsigned char>(c);
  }
  return value;
}

}  // namespace

std::string lsn_of_record(uint64_t record) {
  const uint64_t index = record / kRecordsPerBlock;
  const uint64_t in_file = index % kBlocksPerFile;
  std::string lsn;
  append_big_endian(kFirstFile + index / kBlocksPerFile, 4, &lsn);
  // The wobble stays below the step, so blocks keep their order.
  append_big_endian(kFirstBlock + in_file * kBlockStep + in_file % 7, 4, &lsn);
  append_big_endian(record % kRecordsPerBlock + 1, 2, &lsn);
  return lsn;
}

uint64_t record_at_or_below(std::string_view lsn) {
  uint64_t low = 0;
  uint64_t high = uint64_t{1} << 48;
  while (low + 1 < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (lsn_of_record(middle) <= lsn) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

std::string increment_lsn(std::string_view lsn) {
  std::string result(lsn);
  for (size_t i = result.size(); i-- > 0;) {
    result[i] = static_cast<char>(static_cast<unsigned char>(result[i]) + 1);
    if (result[i] != '\0') {
      break;
    }
  }
  return result;
}

std::string decrement_lsn(std::string_view lsn) {
  std::string result(lsn);
  for (size_t i = result.size(); i-- > 0;) {
    const bool borrow = result[i] == '\0';
    result[i] = static_cast<char>(static_cast<unsigned char>(result[i]) - 1);
    if (!borrow) {
      break;
    }
  }
  return result;
}

std::string lsn_text(std::string_view lsn) {
  char text[32];
  std::snprintf(text, sizeof(text), "%08llx:%08llx:%04llx",
                static_cast<unsigned long long>(big_endian(lsn.substr(0, 4))),
                static_cast<unsigned long long>(big_endian(lsn.substr(4, 4))),
                static_cast<unsigned long long>(big_endian(lsn.substr(8, 2))));
  return text;
}

const std::string& zero_lsn() {
  static const std::string kZero(kLsnBytes, '\0');
  return kZero;
}

}  // namespace dstream::standin::cdc
