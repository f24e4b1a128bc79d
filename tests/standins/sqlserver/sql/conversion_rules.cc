#include "tests/standins/sqlserver/sql/conversion_rules.h"

#include "tests/standins/sqlserver/sql/error.h"

namespace dstream::standin::sql {
namespace {

bool is_number(Family family) {
  return family == Family::kInteger || family == Family::kReal || family == Family::kDecimal;
}

// datetime and smalldatetime count days and take part in arithmetic; the later types do not.
bool is_old_time(TypeId id) { return id == TypeId::kDateTime || id == TypeId::kSmallDateTime; }

Conversion if_allowed(bool allowed) { return allowed ? Conversion::kImplicit : Conversion::kNone; }

Conversion from_number(const SqlType& from, const SqlType& to) {
  const Family family = family_of(to.id);
  if (is_number(family) || is_old_time(to.id) || family == Family::kVariant) {
    return Conversion::kImplicit;
  }
  if (family == Family::kText) {
    return if_allowed(to.id != TypeId::kXml && to.id != TypeId::kText && to.id != TypeId::kNText);
  }
  if (family == Family::kBytes) {
    return if_allowed(to.id != TypeId::kImage || family_of(from.id) == Family::kInteger);
  }
  return Conversion::kNone;
}

Conversion from_clr(const SqlType& to) {
  const bool is_short_text =
      family_of(to.id) == Family::kText && to.id != TypeId::kText && to.id != TypeId::kNText;
  const bool is_bytes = to.id == TypeId::kBinary || to.id == TypeId::kVarBinary;
  return is_short_text || is_bytes ? Conversion::kExplicit : Conversion::kNone;
}

Conversion from_time(const SqlType& from, const SqlType& to) {
  const Family family = family_of(to.id);
  if (is_temporal(family)) {
    const Family own = family_of(from.id);
    return if_allowed(!(own == Family::kDate && family == Family::kTime) &&
                      !(own == Family::kTime && family == Family::kDate));
  }
  if (is_number(family)) {
    return is_old_time(from.id) ? Conversion::kExplicit : Conversion::kNone;
  }
  if (family == Family::kBytes) {
    return to.id == TypeId::kImage ? Conversion::kNone : Conversion::kExplicit;
  }
  if (family == Family::kText) {
    return if_allowed(to.id != TypeId::kXml && to.id != TypeId::kText && to.id != TypeId::kNText);
  }
  return if_allowed(family == Family::kVariant);
}

Conversion from_text(const SqlType& from, const SqlType& to) {
  const Family family = family_of(to.id);
  if (from.id == TypeId::kText || from.id == TypeId::kNText || from.id == TypeId::kXml) {
    if (family == Family::kBytes && from.id == TypeId::kXml) {
      return Conversion::kExplicit;
    }
    return family != Family::kText                            ? Conversion::kNone
           : from.id == TypeId::kXml && to.id != TypeId::kXml ? Conversion::kExplicit
                                                              : Conversion::kImplicit;
  }
  if (family == Family::kBytes) {
    return Conversion::kExplicit;
  }
  return if_allowed(family != Family::kVariant || !is_large(from));
}

Conversion from_bytes(const SqlType& from, const SqlType& to) {
  const Family family = family_of(to.id);
  if (from.id == TypeId::kImage) {
    return if_allowed(family == Family::kBytes);
  }
  if (family == Family::kReal || to.id == TypeId::kText || to.id == TypeId::kNText) {
    return Conversion::kNone;
  }
  if (family == Family::kDate || family == Family::kTime || to.id == TypeId::kDateTime2 ||
      family == Family::kOffset) {
    return Conversion::kExplicit;
  }
  return if_allowed(family != Family::kVariant || !is_large(from));
}

}  // namespace

Conversion conversion_between(const SqlType& from, const SqlType& to) {
  if (from.id == to.id) {
    return Conversion::kImplicit;
  }
  const Family family = family_of(from.id), target = family_of(to.id);
  if (target == Family::kVariant && (is_large(from) || family == Family::kClr)) {
    return Conversion::kNone;
  }
  switch (family) {
    case Family::kInteger:
    case Family::kReal:
    case Family::kDecimal:
      return from_number(from, to);
    case Family::kText:
      return from_text(from, to);
    case Family::kBytes:
      return from_bytes(from, to);
    case Family::kGuid:
      return if_allowed(target == Family::kText || target == Family::kBytes ||
                        target == Family::kVariant);
    case Family::kVariant:
      return is_large(to) || target == Family::kClr ? Conversion::kNone : Conversion::kExplicit;
    case Family::kClr:
      return from_clr(to);
    default:
      return from_time(from, to);
  }
}

void check_implicit(const SqlType& from, const SqlType& to) {
  const Conversion kind = conversion_between(from, to);
  if (kind == Conversion::kNone) {
    const bool sized = is_large(from) && type_declaration(from).back() == ')';
    throw operand_clash(sized ? type_declaration(from) : std::string(type_name(from.id)),
                        type_name(to.id));
  }
  if (kind == Conversion::kExplicit) {
    throw SqlError(257, 16, 3,
                   "Implicit conversion from data type " + std::string(type_name(from.id)) +
                       " to " + std::string(type_name(to.id)) +
                       " is not allowed. Use the CONVERT function to run this query.");
  }
}

bool is_comparable(const SqlType& type) {
  switch (type.id) {
    case TypeId::kText:
    case TypeId::kNText:
    case TypeId::kImage:
    case TypeId::kXml:
    case TypeId::kGeography:
    case TypeId::kGeometry:
      return false;
    default:
      return true;
  }
}

void check_sortable(const SqlType& type, std::string_view clause) {
  if (is_comparable(type)) {
    return;
  }
  if (type.id == TypeId::kXml) {
    throw SqlError(305, 16, 1,
                   "The XML data type cannot be compared or sorted, except when using the IS NULL "
                   "operator.");
  }
  if (family_of(type.id) == Family::kClr) {
    throw SqlError(249, 16, 1,
                   "The type \"" + std::string(type_name(type.id)) +
                       "\" is not comparable. It cannot be used in the " + std::string(clause) +
                       " clause.");
  }
  throw SqlError(306, 16, 2,
                 "The text, ntext, and image data types cannot be compared or sorted, except when "
                 "using IS NULL or LIKE operator.");
}

void check_explicit(const SqlType& from, const SqlType& to) {
  if (conversion_between(from, to) == Conversion::kNone) {
    throw SqlError(kConversionNotAllowed, 16, 2,
                   "Explicit conversion from data type " + std::string(type_name(from.id)) +
                       " to " + std::string(type_name(to.id)) + " is not allowed.");
  }
}

}  // namespace dstream::standin::sql
