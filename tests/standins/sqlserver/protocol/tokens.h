// The tokens of a server's response, each as bytes appended to a string. Nothing here knows of
// sockets or packets.
//
// Thread rule: plain functions, no shared state.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"
#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin {

// TDS versions as LOGIN7 states them.
inline constexpr uint32_t kTds71 = 0x71000001;
inline constexpr uint32_t kTds72 = 0x72090002;
inline constexpr uint32_t kTds73 = 0x730B0003;
inline constexpr uint32_t kTds74 = 0x74000004;
inline constexpr uint32_t kTds80 = 0x08000000;

// What differs between the dialects a client may speak.
struct Dialect {
  bool wide = true;  // TDS 7.2: u32 user types and line numbers, u64 counts, (max), ALL_HEADERS
  bool date_types = true;  // TDS 7.3: date, time, datetime2, datetimeoffset, NBCROW
  bool utf8 = true;        // the login asked for UTF8_SUPPORT; else such columns go out as nvarchar
};
// The dialect of a LOGIN7 version.
Dialect dialect_of(uint32_t tds_version);

// DONE status bits.
inline constexpr uint16_t kDoneMore = 0x01;
inline constexpr uint16_t kDoneError = 0x02;
inline constexpr uint16_t kDoneCount = 0x10;
inline constexpr uint16_t kDoneAttention = 0x20;

enum class DoneToken : uint8_t { kDone = 0xFD, kDoneProcedure = 0xFE, kDoneInProcedure = 0xFF };

// ENVCHANGE types.
enum class EnvironmentChange : uint8_t {
  kDatabase = 1,
  kLanguage = 2,
  kPacketSize = 4,
  kCollation = 7,
  kBegin = 8,
  kCommit = 9,
  kRollback = 10,
  kResetAcknowledged = 18,
};

// Text with a length in UTF-16 units in front, cut to what the length can say.
void append_b_varchar(std::string_view utf8, std::string* out);
void append_us_varchar(std::string_view utf8, std::string* out);

void append_columns(std::span<const ResultColumn> columns, const Dialect& dialect,
                    std::string* out);
// INFO (severity up to 10) or ERROR.
void append_message(const ServerMessage& message, std::string_view server_name,
                    const Dialect& dialect, std::string* out);
void append_environment_text(EnvironmentChange change, std::string_view to, std::string_view from,
                             std::string* out);
void append_environment_bytes(EnvironmentChange change, std::string_view to, std::string_view from,
                              std::string* out);
void append_done(DoneToken token, uint16_t status, uint16_t command, uint64_t rows,
                 const Dialect& dialect, std::string* out);
// TABNAME; nothing where there are no tables.
void append_table_names(std::span<const std::vector<std::string>> tables, std::string* out);
// COLINFO.
void append_column_sources(std::span<const ColumnSource> sources, std::string* out);
void append_order(std::span<const uint16_t> columns, std::string* out);
void append_return_status(int32_t status, std::string* out);
// False if the value does not fit its type, or the dialect has no such output value.
bool append_return_value(const Parameter& parameter, uint16_t ordinal, const Dialect& dialect,
                         std::string* out);

struct ServerVersion {
  uint8_t major = 16;
  uint8_t minor = 0;
  uint16_t build = 4172;
};
void append_login_acknowledged(uint32_t tds_version, const ServerVersion& version,
                               std::string* out);

}  // namespace dstream::standin
