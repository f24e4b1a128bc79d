// What an encoder works out once for a schema, so that a record costs only its values.
//
// A plan copies what it needs: the schema belongs to a batch and may go with it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/messages/encoder.h"
#include "core/messages/json_text.h"
#include "core/messages/source_type.h"
#include "dstream/abi.h"

namespace dstream::core {

// Texts that stay where they are, padded so that write_fragment() may read 16 bytes of each.
class FragmentStore {
 public:
  Fragment add(std::string text);

 private:
  std::deque<std::string> texts_;
};

// How a column's values are written. Small: all of them are walked for every record.
struct ColumnPlan {
  Fragment label;                        // ,"name":
  dstream_type type = 0;                 // what the schema promises
  uint8_t representation = 0;            // the format's own choice
  bool single_precision = false;         // FLOAT64 that the source stores in 32 bits
  int32_t scale = 0;                     // digits behind the point, where the format needs it
  uint32_t bytes_max = kScalarBytesMax;  // of a value, without what a variable one adds
};

// What is said about a column outside the record path.
struct ColumnFacts {
  std::string name;
  std::string declared_type;  // as the source spells it
  SourceType source_type;
  int32_t precision = 0;
  int32_t scale = 0;
  bool nullable = true;
};

// A topic of this schema's messages; `id` is dense over the encoder.
struct TopicName {
  const char* name = nullptr;  // nullptr: not looked up yet
  uint32_t id = 0;
};

// A part of what names the partition of a table's messages.
struct PartitionPart {
  static constexpr uint32_t kDigits = UINT32_MAX;

  std::string digits;
  uint32_t column = kDigits;  // else the digits are those of this column
};

inline constexpr size_t kOpCount = DSTREAM_OP_WATERMARK + 1;

// A base: each format adds its own texts.
struct SchemaPlan {
  SchemaPlan() = default;
  SchemaPlan(const SchemaPlan&) = delete;
  SchemaPlan& operator=(const SchemaPlan&) = delete;
  virtual ~SchemaPlan() = default;

  std::string database;
  std::string name_space;
  std::string table;
  std::vector<ColumnPlan> columns;
  std::vector<ColumnFacts> facts;          // one for each column
  std::vector<uint32_t> key;               // indexes of columns, in key order; empty: no key
  std::vector<PartitionPart> partition;    // empty: the sink chooses it from the key
  std::array<TopicName, kOpCount> topics;  // by op
  size_t row_bytes_max = 0;                // of one row, without what variable values add
  size_t fixed_bytes_max = 0;              // of everything around the rows
  FragmentStore fragments;

  std::string full_name() const { return name_space + "." + table; }
};

// The column of that name; where there is none, one that differs in case alone.
std::optional<uint32_t> find_column(const SchemaPlan& plan, std::string_view name);

// Fills the part that all formats share. Errors: DS-ENCODE-SCHEMA, DS-KEY-MISSING, DS-KEY-COLUMN,
// DS-PARTITION-COLUMN. REQUIRES: settings.partition is a template.
Result<void> plan_schema(const dstream_schema& schema, const MessageSettings& settings,
                         SchemaPlan* plan);

}  // namespace dstream::core
