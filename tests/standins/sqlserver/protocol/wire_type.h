// How an SqlType looks on the wire: its TYPE_INFO, and how a value's length is written.
//
// The forms are those of TDS 7.2 and later. A NOT NULL number has a fixed form without a length, a
// nullable one a length byte; so two columns that differ only in `nullable` have different rows.
//
// Thread rule: plain values and functions, no shared state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin {

// The collations of character columns: SQL_Latin1_General_CP1_CI_AS, and
// Latin1_General_100_CI_AS_SC_UTF8.
inline constexpr std::string_view kDefaultCollation{"\x09\x04\xd0\x00\x34", 5};
inline constexpr std::string_view kUtf8Collation{"\x09\x04\xd0\x24\x00", 5};

inline constexpr int32_t kShortBytesMax = 8000;  // of char, binary and their relatives, not (max)

enum class LengthForm : uint8_t {
  kFixed,    // no length; NULL is impossible
  kByte,     // u8 length, 0 is NULL
  kShort,    // u16 length, 0xFFFF is NULL
  kPlp,      // u64 total length, chunks; for (max), xml and CLR types
  kText,     // text pointer, time stamp, u32 length; for text, ntext and image in rows
  kVariant,  // u32 length, 0 is NULL
  kLong,     // u32 length, 0xFFFFFFFF is NULL; text, ntext and image as parameters
};

struct WireType {
  uint8_t token = 0;
  LengthForm form = LengthForm::kFixed;
  uint8_t fixed_bytes = 0;  // value bytes if form is kFixed
};

// REQUIRES: a type as SQL Server could declare it (precision 1-38, scale 0-7 for times, ...).
WireType wire_type(const SqlType& type);

// TYPE_INFO as it stands in COLMETADATA and RETURNVALUE.
void append_type_info(const SqlType& type, std::string* out);

// True if a value of this type is text in UTF-16 (nchar, nvarchar, ntext, xml).
bool is_utf16(TypeId id);
// True if a value of this type is text in the code page of its collation (char, varchar, text).
bool is_single_byte_text(TypeId id);
// Bytes of a decimal's magnitude: 4, 8, 12 or 16.
uint8_t decimal_bytes(uint8_t precision);
// Bytes of the time part of time, datetime2 and datetimeoffset: 3, 4 or 5.
uint8_t time_bytes(uint8_t scale);

// What a client says about a parameter. Every type token of TDS 7.1-7.4 is understood, also those
// that a server of today never sends.
struct ParameterType {
  SqlType type;
  WireType wire;
  bool is_null_type = false;  // the untyped NULL (0x1F)
};

// Reads TYPE_INFO of an RPC parameter. False if it is not one, or a table-valued parameter.
bool read_type_info(ByteReader* reader, ParameterType* parameter);

}  // namespace dstream::standin
