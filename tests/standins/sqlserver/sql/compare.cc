// Order of values: comparisons, and keys whose bytes order alike.
#include <cstring>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

int sign(int value) { return value < 0 ? -1 : value > 0 ? 1 : 0; }

// Binary values compare as if the shorter were filled up with zeros.
int compare_bytes(std::string_view a, std::string_view b) {
  const size_t common = std::min(a.size(), b.size());
  const int order = std::memcmp(a.data(), b.data(), common);
  if (order != 0) {
    return sign(order);
  }
  for (size_t i = common; i < a.size(); ++i) {
    if (a[i] != '\0') {
      return 1;
    }
  }
  for (size_t i = common; i < b.size(); ++i) {
    if (b[i] != '\0') {
      return -1;
    }
  }
  return 0;
}

// The last group decides first, then backwards.
std::string guid_order(std::string_view bytes) {
  std::string order(bytes.substr(10, 6));
  order.append(bytes.substr(8, 2));
  order.append({bytes[6], bytes[7], bytes[4], bytes[5], bytes[0], bytes[1], bytes[2], bytes[3]});
  return order;
}

void append_big_endian(uint64_t value, std::string* key) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    key->push_back(static_cast<char>(value >> shift));
  }
}

// Bytes that may hold zeros: 0x00 becomes 0x00 0xFF, the end is 0x00 0x00.
void append_escaped(std::string_view bytes, std::string* key) {
  for (const char c : bytes) {
    key->push_back(c);
    if (c == '\0') {
      key->push_back('\xFF');
    }
  }
  key->append(2, '\0');
}

std::string_view without_trailing_zeros(std::string_view bytes) {
  while (!bytes.empty() && bytes.back() == '\0') {
    bytes.remove_suffix(1);
  }
  return bytes;
}

void append_ascending(const SqlType& type, const SqlValue& value, std::string* key) {
  switch (family_of(type.id)) {
    case Family::kReal: {
      uint64_t bits = 0;
      const double real = value.real == 0 ? 0 : value.real;
      std::memcpy(&bits, &real, sizeof(bits));
      append_big_endian((bits >> 63) != 0 ? ~bits : bits | (uint64_t{1} << 63), key);
      return;
    }
    case Family::kDecimal: {
      const auto units =
          static_cast<UInt128>(numeric_of(type, value).units) ^ (static_cast<UInt128>(1) << 127);
      append_big_endian(static_cast<uint64_t>(units >> 64), key);
      append_big_endian(static_cast<uint64_t>(units), key);
      return;
    }
    case Family::kText:
      append_escaped(collation_key(value.text), key);
      return;
    case Family::kBytes:
      if (type.id == TypeId::kBinary || type.id == TypeId::kRowVersion) {
        key->append(value.text);
      } else {
        append_escaped(without_trailing_zeros(value.text), key);
      }
      return;
    case Family::kClr:  // a hierarchyid's bytes order as its nodes do, depth first
      append_escaped(value.text, key);
      return;
    case Family::kGuid:
      key->append(guid_order(value.text));
      return;
    default:
      append_big_endian(static_cast<uint64_t>(value.number) ^ (uint64_t{1} << 63), key);
      return;
  }
}

}  // namespace

int compare_values(const SqlType& type, const SqlValue& a, const SqlValue& b) {
  switch (family_of(type.id)) {
    case Family::kReal:
      return a.real < b.real ? -1 : a.real > b.real ? 1 : 0;
    case Family::kDecimal:
      return compare(numeric_of(type, a), numeric_of(type, b));
    case Family::kText:
      return sign(compare_text(a.text, b.text));
    case Family::kBytes:
      return compare_bytes(a.text, b.text);
    case Family::kClr:
      return sign(a.text.compare(b.text));
    case Family::kGuid:
      return sign(guid_order(a.text).compare(guid_order(b.text)));
    default:
      return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
  }
}

void append_key(const SqlType& type, const SqlValue& value, bool descending, std::string* key) {
  const size_t from = key->size();
  key->push_back(value.null ? '\0' : '\1');
  if (!value.null) {
    append_ascending(type, value, key);
  }
  if (descending) {
    for (size_t i = from; i < key->size(); ++i) {
      (*key)[i] = static_cast<char>(~(*key)[i]);
    }
  }
}

}  // namespace dstream::standin::sql
