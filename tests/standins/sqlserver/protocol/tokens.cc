#include "tests/standins/sqlserver/protocol/tokens.h"

#include <algorithm>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/row_codec.h"
#include "tests/standins/sqlserver/protocol/row_form.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"
#include "tests/standins/sqlserver/protocol/wire_type.h"

namespace dstream::standin {
namespace {

constexpr uint32_t kRowVersionUserType = 80;
constexpr size_t kMessageUnitsMax = 4000;  // keeps an ERROR token within its u16 length
constexpr uint8_t kErrorSeverityMin = 11;

enum ColumnFlag : uint16_t {
  kNullable = 0x0001,
  kReadWriteUnknown = 0x0008,
  kIdentity = 0x0010,
  kComputed = 0x0020,
};

// In COLINFO.
enum SourceStatus : uint8_t {
  kFromExpression = 0x04,
  kFromKey = 0x08,
  kIsHidden = 0x10,
  kHasOtherName = 0x20,
};

uint16_t column_flags(const ResultColumn& column) {
  uint16_t flags = column.type.nullable ? kNullable : 0;
  if (column.identity) {
    flags |= kIdentity;
  } else if (column.computed) {
    flags |= kComputed;
  } else {
    flags |= kReadWriteUnknown;
  }
  return flags;
}

void append_user_type(const SqlType& type, int32_t user_type_id, const Dialect& dialect,
                      std::string* out) {
  const uint32_t user_type =
      type.id == TypeId::kRowVersion ? kRowVersionUserType : static_cast<uint32_t>(user_type_id);
  if (dialect.wide) {
    put_u32(out, user_type);
  } else {
    put_u16(out, static_cast<uint16_t>(user_type));
  }
}

// UTF-16 of at most `units_max` units, never ending in half a pair.
std::string clipped_utf16(std::string_view utf8, size_t units_max) {
  std::string bytes;
  append_utf16(utf8, &bytes);
  if (bytes.size() > units_max * 2) {
    size_t end = units_max * 2;
    if ((static_cast<uint8_t>(bytes[end - 1]) & 0xFC) == 0xD8) {
      end -= 2;
    }
    bytes.resize(end);
  }
  return bytes;
}

void append_us_varchar_clipped(std::string_view utf8, size_t units_max, std::string* out) {
  const std::string bytes = clipped_utf16(utf8, units_max);
  put_u16(out, static_cast<uint16_t>(bytes.size() / 2));
  out->append(bytes);
}

// Leaves a place for the u16 length of a token; end_token() fills it.
size_t begin_token(uint8_t token, std::string* out) {
  put_u8(out, token);
  put_u16(out, 0);
  return out->size();
}

void end_token(size_t body, std::string* out) {
  patch(out, body - 2, static_cast<uint16_t>(out->size() - body));
}

void append_b_varbyte(std::string_view bytes, std::string* out) {
  put_u8(out, static_cast<uint8_t>(bytes.size()));
  out->append(bytes);
}

}  // namespace

Dialect dialect_of(uint32_t tds_version) {
  if (tds_version == kTds80) {
    return {};
  }
  const uint32_t major = tds_version >> 24;
  return {major >= 0x72, major >= 0x73, false};
}

void append_b_varchar(std::string_view utf8, std::string* out) {
  const std::string bytes = clipped_utf16(utf8, 255);
  put_u8(out, static_cast<uint8_t>(bytes.size() / 2));
  out->append(bytes);
}

void append_us_varchar(std::string_view utf8, std::string* out) {
  append_us_varchar_clipped(utf8, 0xFFFF, out);
}

void append_columns(std::span<const ResultColumn> columns, const Dialect& dialect,
                    std::string* out) {
  put_u8(out, 0x81);
  put_u16(out, static_cast<uint16_t>(columns.size()));
  for (const ResultColumn& column : columns) {
    append_user_type(column.type, column.user_type_id, dialect, out);
    put_u16(out, column_flags(column));
    append_type_info(column.type, out);
    if (wire_type(column.type).form == LengthForm::kText) {
      // The table's name, as one part without text: some clients refuse a name of no parts.
      if (dialect.wide) {
        put_u8(out, 1);
      }
      put_u16(out, 0);
    }
    append_b_varchar(column.name, out);
  }
}

void append_message(const ServerMessage& message, std::string_view server_name,
                    const Dialect& dialect, std::string* out) {
  const size_t body = begin_token(message.severity >= kErrorSeverityMin ? 0xAA : 0xAB, out);
  put(out, message.number);
  put_u8(out, message.state);
  put_u8(out, message.severity);
  append_us_varchar_clipped(message.text, kMessageUnitsMax, out);
  append_b_varchar(server_name, out);
  append_b_varchar(message.procedure, out);
  if (dialect.wide) {
    put(out, message.line);
  } else {
    put_u16(out, static_cast<uint16_t>(message.line));
  }
  end_token(body, out);
}

void append_environment_text(EnvironmentChange change, std::string_view to, std::string_view from,
                             std::string* out) {
  const size_t body = begin_token(0xE3, out);
  put_u8(out, static_cast<uint8_t>(change));
  append_b_varchar(to, out);
  append_b_varchar(from, out);
  end_token(body, out);
}

void append_environment_bytes(EnvironmentChange change, std::string_view to, std::string_view from,
                              std::string* out) {
  const size_t body = begin_token(0xE3, out);
  put_u8(out, static_cast<uint8_t>(change));
  append_b_varbyte(to, out);
  append_b_varbyte(from, out);
  end_token(body, out);
}

void append_done(DoneToken token, uint16_t status, uint16_t command, uint64_t rows,
                 const Dialect& dialect, std::string* out) {
  put_u8(out, static_cast<uint8_t>(token));
  put_u16(out, status);
  put_u16(out, command);
  if (dialect.wide) {
    put_u64(out, rows);
  } else {
    put_u32(out, static_cast<uint32_t>(rows));
  }
}

void append_table_names(std::span<const std::vector<std::string>> tables, std::string* out) {
  if (tables.empty()) {
    return;
  }
  const size_t body = begin_token(0xA4, out);
  for (const std::vector<std::string>& parts : tables) {
    put_u8(out, static_cast<uint8_t>(parts.size()));
    for (const std::string& part : parts) {
      append_us_varchar(part, out);
    }
  }
  end_token(body, out);
}

void append_column_sources(std::span<const ColumnSource> sources, std::string* out) {
  const size_t body = begin_token(0xA5, out);
  for (size_t i = 0; i < sources.size(); ++i) {
    const ColumnSource& source = sources[i];
    put_u8(out, static_cast<uint8_t>(i + 1));
    put_u8(out, source.table);
    put_u8(out, static_cast<uint8_t>((source.table == 0 ? kFromExpression : 0) |
                                     (source.key ? kFromKey : 0) | (source.hidden ? kIsHidden : 0) |
                                     (source.base_name.empty() ? 0 : kHasOtherName)));
    if (!source.base_name.empty()) {
      append_b_varchar(source.base_name, out);
    }
  }
  end_token(body, out);
}

void append_order(std::span<const uint16_t> columns, std::string* out) {
  const size_t body = begin_token(0xA9, out);
  for (const uint16_t column : columns) {
    put_u16(out, column);
  }
  end_token(body, out);
}

void append_return_status(int32_t status, std::string* out) {
  put_u8(out, 0x79);
  put(out, status);
}

bool append_return_value(const Parameter& parameter, uint16_t ordinal, const Dialect& dialect,
                         std::string* out) {
  SqlType type = parameter.type;
  type.nullable = true;  // an output value always has a form that can be NULL
  const SqlValue value = value_in_dialect(parameter.type, parameter.value, dialect);
  // The long types cannot be output parameters; their (max) successors can.
  if (type.id == TypeId::kText || type.id == TypeId::kNText || type.id == TypeId::kImage) {
    type.id = type.id == TypeId::kText    ? TypeId::kVarChar
              : type.id == TypeId::kNText ? TypeId::kNVarChar
                                          : TypeId::kVarBinary;
    type.length = kMaxLength;
  }
  type = type_in_dialect(type, dialect);
  if (wire_type(type).form == LengthForm::kText) {
    return false;
  }
  const size_t start = out->size();
  put_u8(out, 0xAC);
  put_u16(out, ordinal);
  append_b_varchar(parameter.name.empty() ? "" : "@" + parameter.name, out);
  put_u8(out, 1);
  append_user_type(type, 0, dialect, out);
  put_u16(out, kNullable);
  append_type_info(type, out);
  if (!append_value(type, value, out)) {
    out->resize(start);
    return false;
  }
  return true;
}

void append_login_acknowledged(uint32_t tds_version, const ServerVersion& version,
                               std::string* out) {
  const size_t body = begin_token(0xAD, out);
  put_u8(out, 1);
  put_u16_be(out, static_cast<uint16_t>(tds_version >> 16));
  put_u16_be(out, static_cast<uint16_t>(tds_version));
  append_b_varchar("Microsoft SQL Server", out);
  put_u8(out, version.major);
  put_u8(out, version.minor);
  put_u16_be(out, version.build);
  end_token(body, out);
}

}  // namespace dstream::standin
