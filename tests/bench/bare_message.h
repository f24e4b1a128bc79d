// What the yardsticks that end at a broker share: rows as JSON written by hand, an idempotent
// producer.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "tests/bench/bare_odbc.h"

namespace dstream::bench {

struct Message {
  uint32_t offset = 0;
  uint32_t size = 0;
  char key[24];
  uint32_t key_size = 0;
};

struct Batch {
  std::vector<char> text;
  std::vector<Message> messages;
};

// At most kBlockRows rows of a change table that was read with whole_table_sql()'s columns. The
// benchmark's rows are ASCII; anything else would be a fault of the set-up.
std::unique_ptr<Batch> encode(const std::vector<Column>& columns, size_t rows);

using DeliveryReport = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void*);

// Exits the program if the client refuses its settings. `report` may be null.
rd_kafka_t* make_producer(const char* brokers, const char* linger_ms, DeliveryReport report);

}  // namespace dstream::bench
