// For the tests of sinks: a delivery of messages with the operations and times of their records.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "dstream/plugin.hpp"

namespace message_lines {

// Messages with one record each.
class FakeDelivery {
 public:
  explicit FakeDelivery(uint64_t id) { raw_.id = id; }
  FakeDelivery(const FakeDelivery&) = delete;
  FakeDelivery& operator=(const FakeDelivery&) = delete;

  // An empty `key` or `value` means none.
  FakeDelivery& add(const char* topic, uint32_t topic_id, std::string_view key,
                    std::string_view value, dstream_op op = DSTREAM_OP_INSERT) {
    dstream_message message{};
    message.topic = topic;
    message.topic_id = topic_id;
    message.partition = -1;
    message.key = keep(key);
    message.value = keep(value);
    message.record = static_cast<uint32_t>(records_.size());
    message.timestamp_ns = 1'795'412'400'123'000'000;
    messages_.push_back(message);
    dstream_record record{};
    record.op = op;
    records_.push_back(record);
    return *this;
  }
  FakeDelivery& header(const char* name, std::string_view value) {
    headers_.push_back({name, keep(value)});
    messages_.back().headers = &headers_.back();
    messages_.back().header_count = 1;
    return *this;
  }
  dstream_message& last() { return messages_.back(); }
  const dstream_delivery& raw() {
    raw_.struct_size = sizeof raw_;
    raw_.count = static_cast<uint32_t>(messages_.size());
    raw_.records = records_.data();
    raw_.record_stride = sizeof(dstream_record);
    raw_.record_count = static_cast<uint32_t>(records_.size());
    raw_.messages = messages_.data();
    raw_.message_stride = sizeof(dstream_message);
    return raw_;
  }
  dstream::Delivery view() { return dstream::Delivery(&raw()); }

 private:
  dstream_bytes keep(std::string_view text) {
    if (text.empty()) {
      return {nullptr, 0};
    }
    return dstream::bytes(texts_.emplace_back(text));
  }
  std::deque<std::string> texts_;
  std::deque<dstream_field> headers_;
  std::vector<dstream_message> messages_;
  std::vector<dstream_record> records_;
  dstream_delivery raw_{};
};

}  // namespace message_lines
