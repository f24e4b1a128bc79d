// Two sinks that take everything and keep nothing: "null" is handed records, "null-messages" is
// handed encoded messages, so that a pipeline can be measured with and without encoding.
#include "dstream/plugin.hpp"

namespace {

// Counts through the host's metrics, if it has them.
class Tally {
 public:
  explicit Tally(dstream::Host host)
      : host_(host), metrics_(static_cast<const dstream_metrics*>(host.raw()->get_extension(
                         host.raw(), DSTREAM_EXT_METRICS))) {
    if (metrics_ != nullptr) {
      items_ = metrics_->define(host_.raw(), "items", 0, "",
                                "Records or messages taken and dropped.");
      bytes_ = metrics_->define(host_.raw(), "taken", 0, "bytes",
                                "Bytes of keys and values taken and dropped.");
    }
  }
  void add(uint32_t items, uint64_t bytes) {
    if (metrics_ != nullptr) {
      metrics_->record(host_.raw(), items_, items);
      metrics_->record(host_.raw(), bytes_, static_cast<double>(bytes));
    }
  }

 private:
  dstream::Host host_;
  const dstream_metrics* metrics_;
  uint64_t items_ = 0;
  uint64_t bytes_ = 0;
};

// What `items` from `first` on weigh. Records are not weighed: that would read every value.
uint64_t message_bytes(const dstream::Delivery& delivery, uint32_t first) {
  uint64_t bytes = 0;
  if (delivery.raw()->messages != nullptr) {
    for (uint32_t i = first; i < delivery.count(); ++i) {
      const dstream_message& message = delivery.message(i);
      bytes += message.key.size + message.value.size;
    }
  }
  return bytes;
}

class NullSink {
 public:
  explicit NullSink(dstream::Host host) : host_(host), tally_(host) {}

  void open() {}
  uint32_t write(const dstream::Delivery& delivery, uint32_t first) {
    const uint32_t count = delivery.count() - first;
    tally_.add(count, message_bytes(delivery, first));
    host_.settle(delivery.id(), first, count);  // the delivery may be gone from here on
    return count;
  }
  void poll(dstream::Millis) {}
  bool flush(dstream::Millis) { return true; }
  void close() {}

 private:
  dstream::Host host_;
  Tally tally_;
};

constexpr char kSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "additionalProperties": false,
  "properties": {}
})json";

}  // namespace

DSTREAM_PLUGIN("null", "DStream", "MIT",
               dstream::record_sink<NullSink>("null", "1.0.0",
                                              "Takes records and drops them.", kSchema),
               dstream::message_sink<NullSink>("null-messages", "1.0.0",
                                               "Takes encoded messages and drops them.", kSchema));
