#include "core/messages/passed_message.h"

#include <string_view>

namespace dstream::core {
namespace {

bool is_bytes_or_null(const dstream_value& value) {
  return value.type == DSTREAM_NULL || value.type == DSTREAM_BYTES;
}

dstream_bytes bytes_of(const dstream_value& value) {
  return value.type == DSTREAM_NULL ? dstream_bytes{} : dstream_bytes{value.as.data, value.size};
}

}  // namespace

Result<void> PassedMessageEncoder::encode(const dstream_record& record, uint32_t record_index,
                                          Arena&, std::vector<dstream_message>& out) {
  if (record.op == DSTREAM_OP_WATERMARK) {
    return {};
  }
  const dstream_value* row = record.after != nullptr ? record.after : record.before;
  if (row == nullptr || record.schema == nullptr || record.schema->column_count != kColumns ||
      row[kTopic].type != DSTREAM_STRING || !is_bytes_or_null(row[kKey]) ||
      !is_bytes_or_null(row[kValue]) || row[kPartition].type != DSTREAM_INT64) {
    return fail("DS-ENCODE-ROW", "The record is no message.");
  }
  const std::string_view topic(reinterpret_cast<const char*>(row[kTopic].as.data),
                               row[kTopic].size);
  auto known = topic_ids_.find(topic);
  if (known == topic_ids_.end()) {
    known = topic_ids_.emplace(topic, static_cast<uint32_t>(topic_ids_.size())).first;
  }
  dstream_message message{};
  message.topic = known->first.c_str();
  message.topic_id = known->second;
  message.partition = static_cast<int32_t>(row[kPartition].as.i64);
  message.key = bytes_of(row[kKey]);
  message.value = bytes_of(row[kValue]);
  message.headers = record.headers;
  message.header_count = record.header_count;
  message.record = record_index;
  message.timestamp_ns = record.commit_time_ns;
  out.push_back(message);
  return {};
}

}  // namespace dstream::core
