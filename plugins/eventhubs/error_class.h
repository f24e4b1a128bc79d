// What each error code of librdkafka and of the broker means for the sink.
//
// Thread rule: plain functions.
#pragma once

#include <cstdint>
#include <span>

namespace eventhubs {

enum class ErrorClass : uint8_t {
  kConnection,   // librdkafka tries again by itself, without end: count and say so
  kRetry,        // passing: back off, then write the messages again
  kNewProducer,  // the producer's sequence is broken: a new one, then write the messages again
  kDenied,       // credentials or permissions: only their owner can help
  kConfig,       // topic, compression, protocol: only a changed configuration helps
  kReject,       // a message in the batch can never be delivered
  kFull          // librdkafka's queue is full: wait
};

struct ErrorRow {
  int code;  // rd_kafka_resp_err_t
  ErrorClass error_class;
  const char* advice;  // a sentence for the operator; empty where nothing can be done
};

// The whole table; codes that are not in it count as kRetry: nothing is given up for an error that
// nobody has thought of.
std::span<const ErrorRow> error_table();

ErrorClass classify(int code);
// The advice of the code's row, else "".
const char* advice_for(int code);

}  // namespace eventhubs
