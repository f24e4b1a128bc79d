// What a sink is handed: a delivery of messages or of records.
//
//   uint32_t write(const dstream::Delivery& delivery, uint32_t first) {
//     for (uint32_t i = first; i < delivery.count(); i++) {
//       const dstream_message& message = delivery.message(i);
//       if (!client_.send(message.topic, dstream::view(message.key), dstream::view(message.value),
//                         token(delivery.id(), i))) {
//         return i - first;                       // full: the host polls and comes back
//       }
//     }
//     return delivery.count() - first;
//   }
//
// Everything behind a delivery stays where it is until its last accepted item is settled: a sink
// keeps plain pointers and copies nothing.
//
// Thread rule: reading is [any-thread].
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "dstream/abi.h"
#include "dstream/host.hpp"

namespace dstream {

class Delivery {
 public:
  explicit Delivery(const dstream_delivery* raw) : raw_(raw) {}

  // What settle() is called with. Unique as long as the instance lives.
  uint64_t id() const { return raw_->id; }
  // Items: messages if the connector was declared with message_sink(), else records.
  uint32_t count() const { return raw_->count; }

  // REQUIRES: index < count(), and the sink asked for messages.
  const dstream_message& message(uint32_t index) const { return *DSTREAM_MESSAGE_AT(raw_, index); }
  // The record of item `index`, whichever kind the items are. REQUIRES: index < count().
  const dstream_record& record(uint32_t index) const {
    return *DSTREAM_RECORD_AT(raw_, raw_->messages == nullptr ? index : message(index).record);
  }
  const dstream_delivery* raw() const { return raw_; }

 private:
  const dstream_delivery* raw_;
};

// The text of a DECIMAL, STRING, BYTES, JSON or XML value; empty for every other type.
inline std::string_view text(const dstream_value& value) {
  bool is_text = (value.type >= DSTREAM_DECIMAL && value.type <= DSTREAM_BYTES) ||
                 value.type == DSTREAM_JSON || value.type == DSTREAM_XML;
  return is_text ? std::string_view(reinterpret_cast<const char*>(value.as.data), value.size)
                 : std::string_view();
}

// A table as a sink reads it. A newer host's columns may be larger than this header's: go through
// column(), never through raw()->columns[i].
class SchemaView {
 public:
  explicit SchemaView(const dstream_schema* raw) : raw_(raw) {}
  uint64_t id() const { return raw_->id; }
  std::string_view database() const { return raw_->database; }
  std::string_view name_space() const { return raw_->name_space; }
  std::string_view name() const { return raw_->name; }
  uint32_t column_count() const { return raw_->column_count; }
  // REQUIRES: index < column_count().
  const dstream_column& column(uint32_t index) const {
    return *reinterpret_cast<const dstream_column*>(reinterpret_cast<const char*>(raw_->columns) +
                                                    size_t{raw_->column_stride} * index);
  }
  // Indexes of the key's columns, in key order.
  std::span<const uint32_t> key() const { return {raw_->key_columns, raw_->key_count}; }
  // The index of a column, or column_count() if there is none of that name.
  uint32_t find(std::string_view name) const {
    uint32_t index = 0;
    while (index < raw_->column_count && column(index).name != name) index++;
    return index;
  }
  const dstream_schema* raw() const { return raw_; }

 private:
  const dstream_schema* raw_;
};

// A record as a sink reads it.
class RecordView {
 public:
  explicit RecordView(const dstream_record& raw) : raw_(&raw) {}
  dstream_op op() const { return raw_->op; }
  SchemaView schema() const { return SchemaView(raw_->schema); }
  std::string_view position() const { return view(raw_->position); }
  // Empty if the operation has no such image.
  std::span<const dstream_value> before() const { return image(raw_->before); }
  std::span<const dstream_value> after() const { return image(raw_->after); }
  // The row as it is now, or as it last was: after, else before.
  std::span<const dstream_value> row() const {
    return image(raw_->after != nullptr ? raw_->after : raw_->before);
  }
  // The header of that name; empty if there is none.
  std::string_view header(std::string_view name) const {
    for (uint32_t i = 0; i < raw_->header_count; i++) {
      if (raw_->headers[i].name == name) return view(raw_->headers[i].value);
    }
    return {};
  }
  const dstream_record& raw() const { return *raw_; }

 private:
  std::span<const dstream_value> image(const dstream_value* values) const {
    return values == nullptr ? std::span<const dstream_value>()
                             : std::span<const dstream_value>(values, raw_->schema->column_count);
  }
  const dstream_record* raw_;
};

}  // namespace dstream
