#include "sink_status.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

#include <algorithm>
#include <sstream>

namespace eventhubs {
namespace {

Poco::Int64 ago_ms(int64_t now_ns, int64_t at_ns) {
  return std::max<int64_t>(now_ns - at_ns, 0) / 1'000'000;
}

}  // namespace

void SinkStatus::found_partitions(const std::string& topic, size_t from, size_t to,
                                  int64_t now_ns) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (changes_.size() == kChangesMax) {
    changes_.pop_front();
  }
  changes_.push_back({topic, from, to, now_ns, false});
}

void SinkStatus::uses_partitions() {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (Change& change : changes_) {
    change.used = true;
  }
}

void SinkStatus::throttled(int milliseconds, int64_t now_ns) {
  const std::lock_guard<std::mutex> lock(mutex_);
  throttled_ms_ += milliseconds;
  throttled_at_ns_ = now_ns;
}

void SinkStatus::throttled_percent(int of_last_minute) {
  const std::lock_guard<std::mutex> lock(mutex_);
  percent_ = of_last_minute;
}

std::string SinkStatus::json(int64_t now_ns) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  Poco::JSON::Array::Ptr changes = new Poco::JSON::Array;
  for (const Change& change : changes_) {
    Poco::JSON::Object::Ptr one = new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER);
    one->set("topic", change.topic);
    one->set("from", static_cast<Poco::Int64>(change.from));
    one->set("to", static_cast<Poco::Int64>(change.to));
    one->set("state", std::string(change.used ? "used" : "draining"));
    one->set("ago_ms", ago_ms(now_ns, change.at_ns));
    changes->add(one);
  }
  Poco::JSON::Object::Ptr throttled = new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER);
  throttled->set("total_ms", static_cast<Poco::Int64>(throttled_ms_));
  if (percent_) {
    throttled->set("percent_of_last_minute", *percent_);
  }
  if (throttled_at_ns_) {
    throttled->set("ago_ms", ago_ms(now_ns, *throttled_at_ns_));
  }
  Poco::JSON::Object out(Poco::JSON_PRESERVE_KEY_ORDER);
  out.set("partition_changes", changes);
  out.set("throttled", throttled);
  std::ostringstream text;
  out.stringify(text);
  return text.str();
}

}  // namespace eventhubs
