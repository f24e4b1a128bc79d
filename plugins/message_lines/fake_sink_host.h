// For the tests of sinks: a host that remembers what is settled, and a delivery of messages.
#pragma once

#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "dstream/plugin.hpp"

namespace message_lines {

class FakeSinkHost {
 public:
  // Scalars of the configuration by JSON pointer; numbers as integers.
  explicit FakeSinkHost(std::map<std::string, std::string> texts = {},
                        std::map<std::string, int64_t> numbers = {})
      : texts_(std::move(texts)), numbers_(std::move(numbers)) {
    raw_.struct_size = sizeof raw_;
    raw_.host_data = this;
    raw_.name = "dstream";
    raw_.version = "test";
    raw_.log_level = [](const dstream_host*) noexcept {
      return dstream_log_level{DSTREAM_LOG_ERROR};
    };
    raw_.log = [](const dstream_host*, dstream_log_level, const char*, const dstream_field*,
                  uint32_t) noexcept {};
    raw_.settle = [](const dstream_host* host, uint64_t delivery, uint32_t first, uint32_t count,
                     dstream_status result, const dstream_error*) noexcept {
      auto* self = static_cast<FakeSinkHost*>(host->host_data);
      for (uint32_t i = first; i < first + count; ++i) {
        self->settled.push_back({delivery, i, result});
      }
    };
    raw_.get_extension = [](const dstream_host*, const char* id) noexcept -> const void* {
      static constexpr dstream_config kConfig = {&FakeSinkHost::get};
      return std::strcmp(id, DSTREAM_EXT_CONFIG) == 0 ? &kConfig : nullptr;
    };
  }
  FakeSinkHost(const FakeSinkHost&) = delete;
  FakeSinkHost& operator=(const FakeSinkHost&) = delete;

  dstream::Host host() const { return dstream::Host(&raw_); }
  // Settled items of a delivery, all with status OK.
  size_t settled_ok() const {
    size_t count = 0;
    for (const Settled& item : settled) {
      count += item.result == DSTREAM_OK ? 1 : 0;
    }
    return count;
  }

  struct Settled {
    uint64_t delivery;
    uint32_t index;
    dstream_status result;
  };
  std::vector<Settled> settled;

 private:
  static dstream_status get(const dstream_host* host, const char* pointer,
                            dstream_value* out) noexcept {
    const auto* self = static_cast<const FakeSinkHost*>(host->host_data);
    *out = {};
    if (auto text = self->texts_.find(pointer); text != self->texts_.end()) {
      out->type = DSTREAM_STRING;
      out->size = static_cast<uint32_t>(text->second.size());
      out->as.data = reinterpret_cast<const uint8_t*>(text->second.data());
      return DSTREAM_OK;
    }
    if (auto number = self->numbers_.find(pointer); number != self->numbers_.end()) {
      out->type = DSTREAM_INT64;
      out->as.i64 = number->second;
      return DSTREAM_OK;
    }
    return DSTREAM_AGAIN;
  }

  std::map<std::string, std::string> texts_;
  std::map<std::string, int64_t> numbers_;
  dstream_host raw_{};
};

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
  const dstream_delivery* raw() {
    raw_.struct_size = sizeof raw_;
    raw_.count = static_cast<uint32_t>(messages_.size());
    raw_.records = records_.data();
    raw_.record_stride = sizeof(dstream_record);
    raw_.record_count = static_cast<uint32_t>(records_.size());
    raw_.messages = messages_.data();
    raw_.message_stride = sizeof(dstream_message);
    return &raw_;
  }

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
