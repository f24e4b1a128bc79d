#include "tests/standins/kafka/kafka_batch.h"

#include <stdexcept>

#include "tests/standins/kafka/kafka_wire.h"

namespace dstream::standin {
namespace {

constexpr int kFormat = 2;
constexpr int16_t kCompressionMask = 7;

KafkaRecord read_record(WireReader reader, int64_t first_timestamp_ms) {
  KafkaRecord record;
  reader.number<int8_t>();  // attributes: none are defined
  record.timestamp_ms = first_timestamp_ms + reader.varint();
  reader.varint();  // offset within the batch
  record.key = reader.nullable_varint_bytes();
  record.value = reader.nullable_varint_bytes();
  for (int64_t headers = reader.varint(); headers > 0; --headers) {
    const std::string name = reader.nullable_varint_bytes().value_or("");
    record.headers.emplace_back(name, reader.nullable_varint_bytes());
  }
  if (reader.left() > 0) {
    throw std::runtime_error("A record is longer than its fields.");
  }
  return record;
}

}  // namespace

KafkaBatch read_batch(std::string_view bytes) {
  WireReader reader(bytes);
  KafkaBatch batch;
  reader.number<int64_t>();  // base offset: the broker's
  const auto length = reader.number<int32_t>();
  if (length < 0 || static_cast<size_t>(length) != reader.left()) {
    throw std::runtime_error("A batch has another length than it says.");
  }
  reader.number<int32_t>();  // leader epoch
  if (reader.number<int8_t>() != kFormat) {
    throw std::runtime_error("A batch is not of format 2.");
  }
  reader.number<int32_t>();  // checksum
  batch.compressed = (reader.number<int16_t>() & kCompressionMask) != 0;
  reader.number<int32_t>();  // last offset within the batch
  const auto first_timestamp_ms = reader.number<int64_t>();
  reader.number<int64_t>();  // newest time
  batch.producer_id = reader.number<int64_t>();
  batch.producer_epoch = reader.number<int16_t>();
  batch.first_sequence = reader.number<int32_t>();
  batch.record_count = reader.number<int32_t>();
  if (batch.compressed) {
    return batch;
  }
  for (int32_t i = 0; i < batch.record_count; ++i) {
    const int64_t record_bytes = reader.varint();
    if (record_bytes < 0) {
      throw std::runtime_error("A record's length is negative.");
    }
    batch.records.push_back(read_record(WireReader(reader.take(static_cast<size_t>(record_bytes))),
                                        first_timestamp_ms));
  }
  if (reader.left() > 0) {
    throw std::runtime_error("A batch has more than its records.");
  }
  return batch;
}

}  // namespace dstream::standin
