// The partition of a message from columns of its row: "{column:region_id}".
//
// The text is digits and columns; put together they must be the partition's number. An update is
// of the row after it, a deletion of the row before. What names no number is an error of the
// record, never another partition (I5). How many partitions a topic has only the sink knows.
//
// Thread rule: immutable after parse(); the functions are pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/messages/change.h"
#include "core/messages/row_text.h"
#include "core/messages/schema_plan.h"

namespace dstream::core {

// The sink chooses, from the key.
inline constexpr int32_t kPartitionOfKey = -1;

class PartitionTemplate {
 public:
  // Nothing in it: every message goes where its key says.
  PartitionTemplate() = default;

  // Errors: DS-PARTITION-TEMPLATE for an unknown field, a brace without its partner, text that is
  // no digit, a number without columns that is too large, an empty text.
  static Result<PartitionTemplate> parse(std::string_view text);

  // The same with the columns of one table. Errors: DS-PARTITION-COLUMN.
  Result<std::vector<PartitionPart>> plan(const SchemaPlan& table) const;

 private:
  struct Part {
    std::string text;  // digits, or the name of a column
    bool is_column = false;
  };
  std::vector<Part> parts_;
};

// The partition of a change, kPartitionOfKey where the plan names none. A change without a row
// (truncate, schema) has no columns: with a template of digits alone it goes there, else its key
// decides. Sets `failure`: DS-PARTITION-COLUMN for a value that was not captured,
// DS-PARTITION-VALUE for one that is no number.
int32_t partition_of(const Change& change, Failure* failure);

// True if the update takes its row to another partition, as far as both are known.
bool changes_partition(const Change& update);

}  // namespace dstream::core
