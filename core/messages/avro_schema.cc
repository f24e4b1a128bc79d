#include "core/messages/avro_schema.h"

#include <algorithm>
#include <set>
#include <vector>

#include "core/messages/decimal.h"
#include "core/messages/json_text.h"

namespace dstream::core {
namespace {

std::string type_json(const ConnectColumn& column) {
  switch (column.type) {
    case ConnectType::kBoolean:
      return "\"boolean\"";
    case ConnectType::kInt16:
    case ConnectType::kInt32:
      return "\"int\"";
    case ConnectType::kInt64:
      return "\"long\"";
    case ConnectType::kFloat32:
      return "\"float\"";
    case ConnectType::kFloat64:
      return "\"double\"";
    case ConnectType::kDecimal:
      return R"({"type":"bytes","logicalType":"decimal","precision":)" +
             std::to_string(column.precision) + ",\"scale\":" + std::to_string(column.scale) + "}";
    case ConnectType::kBytes:
      return "\"bytes\"";
    case ConnectType::kDate:
      return R"({"type":"int","logicalType":"date"})";
    case ConnectType::kTime:
    case ConnectType::kMicroTime:
      return R"({"type":"long","logicalType":"time-micros"})";
    case ConnectType::kTimestamp:
    case ConnectType::kMicroTimestamp:
      return R"({"type":"long","logicalType":"local-timestamp-micros"})";
    case ConnectType::kUuid:
      return R"({"type":"string","logicalType":"uuid"})";
    default:
      return "\"string\"";
  }
}

// {"name":"First__Name_","type":...,"default":null,"column":"First \"Name\"","sourceType":"..."}
std::string field_json(const SchemaPlan& plan, uint32_t index, const std::string& name,
                       bool nullable) {
  const ColumnFacts& facts = plan.facts[index];
  const std::string type = type_json(avro_column(plan.columns[index].type, facts));
  std::string out = "{\"name\":\"" + name + "\",\"type\":";
  out += nullable ? "[\"null\"," + type + "],\"default\":null" : type;
  if (name != facts.name) {
    out += ",\"column\":" + json_string(facts.name);
  }
  if (!facts.declared_type.empty()) {
    out += ",\"sourceType\":" + json_string(facts.declared_type);
  }
  return out + "}";
}

std::string name_space(const SchemaPlan& plan) {
  return avro_name(plan.database) + "." + avro_name(plan.name_space) + "." + avro_name(plan.table);
}

std::string record_head(const std::string& name, const std::string& space) {
  return "{\"type\":\"record\",\"name\":\"" + name + "\"" +
         (space.empty() ? "" : ",\"namespace\":\"" + space + "\"") + ",\"fields\":[";
}

}  // namespace

ConnectColumn avro_column(dstream_type type, const ColumnFacts& facts) {
  ConnectColumn column = connect_column(type, facts);
  // Avro's decimal has a precision, not below its scale.
  if (column.type == ConnectType::kDecimal &&
      (column.precision <= 0 || column.scale < 0 || column.scale > column.precision ||
       static_cast<size_t>(column.scale) > kUnscaledDigitsMax)) {
    return {ConnectType::kDecimalText, 0, 0};
  }
  return column;
}

std::string avro_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (digit && out.empty()) {
      out += '_';
    }
    out += letter || digit ? c : '_';
  }
  return out.empty() ? "_" : out;
}

std::vector<std::string> avro_field_names(const SchemaPlan& plan) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (const ColumnFacts& facts : plan.facts) {
    const std::string base = avro_name(facts.name);
    std::string name = base;
    for (int n = 2; !taken.insert(name).second; ++n) {
      name = base + "_" + std::to_string(n);
    }
    names.push_back(name);
  }
  return names;
}

std::string avro_key_schema(const SchemaPlan& plan, const std::vector<std::string>& field_names) {
  std::string out = record_head("Key", name_space(plan));
  for (const uint32_t index : plan.key) {
    out += out.back() == '[' ? "" : ",";
    out += field_json(plan, index, field_names[index], plan.facts[index].nullable);
  }
  return out + "]}";
}

// Every column of a row may be null: a value that was not captured is, too, and a table that gets
// or loses a column stays compatible in both directions.
std::string avro_value_schema(const SchemaPlan& plan, const std::vector<std::string>& field_names) {
  std::string row = record_head("Row", "");
  for (uint32_t i = 0; i < plan.columns.size(); ++i) {
    row += (i == 0 ? "" : ",") + field_json(plan, i, field_names[i], true);
  }
  row += "]}";
  std::string out = record_head("Envelope", name_space(plan));
  for (const char* name : {"id", "op", "database", "schema", "table"}) {
    out += std::string("{\"name\":\"") + name + "\",\"type\":\"string\"},";
  }
  out += "{\"name\":\"before\",\"type\":[\"null\"," + row + "],\"default\":null},";
  out += R"({"name":"after","type":["null","Row"],"default":null},)";
  out += R"({"name":"source","type":{"type":"record","name":"Source","fields":[)"
         R"({"name":"commit_lsn","type":["null","string"],"default":null},)"
         R"({"name":"change_lsn","type":["null","string"],"default":null},)"
         R"({"name":"sequence","type":["null","string"],"default":null},)"
         R"({"name":"committed_at","type":["null",{"type":"long","logicalType":)"
         R"("timestamp-micros"}],"default":null}]}},)"
         R"({"name":"read_at","type":["null",{"type":"long","logicalType":"timestamp-micros"}],)"
         R"("default":null},)"
         R"({"name":"not_captured","type":{"type":"array","items":"string"},"default":[]}]})";
  return out;
}

}  // namespace dstream::core
