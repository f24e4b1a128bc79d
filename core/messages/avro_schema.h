// The Avro schemas of a table's messages: how columns are called and typed there.
//
// Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/messages/connect_type.h"
#include "core/messages/schema_plan.h"

namespace dstream::core {

// How the values of a column are written. kNanoTime, kNanoTimestamp and kZonedTimestamp are texts
// here, for Avro has no type that holds all of them; so are decimals of unknown precision
// (kDecimalText).
ConnectColumn avro_column(dstream_type type, const ColumnFacts& facts);

// [A-Za-z_][A-Za-z0-9_]*: everything else becomes '_'.
std::string avro_name(std::string_view name);

// The fields of a row, one for each column. Columns whose names become the same stay apart: the
// second gets "_2" behind its name.
std::vector<std::string> avro_field_names(const SchemaPlan& plan);

// The schema of the key: a record of the key columns. `field_names` are those of the plan.
std::string avro_key_schema(const SchemaPlan& plan, const std::vector<std::string>& field_names);
// The schema of the value: an envelope with the row before and after.
std::string avro_value_schema(const SchemaPlan& plan, const std::vector<std::string>& field_names);

}  // namespace dstream::core
