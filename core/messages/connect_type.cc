#include "core/messages/connect_type.h"

#include <string_view>

namespace dstream::core {
namespace {

constexpr int32_t kDateTime2Scale = 7;  // of datetime2 and time where none is written
constexpr int32_t kUnknownTimeScale = 6;

ConnectColumn decimal_column(const ColumnFacts& facts) {
  const std::string& name = facts.source_type.name;
  if (name == "money") {
    return {ConnectType::kDecimal, 4, 19};
  }
  if (name == "smallmoney") {
    return {ConnectType::kDecimal, 4, 10};
  }
  if (facts.source_type.argument_count > 0) {
    return {ConnectType::kDecimal, facts.source_type.argument_or(1, 0),
            facts.source_type.argument_or(0, 0)};
  }
  if (facts.precision > 0) {
    return {ConnectType::kDecimal, facts.scale, facts.precision};
  }
  if (name == "decimal" || name == "numeric") {
    return {ConnectType::kDecimal, 0, 18};
  }
  return {ConnectType::kDecimalText, 0, 0};
}

ConnectType integer_type(const ColumnFacts& facts) {
  const std::string& name = facts.source_type.name;
  if (name == "tinyint" || name == "smallint") {
    return ConnectType::kInt16;
  }
  return name == "int" ? ConnectType::kInt32 : ConnectType::kInt64;
}

int32_t time_scale(const ColumnFacts& facts) {
  const std::string& name = facts.source_type.name;
  if (name == "datetime") {
    return 3;
  }
  if (name == "smalldatetime") {
    return 0;
  }
  if (name == "datetime2" || name == "time") {
    return facts.source_type.argument_or(0, kDateTime2Scale);
  }
  return facts.scale > 0 ? facts.scale : kUnknownTimeScale;
}

// How a type looks in a schema.
struct Description {
  std::string_view type;
  std::string_view name;  // semantic name; empty for none
};

Description describe(ConnectType type) {
  switch (type) {
    case ConnectType::kBoolean:
      return {"boolean", ""};
    case ConnectType::kInt16:
      return {"int16", ""};
    case ConnectType::kInt32:
      return {"int32", ""};
    case ConnectType::kInt64:
      return {"int64", ""};
    case ConnectType::kFloat32:
      return {"float", ""};
    case ConnectType::kFloat64:
      return {"double", ""};
    case ConnectType::kDecimal:
      return {"bytes", "org.apache.kafka.connect.data.Decimal"};
    case ConnectType::kBytes:
      return {"bytes", ""};
    case ConnectType::kDate:
      return {"int32", "io.debezium.time.Date"};
    case ConnectType::kTime:
      return {"int32", "io.debezium.time.Time"};
    case ConnectType::kMicroTime:
      return {"int64", "io.debezium.time.MicroTime"};
    case ConnectType::kNanoTime:
      return {"int64", "io.debezium.time.NanoTime"};
    case ConnectType::kTimestamp:
      return {"int64", "io.debezium.time.Timestamp"};
    case ConnectType::kMicroTimestamp:
      return {"int64", "io.debezium.time.MicroTimestamp"};
    case ConnectType::kNanoTimestamp:
      return {"int64", "io.debezium.time.NanoTimestamp"};
    case ConnectType::kZonedTimestamp:
      return {"string", "io.debezium.time.ZonedTimestamp"};
    case ConnectType::kJson:
      return {"string", "io.debezium.data.Json"};
    default:
      return {"string", ""};
  }
}

// {"type":"struct","fields":[...],"optional":true,"name":"shop.dbo.Orders.Value"
std::string struct_head(const std::string& fields, bool optional, const std::string& name) {
  return "{\"type\":\"struct\",\"fields\":[" + fields +
         "],\"optional\":" + (optional ? "true" : "false") + ",\"name\":" + json_string(name);
}

std::string fields_of(const SchemaPlan& plan, const std::vector<uint32_t>& indexes) {
  std::string fields;
  for (uint32_t i : indexes) {
    fields += fields.empty() ? "" : ",";
    fields +=
        connect_field_json(connect_column(plan.columns[i].type, plan.facts[i]), plan.facts[i]);
  }
  return fields;
}

std::string schema_name(const SchemaPlan& plan, const std::string& prefix, const char* part) {
  return prefix + "." + plan.database + "." + plan.full_name() + "." + part;
}

// What follows the rows in an envelope: source, transaction, op, times.
constexpr std::string_view kEnvelopeTail =
    R"({"type":"struct","fields":[)"
    R"({"type":"string","optional":false,"field":"version"},)"
    R"({"type":"string","optional":false,"field":"connector"},)"
    R"({"type":"string","optional":false,"field":"name"},)"
    R"({"type":"int64","optional":false,"field":"ts_ms"},)"
    R"({"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,)"
    R"("parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,)"
    R"(last,false,incremental"},"default":"false","field":"snapshot"},)"
    R"({"type":"string","optional":false,"field":"db"},)"
    R"({"type":"string","optional":true,"field":"sequence"},)"
    R"({"type":"int64","optional":true,"field":"ts_us"},)"
    R"({"type":"int64","optional":true,"field":"ts_ns"},)"
    R"({"type":"string","optional":false,"field":"schema"},)"
    R"({"type":"string","optional":false,"field":"table"},)"
    R"({"type":"string","optional":true,"field":"change_lsn"},)"
    R"({"type":"string","optional":true,"field":"commit_lsn"},)"
    R"({"type":"int64","optional":true,"field":"event_serial_no"}],)"
    R"("optional":false,"name":"io.debezium.connector.sqlserver.Source","version":1,)"
    R"("field":"source"},)"
    R"({"type":"struct","fields":[)"
    R"({"type":"string","optional":false,"field":"id"},)"
    R"({"type":"int64","optional":false,"field":"total_order"},)"
    R"({"type":"int64","optional":false,"field":"data_collection_order"}],)"
    R"("optional":true,"name":"event.block","version":1,"field":"transaction"},)"
    R"({"type":"string","optional":false,"field":"op"},)"
    R"({"type":"int64","optional":true,"field":"ts_ms"},)"
    R"({"type":"int64","optional":true,"field":"ts_us"},)"
    R"({"type":"int64","optional":true,"field":"ts_ns"})";

}  // namespace

ConnectColumn connect_column(dstream_type type, const ColumnFacts& facts) {
  switch (type) {
    case DSTREAM_BOOL:
      return {ConnectType::kBoolean};
    case DSTREAM_INT64:
      return {integer_type(facts)};
    case DSTREAM_UINT64:
      return {ConnectType::kInt64};
    case DSTREAM_FLOAT64: {
      const SourceType& source = facts.source_type;
      const bool single =
          source.name == "real" || (source.name == "float" && source.argument_or(0, 53) <= 24);
      return {single ? ConnectType::kFloat32 : ConnectType::kFloat64};
    }
    case DSTREAM_DECIMAL:
      return decimal_column(facts);
    case DSTREAM_STRING:
    case DSTREAM_XML:
      return {ConnectType::kString};
    case DSTREAM_BYTES:
      return {ConnectType::kBytes};
    case DSTREAM_DATE:
      return {ConnectType::kDate};
    case DSTREAM_TIME: {
      const int32_t scale = time_scale(facts);
      return {scale <= 3   ? ConnectType::kTime
              : scale <= 6 ? ConnectType::kMicroTime
                           : ConnectType::kNanoTime};
    }
    case DSTREAM_TIMESTAMP: {
      const int32_t scale = time_scale(facts);
      return {scale <= 3   ? ConnectType::kTimestamp
              : scale <= 6 ? ConnectType::kMicroTimestamp
                           : ConnectType::kNanoTimestamp};
    }
    case DSTREAM_TIMESTAMP_TZ:
      return {ConnectType::kZonedTimestamp};
    case DSTREAM_UUID:
      return {ConnectType::kUuid};
    case DSTREAM_JSON:
      return {ConnectType::kJson};
    default:
      return {ConnectType::kUnknown};
  }
}

std::string connect_field_json(const ConnectColumn& column, const ColumnFacts& facts) {
  const Description description = describe(column.type);
  std::string json = "{\"type\":\"" + std::string(description.type) +
                     "\",\"optional\":" + (facts.nullable ? "true" : "false");
  if (!description.name.empty()) {
    json += ",\"name\":\"" + std::string(description.name) + "\",\"version\":1";
  }
  if (column.type == ConnectType::kDecimal) {
    json += ",\"parameters\":{\"scale\":\"" + std::to_string(column.scale) + "\"";
    if (column.precision > 0) {
      json += ",\"connect.decimal.precision\":\"" + std::to_string(column.precision) + "\"";
    }
    json += "}";
  }
  return json + ",\"field\":" + json_string(facts.name) + "}";
}

std::string connect_key_schema(const SchemaPlan& plan, const std::string& prefix) {
  return struct_head(fields_of(plan, plan.key), false, schema_name(plan, prefix, "Key")) + "}";
}

std::string connect_envelope_schema(const SchemaPlan& plan, const std::string& prefix) {
  std::vector<uint32_t> all(plan.columns.size());
  for (uint32_t i = 0; i < all.size(); ++i) {
    all[i] = i;
  }
  const std::string row =
      struct_head(fields_of(plan, all), true, schema_name(plan, prefix, "Value"));
  std::string fields = row + ",\"field\":\"before\"}," + row + ",\"field\":\"after\"},";
  fields += kEnvelopeTail;
  return struct_head(fields, false, schema_name(plan, prefix, "Envelope")) + ",\"version\":2}";
}

}  // namespace dstream::core
