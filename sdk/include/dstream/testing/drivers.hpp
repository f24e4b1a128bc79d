// Drive a connector through its C table, as the host does, and check what comes back.
//
//   FakeHost host(R"({"interval_ms": 1})");
//   SourceDriver source(*find_connector(dstream_plugin_v1, "tick"), host);
//   source.open("");
//   Batch batch = source.read(100, Millis(50));      // released when it goes out of scope
//   EXPECT_EQ(batch.size(), 10u);
//   source.commit(batch.last_position());
//
//   SinkDriver sink(connector, host);
//   sink.open();
//   Messages messages(1);                             // a delivery with the id 1
//   messages.add("orders", "key", "value");
//   EXPECT_EQ(sink.write(messages), 1u);
//   sink.poll(Millis(100));
//   EXPECT_EQ(host.settled(1), 1u);
//
// A call that ends with an error throws CallFailed, which carries the dstream_error. A breach of
// the contract (OK without a batch, a record without a schema, more accepted than offered) throws
// ContractBroken: your plugin has a bug the real host would stop the pipeline for.
//
// Thread rule: one thread at a time; request_stop() [any-thread].
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dstream/abi.h"
#include "dstream/delivery.hpp"
#include "dstream/host.hpp"
#include "dstream/testing/fake_host.hpp"

namespace dstream::testing {

// A call ended with a negative status.
class CallFailed : public std::runtime_error {
 public:
  CallFailed(const char* call, dstream_status status_, const dstream_error& error_)
      : std::runtime_error(std::string(call) + " ended with status " + std::to_string(status_) +
                           ": " + error_.message),
        status(status_),
        error(error_) {}
  dstream_status status;
  dstream_error error;
};

// The plugin did what the ABI forbids.
class ContractBroken : public std::logic_error {
  using std::logic_error::logic_error;
};

// The connector of that id; throws std::invalid_argument if the plugin offers none.
inline const dstream_connector* find_connector(const dstream_plugin& plugin, std::string_view id) {
  for (uint32_t i = 0; i < plugin.connector_count; i++) {
    if (plugin.connectors[i]->id == id) return plugin.connectors[i];
  }
  throw std::invalid_argument("no connector " + std::string(id));
}

namespace detail {

inline void require(bool kept, const char* call, const std::string& rule) {
  if (!kept) throw ContractBroken(std::string(call) + ": " + rule);
}

inline dstream_error fresh_error() {
  dstream_error error{};
  error.struct_size = sizeof error;
  return error;
}

// Throws for errors and for statuses the call cannot have; else gives the status back.
inline dstream_status checked(const char* call, dstream_status status, const dstream_error& error,
                              std::initializer_list<int> allowed) {
  require(std::memchr(error.message, 0, sizeof error.message) != nullptr, call,
          "the message has no end");
  for (int each : allowed) {
    if (status == each) return status;
  }
  require(status < 0 && status >= DSTREAM_FATAL && status != DSTREAM_REJECTED, call,
          "status " + std::to_string(status) + " is not one it can have");
  require(error.message[0] != '\0', call, "an error needs a message");
  throw CallFailed(call, status, error);
}

}  // namespace detail

// What read() returned: the batch, or why there is none. Releases it when it goes.
class Batch {
 public:
  Batch(dstream_status status, dstream_batch* raw) : status_(status), raw_(raw) {}

  // OK with records; AGAIN, END or CANCELLED without.
  dstream_status status() const { return status_; }
  uint32_t size() const { return raw_ != nullptr ? raw_->record_count : 0; }
  // REQUIRES: index < size().
  RecordView operator[](uint32_t index) const {
    return RecordView(*DSTREAM_RECORD_AT(raw_, index));
  }
  // The last position that is not empty; "" if there is none.
  std::string last_position() const {
    for (uint32_t i = size(); i > 0; i--) {
      if (!(*this)[i - 1].position().empty()) return std::string((*this)[i - 1].position());
    }
    return {};
  }
  const dstream_batch* raw() const { return raw_.get(); }

 private:
  struct Release {
    void operator()(dstream_batch* batch) const { batch->release(batch); }
  };
  dstream_status status_;
  std::unique_ptr<dstream_batch, Release> raw_;
};

class SourceDriver {
 public:
  // Calls create().
  SourceDriver(const dstream_connector& connector, const FakeHost& host) : api_(connector.source) {
    detail::require(api_ != nullptr, "create()", "the connector is no source");
    dstream_error error = detail::fresh_error();
    dstream_status status = api_->create(host.raw(), host.config_json(), &self_, &error);
    detail::checked("create()", status, error, {DSTREAM_OK});
    detail::require(self_ != nullptr, "create()", "OK needs an instance");
  }
  SourceDriver(const SourceDriver&) = delete;
  SourceDriver& operator=(const SourceDriver&) = delete;
  ~SourceDriver() {
    close();
    api_->destroy(self_);
  }

  // OK or CANCELLED.
  dstream_status open(std::string_view position) {
    dstream_error error = detail::fresh_error();
    dstream_status status = api_->open(self_, bytes(position), &error);
    detail::checked("open()", status, error, {DSTREAM_OK, DSTREAM_CANCELLED});
    open_ = status == DSTREAM_OK;
    return status;
  }

  Batch read(uint32_t max_records, Millis max_wait) {
    dstream_error error = detail::fresh_error();
    dstream_batch* raw = nullptr;
    dstream_status status =
        api_->read(self_, max_records, static_cast<uint32_t>(max_wait.count()), &raw, &error);
    Batch batch(status, raw);
    detail::checked("read()", status, error,
                    {DSTREAM_OK, DSTREAM_AGAIN, DSTREAM_END, DSTREAM_CANCELLED});
    detail::require((raw != nullptr) == (status == DSTREAM_OK), "read()",
                    "a batch comes with OK, and with nothing else");
    if (raw != nullptr) check(*raw, max_records);
    return batch;
  }

  void commit(std::string_view position) {
    if (api_->commit == nullptr) return;
    dstream_error error = detail::fresh_error();
    detail::checked("commit()", api_->commit(self_, bytes(position), &error), error, {DSTREAM_OK});
  }
  void request_stop() { api_->request_stop(self_); }
  void close() {
    if (open_) api_->close(self_);
    open_ = false;
  }
  // A table of functions by its id, or nullptr; they are called with self().
  const void* extension(const char* id) const {
    return api_->get_extension == nullptr ? nullptr : api_->get_extension(self_, id);
  }
  void* self() const { return self_; }

 private:
  static void check(const dstream_batch& batch, uint32_t max_records) {
    detail::require(batch.struct_size >= sizeof batch && batch.release != nullptr, "read()",
                    "a batch needs its struct_size and release()");
    detail::require(batch.record_stride >= sizeof(dstream_record), "read()",
                    "record_stride is too small");
    detail::require(batch.record_count > 0 && batch.record_count <= max_records, "read()",
                    "a batch has 1..max_records records");
    for (uint32_t i = 0; i < batch.record_count; i++) check(*DSTREAM_RECORD_AT(&batch, i));
  }
  static void check(const dstream_record& record) {
    bool has_before = record.before != nullptr;
    bool has_after = record.after != nullptr;
    bool fits = false;
    switch (record.op) {
      case DSTREAM_OP_SNAPSHOT:
      case DSTREAM_OP_INSERT:
        fits = !has_before && has_after;
        break;
      case DSTREAM_OP_UPDATE:
        fits = has_after;
        break;
      case DSTREAM_OP_DELETE:
        fits = has_before && !has_after;
        break;
      case DSTREAM_OP_TRUNCATE:
      case DSTREAM_OP_SCHEMA:
      case DSTREAM_OP_WATERMARK:
        fits = !has_before && !has_after;
        break;
      default:
        break;
    }
    detail::require(fits, "read()", "before and after do not fit the operation");
    detail::require(record.op == DSTREAM_OP_WATERMARK || record.schema != nullptr, "read()",
                    "a record needs a schema");
    detail::require(record.position.size <= DSTREAM_MAX_POSITION, "read()",
                    "a position has at most 64 KiB");
  }

  const dstream_source_api* api_;
  dstream_source* self_ = nullptr;
  bool open_ = false;
};

// A delivery of messages, as the host would have encoded them. Keep it until all are settled.
class Messages {
 public:
  explicit Messages(uint64_t id) : id_(id) {}
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;

  // nullopt: no key; a message without a value, a tombstone.
  Messages& add(std::string_view topic, std::optional<std::string_view> key,
                std::optional<std::string_view> value,
                const std::vector<std::pair<const char*, std::string_view>>& headers = {}) {
    dstream_message message{};
    message.topic = keep(topic).data();
    message.topic_id = topic_id(topic);
    message.partition = -1;
    if (key) message.key = bytes(keep(*key));
    if (value) message.value = bytes(keep(*value));
    auto& fields = headers_.emplace_back();
    for (const auto& [name, text] : headers) fields.push_back({name, bytes(keep(text))});
    message.headers = fields.data();
    message.header_count = static_cast<uint32_t>(fields.size());
    message.record = static_cast<uint32_t>(messages_.size());
    messages_.push_back(message);
    records_.push_back({});
    return *this;
  }

  const dstream_delivery& raw() {
    raw_ = {};
    raw_.struct_size = sizeof raw_;
    raw_.count = static_cast<uint32_t>(messages_.size());
    raw_.id = id_;
    raw_.records = records_.data();
    raw_.record_stride = sizeof(dstream_record);
    raw_.record_count = static_cast<uint32_t>(records_.size());
    raw_.messages = messages_.data();
    raw_.message_stride = sizeof(dstream_message);
    return raw_;
  }

 private:
  // A copy with an end, whose data is never NULL: an empty value is not a tombstone.
  std::string_view keep(std::string_view text) { return texts_.emplace_back(text); }
  uint32_t topic_id(std::string_view topic) {
    for (uint32_t i = 0; i < topics_.size(); i++) {
      if (topics_[i] == topic) return i;
    }
    topics_.emplace_back(topic);
    return static_cast<uint32_t>(topics_.size() - 1);
  }

  uint64_t id_;
  dstream_delivery raw_{};
  std::deque<std::string> texts_;
  std::vector<std::string> topics_;
  std::deque<std::vector<dstream_field>> headers_;
  std::vector<dstream_message> messages_;
  std::vector<dstream_record> records_;
};

// A delivery of the records of a batch. The batch must live until all are settled.
class Records {
 public:
  Records(uint64_t id, const dstream_batch& batch) {
    raw_.struct_size = sizeof raw_;
    raw_.count = batch.record_count;
    raw_.id = id;
    raw_.records = batch.records;
    raw_.record_stride = batch.record_stride;
    raw_.record_count = batch.record_count;
  }
  const dstream_delivery& raw() { return raw_; }

 private:
  dstream_delivery raw_{};
};

class SinkDriver {
 public:
  // Calls create().
  SinkDriver(const dstream_connector& connector, const FakeHost& host) : api_(connector.sink) {
    detail::require(api_ != nullptr, "create()", "the connector is no sink");
    dstream_error error = detail::fresh_error();
    dstream_status status = api_->create(host.raw(), host.config_json(), &self_, &error);
    detail::checked("create()", status, error, {DSTREAM_OK});
    detail::require(self_ != nullptr, "create()", "OK needs an instance");
  }
  SinkDriver(const SinkDriver&) = delete;
  SinkDriver& operator=(const SinkDriver&) = delete;
  ~SinkDriver() {
    close();
    api_->destroy(self_);
  }

  // OK or CANCELLED.
  dstream_status open() {
    dstream_error error = detail::fresh_error();
    dstream_status status = api_->open(self_, &error);
    detail::checked("open()", status, error, {DSTREAM_OK, DSTREAM_CANCELLED});
    open_ = status == DSTREAM_OK;
    return status;
  }

  // How many items from `first` on the sink took. `delivery` is Messages or Records.
  template <class Items>
  uint32_t write(Items& delivery, uint32_t first = 0) {
    const dstream_delivery& raw = delivery.raw();
    dstream_error error = detail::fresh_error();
    uint32_t accepted = 0;
    dstream_status status = api_->write(self_, &raw, first, &accepted, &error);
    detail::checked("write()", status, error, {DSTREAM_OK, DSTREAM_AGAIN, DSTREAM_CANCELLED});
    detail::require(accepted <= raw.count - first, "write()", "it accepted more than there were");
    detail::require((status == DSTREAM_OK) == (accepted == raw.count - first), "write()",
                    "OK means that every item was accepted, AGAIN that some were not");
    return accepted;
  }

  // OK or AGAIN; AGAIN if the sink has no poll().
  dstream_status poll(Millis max_wait) {
    if (api_->poll == nullptr) return DSTREAM_AGAIN;
    dstream_error error = detail::fresh_error();
    return detail::checked("poll()",
                           api_->poll(self_, static_cast<uint32_t>(max_wait.count()), &error),
                           error, {DSTREAM_OK, DSTREAM_AGAIN, DSTREAM_CANCELLED});
  }
  // OK: nothing is in flight. AGAIN: something is.
  dstream_status flush(Millis max_wait) {
    dstream_error error = detail::fresh_error();
    return detail::checked("flush()",
                           api_->flush(self_, static_cast<uint32_t>(max_wait.count()), &error),
                           error, {DSTREAM_OK, DSTREAM_AGAIN, DSTREAM_CANCELLED});
  }
  void request_stop() { api_->request_stop(self_); }
  void close() {
    if (open_) api_->close(self_);
    open_ = false;
  }
  // A table of functions by its id, or nullptr; they are called with self().
  const void* extension(const char* id) const {
    return api_->get_extension == nullptr ? nullptr : api_->get_extension(self_, id);
  }
  void* self() const { return self_; }

 private:
  const dstream_sink_api* api_;
  dstream_sink* self_ = nullptr;
  bool open_ = false;
};

}  // namespace dstream::testing
