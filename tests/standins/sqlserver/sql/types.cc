#include "tests/standins/sqlserver/sql/types.h"

#include <algorithm>
#include <array>

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/lexer.h"

namespace dstream::standin::sql {
namespace {

constexpr int kDecimalDigitsMax = 38;
constexpr int kBytesMax = 8000;
constexpr int kUnicodeMax = 4000;

struct TypeFacts {
  TypeId id;
  const char* name;
  Family family;
  int precedence;  // SQL Server's list, higher wins
  uint8_t system_id;
  int16_t bytes;  // fixed size, 0 if by declaration
};

constexpr std::array kTypes = {
    TypeFacts{TypeId::kBit, "bit", Family::kInteger, 10, 104, 1},
    TypeFacts{TypeId::kTinyInt, "tinyint", Family::kInteger, 11, 48, 1},
    TypeFacts{TypeId::kSmallInt, "smallint", Family::kInteger, 12, 52, 2},
    TypeFacts{TypeId::kInt, "int", Family::kInteger, 13, 56, 4},
    TypeFacts{TypeId::kBigInt, "bigint", Family::kInteger, 14, 127, 8},
    TypeFacts{TypeId::kSmallMoney, "smallmoney", Family::kDecimal, 15, 122, 4},
    TypeFacts{TypeId::kMoney, "money", Family::kDecimal, 16, 60, 8},
    TypeFacts{TypeId::kNumeric, "numeric", Family::kDecimal, 17, 108, 0},
    TypeFacts{TypeId::kDecimal, "decimal", Family::kDecimal, 18, 106, 0},
    TypeFacts{TypeId::kReal, "real", Family::kReal, 19, 59, 4},
    TypeFacts{TypeId::kFloat, "float", Family::kReal, 20, 62, 8},
    TypeFacts{TypeId::kTime, "time", Family::kTime, 21, 41, 0},
    TypeFacts{TypeId::kDate, "date", Family::kDate, 22, 40, 3},
    TypeFacts{TypeId::kSmallDateTime, "smalldatetime", Family::kDateTime, 23, 58, 4},
    TypeFacts{TypeId::kDateTime, "datetime", Family::kDateTime, 24, 61, 8},
    TypeFacts{TypeId::kDateTime2, "datetime2", Family::kDateTime, 25, 42, 0},
    TypeFacts{TypeId::kDateTimeOffset, "datetimeoffset", Family::kOffset, 26, 43, 0},
    TypeFacts{TypeId::kChar, "char", Family::kText, 4, 175, 0},
    TypeFacts{TypeId::kVarChar, "varchar", Family::kText, 5, 167, 0},
    TypeFacts{TypeId::kText, "text", Family::kText, 7, 35, 16},
    TypeFacts{TypeId::kNChar, "nchar", Family::kText, 6, 239, 0},
    TypeFacts{TypeId::kNVarChar, "nvarchar", Family::kText, 6, 231, 0},
    TypeFacts{TypeId::kNText, "ntext", Family::kText, 8, 99, 16},
    TypeFacts{TypeId::kXml, "xml", Family::kText, 27, 241, -1},
    TypeFacts{TypeId::kBinary, "binary", Family::kBytes, 1, 173, 0},
    TypeFacts{TypeId::kVarBinary, "varbinary", Family::kBytes, 2, 165, 0},
    TypeFacts{TypeId::kImage, "image", Family::kBytes, 7, 34, 16},
    TypeFacts{TypeId::kRowVersion, "timestamp", Family::kBytes, 3, 189, 8},
    TypeFacts{TypeId::kUniqueIdentifier, "uniqueidentifier", Family::kGuid, 9, 36, 16},
    TypeFacts{TypeId::kHierarchyId, "hierarchyid", Family::kClr, 29, 240, 892},
    TypeFacts{TypeId::kGeometry, "geometry", Family::kClr, 29, 240, -1},
    TypeFacts{TypeId::kGeography, "geography", Family::kClr, 29, 240, -1},
    TypeFacts{TypeId::kSqlVariant, "sql_variant", Family::kVariant, 28, 98, 8016},
};

const TypeFacts& facts(TypeId id) {
  const auto it =
      std::find_if(kTypes.begin(), kTypes.end(), [id](const TypeFacts& f) { return f.id == id; });
  return it == kTypes.end() ? kTypes.back() : *it;
}

struct Spelling {
  const char* name;  // capitals
  TypeId id;
};
constexpr std::array kSpellings = {
    Spelling{"INTEGER", TypeId::kInt},           Spelling{"DEC", TypeId::kDecimal},
    Spelling{"ROWVERSION", TypeId::kRowVersion}, Spelling{"SYSNAME", TypeId::kNVarChar},
    Spelling{"CHARACTER", TypeId::kChar},
};

SqlType make(TypeId id, int32_t length = 0, int precision = 0, int scale = 0) {
  SqlType type;
  type.id = id;
  type.length = length;
  type.precision = static_cast<uint8_t>(precision);
  type.scale = static_cast<uint8_t>(scale);
  return type;
}

bool is_sized(TypeId id) {
  return id == TypeId::kChar || id == TypeId::kVarChar || id == TypeId::kNChar ||
         id == TypeId::kNVarChar || id == TypeId::kBinary || id == TypeId::kVarBinary;
}

SqlError bad_length(int32_t length, std::string_view type) {
  return {131, 15, 2,
          "The size (" + std::to_string(length) + ") given to the type '" + std::string(type) +
              "' exceeds the maximum allowed."};
}

SqlType make_sized(TypeId id, std::optional<int32_t> length, bool in_cast) {
  const int32_t value = length.value_or(in_cast ? 30 : 1);
  if (value == kMaxLength) {
    if (is_fixed_length(id)) {
      throw syntax_error("max");
    }
    return make(id, kMaxLength);
  }
  if (value < 1) {
    throw SqlError(
        1001, 15, 1,
        "Line 1: Length or precision specification " + std::to_string(value) + " is invalid.");
  }
  if (value > (is_unicode(id) ? kUnicodeMax : kBytesMax)) {
    throw bad_length(value, type_name(id));
  }
  return make(id, value);
}

SqlType make_decimal(TypeId id, std::optional<int32_t> first, std::optional<int32_t> second) {
  const int32_t precision = first.value_or(18);
  const int32_t scale = second.value_or(0);
  if (precision < 1 || precision > kDecimalDigitsMax) {
    throw SqlError(1007, 15, 1,
                   "Line 1: Specified column precision " + std::to_string(precision) +
                       " is greater than the maximum precision of 38.");
  }
  if (scale < 0 || scale > precision) {
    throw SqlError(192, 15, 1, "The scale must be less than or equal to the precision.");
  }
  return make(id, 0, precision, scale);
}

// Digits of a decimal result that needs more than 38 lose fraction, but at most down to 6.
SqlType fit_decimal(int precision, int scale) {
  if (precision > kDecimalDigitsMax) {
    const int integral = precision - scale;
    scale = std::max(kDecimalDigitsMax - integral, std::min(scale, 6));
    precision = kDecimalDigitsMax;
  }
  return make(TypeId::kDecimal, 0, precision, std::max(scale, 0));
}

SqlType decimal_arithmetic(char op, const SqlType& a, const SqlType& b) {
  int p1 = 0, s1 = 0, p2 = 0, s2 = 0;
  decimal_shape(a, &p1, &s1);
  decimal_shape(b, &p2, &s2);
  switch (op) {
    case '*':
      return fit_decimal(p1 + p2 + 1, s1 + s2);
    case '/': {
      const int scale = std::max(6, s1 + p2 + 1);
      return fit_decimal(p1 - s1 + s2 + scale, scale);
    }
    case '%':
      return fit_decimal(std::min(p1 - s1, p2 - s2) + std::max(s1, s2), std::max(s1, s2));
    default: {
      // Addition keeps the integral digits and gives up fraction before the general rule does.
      const int integral = std::max(p1 - s1, p2 - s2);
      const int scale = std::max(s1, s2);
      if (integral + scale + 1 > kDecimalDigitsMax) {
        return make(TypeId::kDecimal, 0, kDecimalDigitsMax,
                    std::min(scale, std::max(kDecimalDigitsMax - integral, 0)));
      }
      return make(TypeId::kDecimal, 0, integral + scale + 1, scale);
    }
  }
}

SqlError incompatible(char op, const SqlType& a, const SqlType& b) {
  std::string_view verb = "modulo";
  switch (op) {
    case '+':
      verb = "add";
      break;
    case '-':
      verb = "subtract";
      break;
    case '*':
      verb = "multiply";
      break;
    case '/':
      verb = "divide";
      break;
    case '&':
      verb = "'&'";
      break;
    case '|':
      verb = "'|'";
      break;
    case '^':
      verb = "'^'";
      break;
    default:
      break;
  }
  return {402, 16, 1,
          "The data types " + std::string(type_name(a.id)) + " and " +
              std::string(type_name(b.id)) + " are incompatible in the " + std::string(verb) +
              " operator."};
}

SqlType concatenated(const SqlType& a, const SqlType& b) {
  const bool unicode = is_unicode(a.id) || is_unicode(b.id);
  const int32_t limit = unicode ? kUnicodeMax : kBytesMax;
  const bool large = is_large(a) || is_large(b);
  SqlType type = make(unicode ? TypeId::kNVarChar : TypeId::kVarChar,
                      large ? kMaxLength : std::min(a.length + b.length, limit));
  type.utf8 = !unicode && (a.utf8 || b.utf8);
  return type;
}

bool is_money(TypeId id) { return id == TypeId::kMoney || id == TypeId::kSmallMoney; }

SqlType wider_text(const SqlType& a, const SqlType& b, TypeId id) {
  if (is_large(a) || is_large(b)) {
    return id == TypeId::kText || id == TypeId::kNText || id == TypeId::kXml ? make(id, kMaxLength)
                                                                             : make(id, kMaxLength);
  }
  const int32_t limit = is_unicode(id) ? kUnicodeMax : kBytesMax;
  return make(id, std::clamp(std::max(a.length, b.length), 1, limit));
}

TypeId varying(TypeId id) {
  switch (id) {
    case TypeId::kChar:
      return TypeId::kVarChar;
    case TypeId::kNChar:
      return TypeId::kNVarChar;
    case TypeId::kBinary:
      return TypeId::kVarBinary;
    default:
      return id;
  }
}

}  // namespace

Family family_of(TypeId id) { return facts(id).family; }

bool is_unicode(TypeId id) {
  return id == TypeId::kNChar || id == TypeId::kNVarChar || id == TypeId::kNText ||
         id == TypeId::kXml;
}

bool is_fixed_length(TypeId id) {
  return id == TypeId::kChar || id == TypeId::kNChar || id == TypeId::kBinary ||
         id == TypeId::kRowVersion;
}

bool is_large(const SqlType& type) {
  return type.id == TypeId::kText || type.id == TypeId::kNText || type.id == TypeId::kImage ||
         type.id == TypeId::kXml || type.id == TypeId::kGeography || type.id == TypeId::kGeometry ||
         (is_sized(type.id) && type.length == kMaxLength);
}

std::string_view type_name(TypeId id) { return facts(id).name; }

std::string type_declaration(const SqlType& type) {
  std::string text(type_name(type.id));
  if (is_sized(type.id)) {
    return text + "(" + (type.length == kMaxLength ? "max" : std::to_string(type.length)) + ")";
  }
  if (type.id == TypeId::kDecimal || type.id == TypeId::kNumeric) {
    return text + "(" + std::to_string(type.precision) + "," + std::to_string(type.scale) + ")";
  }
  if (type.id == TypeId::kTime || type.id == TypeId::kDateTime2 ||
      type.id == TypeId::kDateTimeOffset) {
    return text + "(" + std::to_string(type.scale) + ")";
  }
  return text;
}

std::optional<TypeId> type_by_name(std::string_view name) {
  const std::string capitals = upper_ascii(name);
  for (const TypeFacts& type : kTypes) {
    if (equals_upper(type.name, capitals)) {
      return type.id;
    }
  }
  for (const Spelling& spelling : kSpellings) {
    if (capitals == spelling.name) {
      return spelling.id;
    }
  }
  return std::nullopt;
}

SqlType make_type(TypeId id, std::optional<int32_t> first, std::optional<int32_t> second,
                  bool in_cast) {
  if (is_sized(id)) {
    return make_sized(id, first, in_cast);
  }
  switch (id) {
    case TypeId::kDecimal:
    case TypeId::kNumeric:
      return make_decimal(id, first, second);
    case TypeId::kTime:
    case TypeId::kDateTime2:
    case TypeId::kDateTimeOffset:
      if (first.value_or(7) < 0 || first.value_or(7) > 7) {
        throw SqlError(1002, 15, 1,
                       "Line 1: Specified scale " + std::to_string(*first) + " is invalid.");
      }
      return make(id, 0, 0, first.value_or(7));
    case TypeId::kFloat:
      return first.value_or(53) <= 24 ? make(TypeId::kReal) : make(TypeId::kFloat);
    case TypeId::kText:
    case TypeId::kNText:
    case TypeId::kImage:
    case TypeId::kXml:
      return make(id, kMaxLength);
    case TypeId::kRowVersion:
      return make(id, 8);
    default:
      break;
  }
  if (first.has_value()) {
    throw SqlError(2716, 16, 1,
                   "Column, parameter, or variable #1: Cannot specify a column width "
                   "on data type " +
                       std::string(type_name(id)) + ".");
  }
  return make(id);
}

SqlType int_type() { return make(TypeId::kInt); }
SqlType bigint_type() { return make(TypeId::kBigInt); }
SqlType bit_type() { return make(TypeId::kBit); }
SqlType float_type() { return make(TypeId::kFloat); }
SqlType decimal_type(int precision, int scale) {
  return make(TypeId::kDecimal, 0, precision, scale);
}
SqlType nvarchar_type(int32_t length) { return make(TypeId::kNVarChar, length); }
SqlType varchar_type(int32_t length) { return make(TypeId::kVarChar, length); }
SqlType sysname_type() { return make(TypeId::kNVarChar, 128); }
SqlType binary_type(int32_t length) { return make(TypeId::kBinary, length); }
SqlType varbinary_type(int32_t length) { return make(TypeId::kVarBinary, length); }
SqlType datetime_type() { return make(TypeId::kDateTime); }
SqlType datetime2_type(int scale) { return make(TypeId::kDateTime2, 0, 0, scale); }

int precedence(TypeId id) { return facts(id).precedence; }

void decimal_shape(const SqlType& type, int* precision, int* scale) {
  *scale = 0;
  switch (type.id) {
    case TypeId::kBit:
      *precision = 1;
      return;
    case TypeId::kTinyInt:
      *precision = 3;
      return;
    case TypeId::kSmallInt:
      *precision = 5;
      return;
    case TypeId::kInt:
      *precision = 10;
      return;
    case TypeId::kBigInt:
      *precision = 19;
      return;
    case TypeId::kMoney:
      *precision = 19, *scale = 4;
      return;
    case TypeId::kSmallMoney:
      *precision = 10, *scale = 4;
      return;
    case TypeId::kDecimal:
    case TypeId::kNumeric:
      *precision = type.precision, *scale = type.scale;
      return;
    default:
      *precision = 38, *scale = 6;
      return;
  }
}

SqlType common_type(const SqlType& a, const SqlType& b) {
  const SqlType& winner = precedence(a.id) >= precedence(b.id) ? a : b;
  SqlType result = winner;
  result.nullable = a.nullable || b.nullable;
  const Family fa = family_of(a.id), fb = family_of(b.id);
  if (winner.id == TypeId::kDecimal || winner.id == TypeId::kNumeric) {
    if ((fa == Family::kDecimal || fa == Family::kInteger) &&
        (fb == Family::kDecimal || fb == Family::kInteger)) {
      int p1 = 0, s1 = 0, p2 = 0, s2 = 0;
      decimal_shape(a, &p1, &s1);
      decimal_shape(b, &p2, &s2);
      const int scale = std::max(s1, s2);
      const SqlType fitted = fit_decimal(std::max(p1 - s1, p2 - s2) + scale, scale);
      result.precision = fitted.precision;
      result.scale = fitted.scale;
    }
    return result;
  }
  if (fa == fb && (fa == Family::kText || fa == Family::kBytes)) {
    const bool same_shape = a.id == b.id && a.length == b.length;
    SqlType wide =
        same_shape
            ? winner
            : wider_text(a, b,
                         a.id == b.id && a.length == b.length ? winner.id : varying(winner.id));
    wide.nullable = result.nullable;
    wide.utf8 = has_code_page(wide.id) && (a.utf8 || b.utf8);
    return wide;
  }
  if (a.id == b.id) {
    result.scale = std::max(a.scale, b.scale);
  }
  return result;
}

SqlType arithmetic_type(char op, const SqlType& a, const SqlType& b) {
  const Family fa = family_of(a.id), fb = family_of(b.id);
  if (op == '+' && fa == Family::kText && fb == Family::kText) {
    return concatenated(a, b);
  }
  if (op == '+' && fa == Family::kBytes && fb == Family::kBytes) {
    if (is_large(a) || is_large(b)) {
      return varbinary_type(kMaxLength);
    }
    return varbinary_type(std::min(a.length + b.length, kBytesMax));
  }
  const auto numeric = [](Family f) {
    return f == Family::kInteger || f == Family::kDecimal || f == Family::kReal;
  };
  if ((op == '+' || op == '-') && (fa == Family::kDateTime || fb == Family::kDateTime)) {
    const TypeId id = fa == Family::kDateTime ? a.id : b.id;
    const Family other = fa == Family::kDateTime ? fb : fa;
    if (id != TypeId::kDateTime2 && (numeric(other) || other == Family::kDateTime)) {
      return make(id);
    }
  }
  // A string or binary beside a number is converted to that number.
  if (numeric(fa) && (fb == Family::kText || fb == Family::kBytes)) {
    return arithmetic_type(op, a, a);
  }
  if (numeric(fb) && (fa == Family::kText || fa == Family::kBytes)) {
    return arithmetic_type(op, b, b);
  }
  if ((is_temporal(fa) && numeric(fb)) || (numeric(fa) && is_temporal(fb))) {
    throw operand_clash(type_name(a.id), type_name(b.id));
  }
  if (!numeric(fa) || !numeric(fb)) {
    throw incompatible(op, a, b);
  }
  if (fa == Family::kReal || fb == Family::kReal) {
    return make(a.id == TypeId::kFloat || b.id == TypeId::kFloat ? TypeId::kFloat : TypeId::kReal);
  }
  const bool bitwise = op == '&' || op == '|' || op == '^';
  if (bitwise && (fa == Family::kDecimal || fb == Family::kDecimal)) {
    throw incompatible(op, a, b);
  }
  if (is_money(a.id) || is_money(b.id)) {
    if ((is_money(a.id) || fa == Family::kInteger) && (is_money(b.id) || fb == Family::kInteger)) {
      return make(TypeId::kMoney);
    }
  }
  if (fa == Family::kDecimal || fb == Family::kDecimal) {
    return decimal_arithmetic(op, a, b);
  }
  const SqlType& wide = precedence(a.id) >= precedence(b.id) ? a : b;
  return make(wide.id == TypeId::kBit && !bitwise ? TypeId::kInt : wide.id);
}

int32_t max_length_bytes(const SqlType& type) {
  if (is_sized(type.id)) {
    return type.length == kMaxLength ? -1 : type.length * (is_unicode(type.id) ? 2 : 1);
  }
  switch (type.id) {
    case TypeId::kDecimal:
    case TypeId::kNumeric:
      return type.precision <= 9 ? 5 : type.precision <= 19 ? 9 : type.precision <= 28 ? 13 : 17;
    case TypeId::kTime:
      return type.scale <= 2 ? 3 : type.scale <= 4 ? 4 : 5;
    case TypeId::kDateTime2:
      return type.scale <= 2 ? 6 : type.scale <= 4 ? 7 : 8;
    case TypeId::kDateTimeOffset:
      return type.scale <= 2 ? 8 : type.scale <= 4 ? 9 : 10;
    default:
      return facts(type.id).bytes;
  }
}

void precision_of(const SqlType& type, int* precision, int* scale) {
  *precision = *scale = 0;
  switch (family_of(type.id)) {
    case Family::kInteger:
    case Family::kDecimal:
      decimal_shape(type, precision, scale);
      return;
    case Family::kReal:
      *precision = type.id == TypeId::kReal ? 24 : 53;
      return;
    case Family::kDate:
      *precision = 10;
      return;
    case Family::kTime:
      *precision = 8 + (type.scale > 0 ? type.scale + 1 : 0), *scale = type.scale;
      return;
    case Family::kDateTime:
      if (type.id == TypeId::kDateTime) {
        *precision = 23, *scale = 3;
      } else if (type.id == TypeId::kSmallDateTime) {
        *precision = 16;
      } else {
        *precision = 19 + (type.scale > 0 ? type.scale + 1 : 0), *scale = type.scale;
      }
      return;
    case Family::kOffset:
      *precision = 26 + (type.scale > 0 ? type.scale + 1 : 0), *scale = type.scale;
      return;
    default:
      return;
  }
}

uint8_t system_type_id(TypeId id) { return facts(id).system_id; }

int32_t user_type_id(TypeId id) {
  switch (id) {
    case TypeId::kHierarchyId:
      return 128;
    case TypeId::kGeometry:
      return 129;
    case TypeId::kGeography:
      return 130;
    default:
      return system_type_id(id);
  }
}

bool has_code_page(TypeId id) { return family_of(id) == Family::kText && !is_unicode(id); }

}  // namespace dstream::standin::sql
