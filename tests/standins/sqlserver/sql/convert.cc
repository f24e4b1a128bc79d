#include "tests/standins/sqlserver/sql/convert.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>

#include "tests/standins/sqlserver/sql/convert_time.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

void integer_range(TypeId id, int64_t* low, int64_t* high) {
  switch (id) {
    case TypeId::kTinyInt:
      *low = 0, *high = 255;
      return;
    case TypeId::kSmallInt:
      *low = -32768, *high = 32767;
      return;
    case TypeId::kInt:
      *low = std::numeric_limits<int32_t>::min();
      *high = std::numeric_limits<int32_t>::max();
      return;
    default:
      *low = std::numeric_limits<int64_t>::min();
      *high = std::numeric_limits<int64_t>::max();
      return;
  }
}

}  // namespace

bool fits_integer(TypeId id, int64_t number) {
  int64_t low = 0, high = 0;
  integer_range(id, &low, &high);
  return number >= low && number <= high;
}

namespace {

SqlValue to_integer_type(int64_t number, const SqlType& from, const SqlType& to) {
  if (to.id == TypeId::kBit) {
    return SqlValue::of_number(number != 0 ? 1 : 0);
  }
  if (!fits_integer(to.id, number)) {
    if (from.id == TypeId::kInt || from.id == TypeId::kBigInt || from.id == TypeId::kSmallInt) {
      if (to.id == TypeId::kTinyInt || to.id == TypeId::kSmallInt) {
        throw SqlError(220, 16, to.id == TypeId::kTinyInt ? 2 : 1,
                       "Arithmetic overflow error for data type " + std::string(type_name(to.id)) +
                           ", value = " + std::to_string(number) + ".");
      }
    }
    throw arithmetic_overflow("expression", type_name(to.id));
  }
  return SqlValue::of_number(number);
}

SqlValue text_to_integer(std::string_view raw, const SqlType& from, const SqlType& to) {
  const std::string_view text = trim(raw);
  if (to.id == TypeId::kBit) {
    if (equals_upper(text, "TRUE")) {
      return SqlValue::of_number(1);
    }
    if (equals_upper(text, "FALSE")) {
      return SqlValue::of_number(0);
    }
  }
  if (text.empty()) {
    return SqlValue::of_number(0);
  }
  const auto number = parse_numeric(text);
  const bool whole = text.find('.') == std::string_view::npos;
  if (!number || !whole) {
    if (to.id == TypeId::kBigInt) {
      throw numeric_conversion_failed(type_name(from.id), type_name(to.id));
    }
    throw conversion_failed(type_name(from.id), raw, type_name(to.id));
  }
  int64_t low = 0, high = 0;
  integer_range(to.id, &low, &high);
  if (to.id != TypeId::kBit && (number->units < low || number->units > high)) {
    if (to.id == TypeId::kBigInt) {
      throw arithmetic_overflow(type_name(from.id), "bigint");
    }
    // 248 is about int; 244 counts the bytes of what is smaller.
    const bool small = to.id != TypeId::kInt;
    throw SqlError(small ? 244 : 248, 16, small && to.id == TypeId::kSmallInt ? 2 : 1,
                   "The conversion of the " + std::string(type_name(from.id)) + " value '" +
                       std::string(raw) + "' overflowed an " +
                       (!small                      ? "int column."
                        : to.id == TypeId::kTinyInt ? "INT1 column. Use a larger integer column."
                                                    : "INT2 column. Use a larger integer column."));
  }
  return to.id == TypeId::kBit ? SqlValue::of_number(number->units != 0 ? 1 : 0)
                               : SqlValue::of_number(static_cast<int64_t>(number->units));
}

SqlValue to_integer(const SqlValue& value, const SqlType& from, const SqlType& to) {
  switch (family_of(from.id)) {
    case Family::kInteger:
      return to_integer_type(value.number, from, to);
    case Family::kReal: {
      if (to.id == TypeId::kBit) {
        return SqlValue::of_number(value.real != 0 ? 1 : 0);
      }
      const double whole = std::trunc(value.real);
      if (!(whole >= -9.2233720368547758e18 && whole < 9.2233720368547758e18)) {
        throw arithmetic_overflow(type_name(from.id), type_name(to.id));
      }
      return to_integer_type(static_cast<int64_t>(whole), from, to);
    }
    case Family::kDecimal: {
      const Numeric number = numeric_of(from, value);
      if (to.id == TypeId::kBit) {
        return SqlValue::of_number(number.units != 0 ? 1 : 0);
      }
      const bool money = from.id == TypeId::kMoney || from.id == TypeId::kSmallMoney;
      const Int128 whole = money ? rescale(number, 0).value_or(Numeric{}).units
                                 : number.units / power_of_ten(number.scale);
      if (whole > std::numeric_limits<int64_t>::max() ||
          whole < std::numeric_limits<int64_t>::min()) {
        throw arithmetic_overflow("expression", type_name(to.id));
      }
      return to_integer_type(static_cast<int64_t>(whole), from, to);
    }
    case Family::kText:
      return text_to_integer(value.text, from, to);
    case Family::kBytes: {
      const size_t width = to.id == TypeId::kBigInt     ? 8
                           : to.id == TypeId::kInt      ? 4
                           : to.id == TypeId::kSmallInt ? 2
                                                        : 1;
      uint64_t bits = 0;
      const size_t from_byte = value.text.size() > width ? value.text.size() - width : 0;
      for (size_t i = from_byte; i < value.text.size(); ++i) {
        bits = (bits << 8) | static_cast<unsigned char>(value.text[i]);
      }
      if (to.id == TypeId::kInt) {
        return SqlValue::of_number(static_cast<int32_t>(static_cast<uint32_t>(bits)));
      }
      if (to.id == TypeId::kSmallInt) {
        return SqlValue::of_number(static_cast<int16_t>(static_cast<uint16_t>(bits)));
      }
      return SqlValue::of_number(to.id == TypeId::kBit ? (bits != 0 ? 1 : 0)
                                                       : static_cast<int64_t>(bits));
    }
    case Family::kDateTime: {
      if (from.id == TypeId::kDateTime || from.id == TypeId::kSmallDateTime) {
        const int64_t half = value.number + kTicksPerDay / 2;
        return to_integer_type(half / kTicksPerDay - kDaysTo1900, from, to);
      }
      break;
    }
    default:
      break;
  }
  throw explicit_not_allowed(from, to);
}

SqlValue to_real(const SqlValue& value, const SqlType& from, const SqlType& to) {
  double number = 0;
  if (family_of(from.id) == Family::kText) {
    const std::string text(trim(value.text));
    char* end = nullptr;
    number = text.empty() ? 0 : std::strtod(text.c_str(), &end);
    if (!text.empty() && (end == nullptr || *end != '\0' || !std::isfinite(number))) {
      throw numeric_conversion_failed(type_name(from.id), type_name(to.id));
    }
  } else {
    number = double_of(from, value);
  }
  if (to.id == TypeId::kReal) {
    const auto narrow = static_cast<float>(number);
    if (!std::isfinite(narrow)) {
      throw arithmetic_overflow(type_name(from.id), "real");
    }
    number = static_cast<double>(narrow);
  }
  return SqlValue::of_real(number);
}

// How many characters of a number are within the 38 digits that a decimal has; what is cut off are
// digits of its fraction.
size_t decimal_text_length(std::string_view text) {
  constexpr size_t kDigitsMax = 38;
  size_t digits = 0;
  const size_t dot = text.find('.');
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] < '0' || text[i] > '9') {
      continue;
    }
    digits += digits > 0 || text[i] != '0' || i > dot ? 1 : 0;
    if (digits > kDigitsMax && i > dot) {
      const bool is_number = text.find_first_not_of("0123456789", i) == std::string_view::npos;
      return is_number ? i : text.size();
    }
  }
  return text.size();
}

SqlValue text_to_decimal(const SqlValue& value, const SqlType& from, const SqlType& to) {
  std::string text(trim(value.text));
  const bool money = to.id == TypeId::kMoney || to.id == TypeId::kSmallMoney;
  if (money) {
    std::erase_if(text, [](char c) { return c == ',' || c == '$' || c == ' '; });
    text = text.empty() ? "0" : text;
  }
  const auto number = parse_numeric(std::string_view(text).substr(0, decimal_text_length(text)));
  if (!number) {
    if (money) {
      throw SqlError(235, 16, 0,
                     "Cannot convert a char value to money. The char value has "
                     "incorrect syntax.");
    }
    throw numeric_conversion_failed(type_name(from.id), "numeric");
  }
  return value_of(*number, to, type_name(from.id));
}

SqlValue to_decimal(const SqlValue& value, const SqlType& from, const SqlType& to) {
  int precision = 0, scale = 0;
  decimal_shape(to, &precision, &scale);
  switch (family_of(from.id)) {
    case Family::kInteger:
    case Family::kDecimal:
      return value_of(numeric_of(from, value), to,
                      family_of(from.id) == Family::kInteger ? type_name(from.id) : "numeric");
    case Family::kReal: {
      const auto number = from_double(value.real, scale);
      if (!number) {
        throw arithmetic_overflow(type_name(from.id), type_name(to.id));
      }
      return value_of(*number, to, type_name(from.id));
    }
    case Family::kText:
      return text_to_decimal(value, from, to);
    default:
      throw explicit_not_allowed(from, to);
  }
}

std::string float_text(double value, const SqlType& from, int style) {
  char text[64];
  if (style == 1 || style == 2) {
    std::snprintf(text, sizeof(text), style == 1 ? "%.7e" : "%.15e", value);
  } else if (style == 3) {
    std::snprintf(text, sizeof(text), from.id == TypeId::kReal ? "%.9g" : "%.17g", value);
  } else {
    std::snprintf(text, sizeof(text), "%.6g", value);
  }
  std::string result = text;
  // SQL Server writes three digits of exponent.
  const size_t exponent = result.find('e');
  if (exponent != std::string::npos && result.size() - exponent - 2 < 3) {
    result.insert(exponent + 2, 3 - (result.size() - exponent - 2), '0');
  }
  return result;
}

std::string money_text(const SqlValue& value, const SqlType& from, int style) {
  const Numeric number = numeric_of(from, value);
  std::string text = to_text(*rescale(number, style == 2 || style == 126 ? 4 : 2));
  if (style == 1) {
    const size_t start = text.front() == '-' ? 1 : 0;
    for (size_t dot = text.find('.'); dot > start + 3;) {
      dot -= 3;
      text.insert(dot, ",");
    }
  }
  return text;
}

std::string bytes_as_text(const SqlValue& value, const SqlType& to, int style) {
  if (style == 1) {
    return "0x" + hex(value.text);
  }
  if (style == 2) {
    return hex(value.text);
  }
  return is_unicode(to.id) ? utf8_from_utf16(value.text) : utf8_from_1252(value.text);
}

std::string text_of(const SqlValue& value, const SqlType& from, const SqlType& to, int style) {
  switch (family_of(from.id)) {
    case Family::kInteger:
      return std::to_string(value.number);
    case Family::kReal:
      return float_text(value.real, from, style);
    case Family::kDecimal:
      if (from.id == TypeId::kMoney || from.id == TypeId::kSmallMoney) {
        return money_text(value, from, style);
      }
      return value.text;
    case Family::kText:
      return value.text;
    case Family::kBytes:
      return bytes_as_text(value, to, style);
    case Family::kClr:
      throw not_understood("conversion from " + std::string(type_name(from.id)) + " to " +
                           std::string(type_name(to.id)));
    case Family::kGuid:
      return guid_text(value.text);
    case Family::kVariant:
      throw explicit_not_allowed(from, to);
    default: {
      if (style == 130 || style == 131) {
        throw not_understood("CONVERT with the Hijri calendar, style " + std::to_string(style));
      }
      const auto text = format_time(from, value, style);
      if (!text) {
        throw SqlError(281, 16, 1,
                       std::to_string(style) +
                           " is not a valid style number when converting from " +
                           std::string(type_name(from.id)) + " to a character string.");
      }
      return *text;
    }
  }
}

// Brings text or bytes to the declared length. *too_long non-null: report instead of cutting.
SqlValue fit_length(std::string text, const SqlType& to, bool* too_long) {
  if (to.length == kMaxLength || to.length == 0) {
    return SqlValue::of_text(std::move(text));
  }
  int64_t length = declared_length(to, text);
  if (length > to.length) {
    const bool bytes = family_of(to.id) == Family::kBytes;
    const std::string cut = cut_to_length(to, text, to.length);
    if (too_long != nullptr) {
      // Trailing blanks and zero bytes beyond the end are no loss.
      const char blank = bytes ? '\0' : ' ';
      *too_long = !std::all_of(text.begin() + static_cast<std::ptrdiff_t>(cut.size()), text.end(),
                               [blank](char c) { return c == blank; });
    }
    text = cut;
    length = to.length;
  }
  if (is_fixed_length(to.id) && length < to.length) {
    text.append(static_cast<size_t>(to.length - length),
                family_of(to.id) == Family::kBytes ? '\0' : ' ');
  }
  return SqlValue::of_text(std::move(text));
}

SqlValue to_text_type(const SqlValue& value, const SqlType& from, const SqlType& to, int style,
                      bool* too_long) {
  std::string text = text_of(value, from, to, style);
  if (!is_unicode(to.id) && !to.utf8 && family_of(from.id) == Family::kText &&
      (is_unicode(from.id) || from.utf8)) {
    text = through_1252(std::move(text));
  }
  const Family family = family_of(from.id);
  if ((family == Family::kInteger || family == Family::kDecimal || family == Family::kReal) &&
      to.length != kMaxLength && to.length != 0 && declared_length(to, text) > to.length) {
    if (family == Family::kInteger && !is_unicode(to.id)) {
      return fit_length("*", to, nullptr);
    }
    if (from.id == TypeId::kMoney || from.id == TypeId::kSmallMoney) {
      throw SqlError(234, 16, 2,
                     "There is insufficient result space to convert a money value to " +
                         std::string(type_name(to.id)) + ".");
    }
    const bool whole = family == Family::kInteger;
    throw arithmetic_overflow(whole                        ? "expression"
                              : family == Family::kDecimal ? "numeric"
                                                           : type_name(from.id),
                              type_name(to.id), whole ? 2 : 5);
  }
  if (family == Family::kGuid && to.length != kMaxLength && to.length != 0 && to.length < 36) {
    throw SqlError(8170, 16, 2,
                   "Insufficient result space to convert uniqueidentifier value to "
                   "char.");
  }
  return fit_length(std::move(text), to, too_long);
}

std::string hex_to_bytes(std::string_view text, const SqlType& from, const SqlType& to, int style) {
  if (style == 1) {
    if (text.size() < 2 || text[0] != '0' || (text[1] | 32) != 'x') {
      throw numeric_conversion_failed(type_name(from.id), type_name(to.id));
    }
    text.remove_prefix(2);
  }
  if (text.size() % 2 != 0 ||
      text.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
    throw numeric_conversion_failed(type_name(from.id), type_name(to.id));
  }
  return text.empty() ? std::string() : tokenize("0x" + std::string(text)).front().text;
}

std::string integer_bytes(int64_t number, size_t width) {
  std::string bytes;
  for (size_t i = width; i-- > 0;) {
    bytes.push_back(static_cast<char>(static_cast<uint64_t>(number) >> (8 * i)));
  }
  return bytes;
}

SqlValue to_bytes(const SqlValue& value, const SqlType& from, const SqlType& to, int style,
                  bool* too_long) {
  switch (family_of(from.id)) {
    case Family::kBytes:
    case Family::kGuid:
    case Family::kClr:
      return fit_length(value.text, to, too_long);
    case Family::kText:
      if (style == 1 || style == 2) {
        return fit_length(hex_to_bytes(value.text, from, to, style), to, too_long);
      }
      return fit_length(is_unicode(from.id) ? utf16_bytes(value.text)
                        : from.utf8         ? value.text
                                            : bytes_1252(value.text),
                        to, too_long);
    case Family::kInteger: {
      // Numbers keep their low bytes and are filled up on the left.
      const auto width = static_cast<size_t>(max_length_bytes(from));
      size_t target = width;
      if (to.length != kMaxLength && to.length != 0) {
        const auto declared = static_cast<size_t>(to.length);
        target = is_fixed_length(to.id) ? declared : std::min(declared, width);
      }
      std::string bytes = integer_bytes(value.number, 8);
      if (target > bytes.size()) {
        bytes.insert(0, target - bytes.size(), '\0');
      }
      if (target > width) {
        std::fill_n(bytes.begin(), target - width, '\0');
      }
      return SqlValue::of_text(bytes.substr(bytes.size() - target));
    }
    default:
      throw not_understood("conversion from " + std::string(type_name(from.id)) + " to " +
                           std::string(type_name(to.id)));
  }
}

SqlValue to_guid(const SqlValue& value, const SqlType& from, const SqlType& to) {
  if (family_of(from.id) == Family::kText) {
    std::string bytes;
    if (!parse_guid(value.text, &bytes)) {
      throw SqlError(8169, 16, 2,
                     "Conversion failed when converting from a character string to "
                     "uniqueidentifier.");
    }
    return SqlValue::of_text(std::move(bytes));
  }
  if (family_of(from.id) == Family::kBytes) {
    std::string bytes = value.text.substr(0, 16);
    bytes.resize(16, '\0');
    return SqlValue::of_text(std::move(bytes));
  }
  throw explicit_not_allowed(from, to);
}

// What the bytes say is for the types' own methods, which are not here; nor are their texts.
SqlValue to_clr(const SqlValue& value, const SqlType& from, const SqlType& to) {
  if (family_of(from.id) == Family::kText) {
    throw not_understood("conversion from " + std::string(type_name(from.id)) + " to " +
                         std::string(type_name(to.id)));
  }
  if (family_of(from.id) != Family::kBytes) {
    throw explicit_not_allowed(from, to);
  }
  const int32_t longest = max_length_bytes(to);
  if (longest > 0 && value.text.size() > static_cast<size_t>(longest)) {
    throw SqlError(6522, 16, 2,
                   "A .NET Framework error occurred during execution of user-defined routine or "
                   "aggregate \"" +
                       std::string(type_name(to.id)) + "\".");
  }
  return SqlValue::of_text(value.text);
}

SqlValue convert(const SqlValue& value, const SqlType& from, const SqlType& to, int style,
                 bool* too_long) {
  if (value.null) {
    return value;
  }
  if (from.id == TypeId::kSqlVariant) {
    SqlValue plain = value;
    plain.variant_type = {};
    return to.id == from.id ? value : convert(plain, value.variant_type, to, style, too_long);
  }
  if (to.id == TypeId::kSqlVariant) {
    if (is_large(from)) {
      throw explicit_not_allowed(from, to);
    }
    SqlValue variant = value;
    variant.variant_type = from;
    return variant;
  }
  switch (family_of(to.id)) {
    case Family::kInteger:
      return to_integer(value, from, to);
    case Family::kReal:
      return to_real(value, from, to);
    case Family::kDecimal:
      return to_decimal(value, from, to);
    case Family::kText:
      return to_text_type(value, from, to, style, too_long);
    case Family::kBytes:
      return to_bytes(value, from, to, style, too_long);
    case Family::kGuid:
      return from.id == to.id ? value : to_guid(value, from, to);
    case Family::kClr:
      return from.id == to.id ? value : to_clr(value, from, to);
    default:
      return to_time(value, from, to, style);
  }
}

}  // namespace

bool same_representation(const SqlType& a, const SqlType& b) {
  if (a.utf8 && !b.utf8 && has_code_page(b.id)) {
    return false;
  }
  if (a.id != b.id) {
    const Family fa = family_of(a.id), fb = family_of(b.id);
    return fa == fb && fa == Family::kText && !is_fixed_length(b.id) && b.length == kMaxLength &&
           (is_unicode(b.id) || !is_unicode(a.id));
  }
  return a.length == b.length && a.utf8 == b.utf8 && a.precision == b.precision &&
         a.scale == b.scale;
}

SqlValue convert_value(const SqlValue& value, const SqlType& from, const SqlType& to, int style) {
  return same_representation(from, to) ? value : convert(value, from, to, style, nullptr);
}

SqlValue assign_value(const SqlValue& value, const SqlType& from, const SqlType& to,
                      bool* too_long) {
  *too_long = false;
  return same_representation(from, to) ? value : convert(value, from, to, kDefaultStyle, too_long);
}

Numeric numeric_of(const SqlType& type, const SqlValue& value) {
  if (family_of(type.id) == Family::kInteger) {
    return {value.number, 0};
  }
  return parse_numeric(value.text).value_or(Numeric{});
}

SqlValue value_of(const Numeric& number, const SqlType& type, std::string_view from) {
  int precision = 0, scale = 0;
  decimal_shape(type, &precision, &scale);
  const auto scaled = rescale(number, scale);
  if (!scaled || !fits(*scaled, precision)) {
    const bool exact = type.id == TypeId::kDecimal || type.id == TypeId::kNumeric;
    throw arithmetic_overflow(from, exact ? "numeric" : type_name(type.id),
                              !exact                              ? 4
                              : from == "expression"              ? 2
                              : from == "float" || from == "real" ? 6
                                                                  : 8);
  }
  if (type.id == TypeId::kMoney || type.id == TypeId::kSmallMoney) {
    const Int128 limit = type.id == TypeId::kMoney ? std::numeric_limits<int64_t>::max()
                                                   : std::numeric_limits<int32_t>::max();
    if (scaled->units > limit || scaled->units < -limit - 1) {
      throw arithmetic_overflow(from, type_name(type.id), 4);
    }
  }
  return SqlValue::of_text(to_text(*scaled));
}

double double_of(const SqlType& type, const SqlValue& value) {
  switch (family_of(type.id)) {
    case Family::kReal:
      return value.real;
    case Family::kInteger:
      return static_cast<double>(value.number);
    case Family::kDecimal:
      return to_double(numeric_of(type, value));
    case Family::kDateTime:
      return static_cast<double>(value.number - kDaysTo1900 * kTicksPerDay) /
             static_cast<double>(kTicksPerDay);
    default:
      throw explicit_not_allowed(type, float_type());
  }
}

}  // namespace dstream::standin::sql
