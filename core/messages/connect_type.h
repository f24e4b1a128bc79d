// The types of Kafka Connect that Debezium's SQL Server connector gives to columns.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/error.h"
#include "core/messages/schema_plan.h"
#include "dstream/abi.h"

namespace dstream::core {

enum class ConnectType : uint8_t {
  kBoolean,
  kInt16,
  kInt32,
  kInt64,
  kFloat32,
  kFloat64,
  kDecimal,      // bytes: the unscaled value
  kDecimalText,  // a string, where the scale is not known
  kString,
  kBytes,
  kDate,            // int32: days
  kTime,            // int32: milliseconds since midnight
  kMicroTime,       // int64
  kNanoTime,        // int64
  kTimestamp,       // int64: milliseconds since 1970
  kMicroTimestamp,  // int64
  kNanoTimestamp,   // int64
  kZonedTimestamp,  // string
  kUuid,            // string
  kJson,            // string
  kUnknown
};

struct ConnectColumn {
  ConnectType type = ConnectType::kUnknown;
  int32_t scale = 0;      // kDecimal
  int32_t precision = 0;  // kDecimal; 0: not known
};

// From the type the column has in the ABI and the way its source spells it.
ConnectColumn connect_column(dstream_type type, const ColumnFacts& facts);

// The column as Connect's JsonConverter describes a field:
// {"type":"int32","optional":true,"name":"io.debezium.time.Date","version":1,"field":"born"}
std::string connect_field_json(const ConnectColumn& column, const ColumnFacts& facts);

// The "schema" half of a key: a struct of the plan's key columns.
std::string connect_key_schema(const SchemaPlan& plan, const std::string& prefix);
// The "schema" half of a value: the envelope.
std::string connect_envelope_schema(const SchemaPlan& plan, const std::string& prefix);

}  // namespace dstream::core
