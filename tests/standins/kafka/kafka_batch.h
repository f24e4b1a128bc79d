// What a producer sends for one partition: a record batch (format v2), opened.
//
// Thread rule: plain functions.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tests/standins/kafka/kafka_client.h"

namespace dstream::standin {

struct KafkaBatch {
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t first_sequence = -1;  // of the first record; -1 without a producer id
  int32_t record_count = 0;
  bool compressed = false;           // then `records` is empty
  std::vector<KafkaRecord> records;  // partition and offset are the reader's to fill
};

// Throws std::runtime_error if the bytes are no batch of this format, or more than one. The
// checksum is not looked at: nothing damages bytes on the way from one process here to another.
KafkaBatch read_batch(std::string_view bytes);

}  // namespace dstream::standin
