#include "plugins/sqlserver_cdc/lsn.h"

#include <bit>
#include <cstring>

namespace dstream::sqlserver {
namespace {

// The number with its highest byte first in memory.
uint64_t to_big_endian(uint64_t number) {
  return std::endian::native == std::endian::little ? __builtin_bswap64(number) : number;
}

// Eight hexadecimal digits at once: each nibble gets a byte, each byte becomes its character.
char* put_hex8(char* out, uint32_t number) {
  uint64_t digits = number;
  digits = (digits << 16 | digits) & 0x0000ffff0000ffff;
  digits = (digits << 8 | digits) & 0x00ff00ff00ff00ff;
  digits = (digits << 4 | digits) & 0x0f0f0f0f0f0f0f0f;
  const uint64_t letters = (digits + 0x0606060606060606) >> 4 & 0x0101010101010101;
  digits = to_big_endian(digits + 0x3030303030303030 + letters * ('a' - '9' - 1));
  std::memcpy(out, &digits, sizeof digits);
  return out + sizeof digits;
}

char* put_hex4(char* out, uint16_t number) {
  char digits[8];
  put_hex8(digits, number);
  std::memcpy(out, digits + 4, 4);
  return out + 4;
}

std::optional<uint64_t> hex_value(std::string_view text) {
  uint64_t value = 0;
  for (const char c : text) {
    unsigned digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a') + 10;
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A') + 10;
    } else {
      return std::nullopt;
    }
    value = value << 4 | digit;
  }
  return value;
}

}  // namespace

Lsn Lsn::previous() const {
  return low == 0 ? Lsn{high - 1, std::numeric_limits<uint16_t>::max()}
                  : Lsn{high, static_cast<uint16_t>(low - 1)};
}

Lsn Lsn::next() const {
  if (*this == max()) {
    return *this;
  }
  if (low == std::numeric_limits<uint16_t>::max()) {
    return {high + 1, 0};
  }
  return {high, static_cast<uint16_t>(low + 1)};
}

Lsn Lsn::from_bytes(const uint8_t* bytes) {
  Lsn lsn;
  std::memcpy(&lsn.high, bytes, sizeof lsn.high);
  lsn.high = to_big_endian(lsn.high);
  lsn.low = static_cast<uint16_t>(bytes[8] << 8 | bytes[9]);
  return lsn;
}

void Lsn::to_bytes(uint8_t* bytes) const {
  const uint64_t first = to_big_endian(high);
  std::memcpy(bytes, &first, sizeof first);
  bytes[8] = static_cast<uint8_t>(low >> 8);
  bytes[9] = static_cast<uint8_t>(low);
}

void Lsn::format(char* out) const {
  out = put_hex8(out, static_cast<uint32_t>(high >> 32));
  *out++ = ':';
  out = put_hex8(out, static_cast<uint32_t>(high));
  *out++ = ':';
  put_hex4(out, low);
}

std::string Lsn::text() const {
  std::string out(kTextSize, '\0');
  format(out.data());
  return out;
}

std::optional<Lsn> Lsn::parse(std::string_view text) {
  if (text.size() != kTextSize || text[8] != ':' || text[17] != ':') {
    return std::nullopt;
  }
  const auto file = hex_value(text.substr(0, 8));
  const auto block = hex_value(text.substr(9, 8));
  const auto slot = hex_value(text.substr(18, 4));
  if (!file || !block || !slot) {
    return std::nullopt;
  }
  return Lsn{*file << 32 | *block, static_cast<uint16_t>(*slot)};
}

}  // namespace dstream::sqlserver
