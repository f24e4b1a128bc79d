#include "sink_driver.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "dstream/ext/draft/status.h"
#include "dstream/host.hpp"

namespace eventhubs {
namespace {

const dstream_sink_api& api() { return *dstream_plugin_v1.connectors[0]->sink; }

dstream_bytes bytes_of(const std::optional<std::string>& text) {
  if (!text) {
    return {nullptr, 0};
  }
  return {reinterpret_cast<const uint8_t*>(text->data()), text->size()};
}

}  // namespace

// ---- TestHost -----------------------------------------------------------------------------------

TestHost::TestHost() {
  raw_.struct_size = sizeof raw_;
  raw_.host_data = this;
  raw_.name = "test";
  raw_.version = "1";
  raw_.log_level = [](const dstream_host*) noexcept {
    return dstream_log_level{DSTREAM_LOG_DEBUG};
  };
  raw_.log = [](const dstream_host* host, dstream_log_level level, const char* message,
                const dstream_field* fields, uint32_t field_count) noexcept {
    {
      const std::lock_guard lock(of(host).mutex_);
      of(host).log_ += std::to_string(level) + " " + message;
      for (uint32_t i = 0; i < field_count; ++i) {
        of(host).log_ +=
            std::string(" ") + fields[i].name + "=" + std::string(dstream::view(fields[i].value));
      }
      of(host).log_ += "\n";
    }
    if (of(host).on_log) {
      of(host).on_log();
    }
  };
  raw_.settle = [](const dstream_host* host, uint64_t delivery, uint32_t first, uint32_t count,
                   dstream_status result, const dstream_error* error) noexcept {
    const std::lock_guard lock(of(host).mutex_);
    of(host).settles_.push_back({delivery, first, count, result,
                                 error == nullptr ? "" : error->message,
                                 error == nullptr ? 0 : error->retry_after_ms});
  };
  raw_.get_extension = [](const dstream_host*, const char* id) noexcept -> const void* {
    static constexpr dstream_metrics kMetrics = {
        [](const dstream_host* host, const char* name, uint32_t kind, const char* unit,
           const char*) noexcept -> uint64_t {
          const std::string full = std::string(name) + (*unit == '\0' ? "" : "_") + unit;
          of(host).instruments_.push_back({full, kind});
          return of(host).instruments_.size();
        },
        [](const dstream_host* host, uint64_t metric, double value) noexcept {
          const std::lock_guard lock(of(host).mutex_);
          const Instrument& instrument = of(host).instruments_[metric - 1];
          double& stored = of(host).metrics_[instrument.name];
          stored = instrument.kind == 0 ? stored + value : value;
          double& peak = of(host).peaks_[instrument.name];
          peak = std::max(peak, stored);
        }};
    return std::strcmp(id, DSTREAM_EXT_METRICS) == 0 ? &kMetrics : nullptr;
  };
}

double TestHost::metric(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = metrics_.find(name);
  return found == metrics_.end() ? 0 : found->second;
}

double TestHost::peak(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = peaks_.find(name);
  return found == peaks_.end() ? 0 : found->second;
}

std::string TestHost::logged() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

std::vector<TestHost::Settle> TestHost::take_settles() {
  const std::lock_guard lock(mutex_);
  return std::exchange(settles_, {});
}

// ---- SinkDriver ---------------------------------------------------------------------------------

SinkDriver::SinkDriver(const std::string& config) {
  error_.struct_size = sizeof error_;
  created_ = call(api().create(host_.raw(), config.c_str(), &sink_, &error_));
  if (created_.status != DSTREAM_OK) {
    sink_ = nullptr;
  }
}

SinkDriver::~SinkDriver() {
  if (sink_ != nullptr) {
    close();
    api().destroy(sink_);
  }
}

SinkDriver::Result SinkDriver::call(dstream_status status) const {
  return {status, status < 0 ? error_.message : ""};
}

SinkDriver::Result SinkDriver::open() {
  if (sink_ == nullptr) {
    return created_;
  }
  ++sessions_;
  Result result = call(api().open(sink_, &error_));
  open_ = result.status == DSTREAM_OK;
  return result;
}

void SinkDriver::close() {
  if (open_) {
    take_settles();
    api().close(sink_);
    open_ = false;
    if (!host_.take_settles().empty()) {
      breach_ = "settled in close()";
    }
  }
}

void SinkDriver::abandon_session() {
  close();
  rewind();
}

void SinkDriver::stop() { api().request_stop(sink_); }

std::string SinkDriver::status() const {
  const auto* offered =
      static_cast<const dstream_instance_status*>(api().get_extension(sink_, DSTREAM_EXT_STATUS));
  std::string text(DSTREAM_MAX_STATUS, '\0');
  uint32_t size = 0;
  dstream_error error{};
  const dstream_status came = offered->get(sink_, text.data(), DSTREAM_MAX_STATUS, &size, &error);
  return came == DSTREAM_OK ? text.substr(0, size) : error.message;
}

void SinkDriver::add(TestMessage message) {
  todo_.push_back(messages_.size());
  messages_.push_back(std::move(message));
  items_.push_back(Item::kNew);
  ++counts_[static_cast<size_t>(Item::kNew)];
}

void SinkDriver::set_state(size_t index, Item state) {
  --counts_[static_cast<size_t>(items_[index])];
  ++counts_[static_cast<size_t>(state)];
  items_[index] = state;
}

void SinkDriver::add_numbered(int first, int count, int keys, size_t value_bytes) {
  for (int i = first; i < first + count; ++i) {
    TestMessage message;
    message.key = "k" + std::to_string(i % keys);
    message.value = std::to_string(i);
    message.value->resize(std::max(value_bytes, message.value->size()), ' ');
    add(std::move(message));
  }
}

SinkDriver::Delivery SinkDriver::make_delivery() {
  Delivery out;
  size_t bytes = 0;
  while (!todo_.empty() && out.indexes.size() < delivery_items_max) {
    out.indexes.push_back(todo_.front());
    todo_.pop_front();
    const TestMessage& message = messages_[out.indexes.back()];
    bytes += message.key.value_or("").size() + message.value.value_or("").size();
  }
  // More than fits into the string itself: the delivery moves, and its bytes must not.
  out.arena.reserve(bytes + std::string().capacity() + 1);
  const auto keep = [&out](const std::optional<std::string>& text) -> dstream_bytes {
    if (!text) {
      return {nullptr, 0};
    }
    const size_t at = out.arena.size();
    out.arena += *text;
    return {reinterpret_cast<const uint8_t*>(out.arena.data() + at), text->size()};
  };
  for (const size_t index : out.indexes) {
    const TestMessage& message = messages_[index];
    std::vector<dstream_field>& headers = out.headers.emplace_back();
    for (const auto& [name, value] : message.headers) {
      headers.push_back({name.c_str(), bytes_of(value)});
    }
    dstream_message raw{};
    raw.topic = message.topic.c_str();
    raw.topic_id = topic_ids_.try_emplace(message.topic, static_cast<uint32_t>(topic_ids_.size()))
                       .first->second;
    raw.partition = message.partition;
    raw.key = keep(message.key);
    raw.value = keep(message.value);
    raw.headers = headers.data();
    raw.header_count = static_cast<uint32_t>(headers.size());
    raw.timestamp_ns = message.timestamp_ns;
    out.messages.push_back(raw);
  }
  return out;
}

// Offers the rest of a delivery that was taken in part, or a new one.
void SinkDriver::write_some() {
  if (partly_ == 0) {
    if (todo_.empty()) {
      return;
    }
    partly_ = next_delivery_++;
    deliveries_.emplace(partly_, make_delivery());
  }
  Delivery& delivery = deliveries_.at(partly_);
  dstream_delivery raw{};
  raw.struct_size = sizeof raw;
  raw.id = partly_;
  raw.count = static_cast<uint32_t>(delivery.messages.size());
  raw.messages = delivery.messages.data();
  raw.message_stride = sizeof(dstream_message);
  uint32_t accepted = 0;
  const dstream_status status = api().write(sink_, &raw, delivery.taken, &accepted, &error_);
  if (status != DSTREAM_OK && status != DSTREAM_AGAIN) {
    breach_ = std::string("write() failed: ") + error_.message;
  }
  for (uint32_t i = 0; i < accepted; ++i) {
    set_state(delivery.indexes[delivery.taken++], Item::kAccepted);
  }
  window_ = std::max(window_, in_flight());
  if (delivery.taken == raw.count) {
    partly_ = 0;
  }
}

void SinkDriver::take_settles() {
  for (const TestHost::Settle& settle : host_.take_settles()) {
    const auto found = deliveries_.find(settle.delivery);
    if (found == deliveries_.end() || settle.first + settle.count > found->second.taken) {
      breach_ = "settled what it was never given";
      return;
    }
    Delivery& delivery = found->second;
    delivery.settled += settle.count;
    for (uint32_t i = settle.first; i < settle.first + settle.count; ++i) {
      const size_t index = delivery.indexes[i];
      if (items_[index] != Item::kAccepted) {
        breach_ = "settled item " + std::to_string(index) + " twice or before it was accepted";
        return;
      }
      if (settle.result == DSTREAM_OK) {
        set_state(index, Item::kDelivered);
      } else if (settle.result == DSTREAM_REJECTED) {
        set_state(index, Item::kRejected);
        rejected_.push_back(index);
        reject_message_ = settle.message;
      } else {
        set_state(index, Item::kRetry);
        retry_seen_ = true;
        last_retry_ = settle.message;
        last_retry_after_ms_ = settle.retry_after_ms;
      }
    }
    if (delivery.settled == delivery.messages.size()) {
      deliveries_.erase(found);
    }
  }
}

// From the lowest item that is not settled for good; rejected ones are left out, as the engine
// does.
void SinkDriver::rewind() {
  if (open_ && in_flight() > 0) {
    breach_ = "gave items back while others are under way";
  }
  ++rewinds_;
  size_t lowest = 0;
  while (lowest < items_.size() &&
         (items_[lowest] == Item::kDelivered || items_[lowest] == Item::kRejected)) {
    ++lowest;
  }
  todo_.clear();
  for (size_t i = lowest; i < items_.size(); ++i) {
    if (items_[i] != Item::kRejected) {
      set_state(i, Item::kNew);
      todo_.push_back(i);
    }
  }
  deliveries_.clear();
  partly_ = 0;
  retry_seen_ = false;
}

SinkDriver::Result SinkDriver::turn(uint32_t wait_ms) {
  write_some();
  Result result = call(api().poll(sink_, wait_ms, &error_));
  take_settles();
  if (retry_seen_ && (reopen_on_retry || result.status < 0)) {
    close();
    rewind();
    const Result opened = open();
    return result.status < 0 ? result : opened;
  }
  if (retry_seen_) {
    rewind();
  }
  return result;
}

SinkDriver::Result SinkDriver::flush(uint32_t wait_ms) {
  Result result = call(api().flush(sink_, wait_ms, &error_));
  take_settles();
  return result;
}

SinkDriver::Result SinkDriver::run(int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (unsettled() > 0 && breach_.empty()) {
    Result result = turn(20);
    if (result.status < 0) {
      return result;
    }
    if (std::chrono::steady_clock::now() > deadline) {
      return {DSTREAM_AGAIN, "the time is over"};
    }
  }
  return {breach_.empty() ? DSTREAM_OK : DSTREAM_FATAL, breach_};
}

}  // namespace eventhubs
