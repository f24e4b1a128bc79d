// Two sinks that take everything and keep nothing: "null" is handed records, "null-messages" is
// handed encoded messages, so that a pipeline can be measured with and without encoding.
#include "dstream/plugin.hpp"

namespace {

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
  explicit NullSink(dstream::Host host)
      : host_(host),
        items_(host.counter("items", "", "Records or messages taken and dropped.")),
        bytes_(host.counter("taken", "bytes", "Keys and values taken and dropped.")) {}

  void open() {}
  uint32_t write(const dstream::Delivery& delivery, uint32_t first) {
    const uint32_t count = delivery.count() - first;
    items_.add(count);
    bytes_.add(static_cast<double>(message_bytes(delivery, first)));
    host_.settle(delivery.id(), first, count);  // the delivery may be gone from here on
    return count;
  }
  bool flush(dstream::Millis) { return true; }
  void close() {}

 private:
  dstream::Host host_;
  dstream::Metric items_;
  dstream::Metric bytes_;
};

constexpr char kSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "additionalProperties": false,
  "properties": {}
})json";

}  // namespace

DSTREAM_PLUGIN("null", "DStream", "MIT",
               dstream::record_sink<NullSink>("null", "1.0.0", "Takes records and drops them.",
                                              kSchema),
               dstream::message_sink<NullSink>("null-messages", "1.0.0",
                                               "Takes encoded messages and drops them.", kSchema));
