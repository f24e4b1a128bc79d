// The format `json`: DStream's own envelope, described in docs/messages.md. Other formats carry it
// inside their own.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "core/messages/json_value.h"
#include "core/messages/record_encoder.h"
#include "core/messages/time_text.h"

namespace dstream::core {

struct JsonPlan : SchemaPlan {
  // ","op":"insert","database":"shop","schema":"dbo","table":"Orders","key":
  std::array<Fragment, kOpCount> heads;
  // Of a message about the table itself: its key, and what ends it behind the statement.
  std::string schema_key;  // {"database":"shop","schema":"dbo","table":"Orders"}
  std::string columns;     // ,"columns":[...],"key_columns":[...]}
};

class JsonEncoder : public RecordEncoder {
 public:
  JsonEncoder(const MessageSettings& settings, TopicTemplate topic)
      : RecordEncoder(settings, std::move(topic)), value_(settings.large_integers_as_strings) {}

 protected:
  // Where parts of a message stand in its text.
  struct Places {
    dstream_bytes id{};
    dstream_bytes key{};           // data nullptr: the message has none
    dstream_bytes committed_at{};  // without quotes; data nullptr: unknown
  };

  bool writes_schemas() const override { return settings().schema_changes; }
  std::unique_ptr<SchemaPlan> new_plan() const override { return std::make_unique<JsonPlan>(); }
  Result<void> finish_plan(SchemaPlan* shared) const override;
  size_t bytes_bound(const Change& change) const override;
  char* write(char* out, const Change& change, Texts* texts, Failure* failure) const override;

  // Writes the whole message at `out` and returns the end.
  char* write_message(char* out, const Change& change, Places* places, Failure* failure) const;
  // The text of an instant; the same second as the last one costs little.
  char* write_committed_at(char* out, int64_t unix_ns) const {
    return committed_at_.write(out, unix_ns);
  }

 private:
  char* write_optional_row(char* out, const SchemaPlan& plan, const dstream_value* row,
                           Failure* failure) const;

  JsonValue value_;
  mutable InstantWriter committed_at_;  // records of a batch mostly share these seconds
  mutable InstantWriter read_at_;
};

}  // namespace dstream::core
