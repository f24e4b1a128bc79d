#include "plugins/sqlserver_cdc/lsn.h"

#include <array>

namespace dstream::sqlserver {
namespace {

constexpr auto kHexPairs = [] {
  std::array<char, 512> table{};
  constexpr char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < 256; ++i) {
    table[i * 2] = digits[i >> 4];
    table[i * 2 + 1] = digits[i & 15];
  }
  return table;
}();

char* put_byte(char* out, uint64_t byte) {
  const char* pair = &kHexPairs[(byte & 0xff) * 2];
  out[0] = pair[0];
  out[1] = pair[1];
  return out + 2;
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
  for (size_t i = 0; i < 8; ++i) {
    lsn.high = lsn.high << 8 | bytes[i];
  }
  lsn.low = static_cast<uint16_t>(bytes[8] << 8 | bytes[9]);
  return lsn;
}

void Lsn::to_bytes(uint8_t* bytes) const {
  for (size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(high >> (56 - 8 * i));
  }
  bytes[8] = static_cast<uint8_t>(low >> 8);
  bytes[9] = static_cast<uint8_t>(low);
}

void Lsn::format(char* out) const {
  for (int shift = 56; shift >= 32; shift -= 8) {
    out = put_byte(out, high >> shift);
  }
  *out++ = ':';
  for (int shift = 24; shift >= 0; shift -= 8) {
    out = put_byte(out, high >> shift);
  }
  *out++ = ':';
  out = put_byte(out, static_cast<uint64_t>(low) >> 8);
  put_byte(out, low);
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
