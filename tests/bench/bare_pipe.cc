// Yardstick of B3: the whole path with no product around it. Block fetch, a JSON envelope written
// by hand, a bounded queue of batches, an idempotent producer; no checkpoint, no retry, no order
// across failures, one table.
//
// usage: bare_pipe CONNECTION CAPTURE_INSTANCE BROKERS TOPIC      prints one JSON line

#include <librdkafka/rdkafka.h>

#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/bench/bare_odbc.h"

namespace {

using dstream::bench::Column;
using dstream::bench::kBlockRows;

constexpr size_t kEnvelopeBytesMax = 2048;
constexpr size_t kQueueBatchesMax = 16;

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

class BatchQueue {
 public:
  void push(std::unique_ptr<Batch> batch) {
    std::unique_lock lock(mutex_);
    space_.wait(lock, [&] { return batches_.size() < kQueueBatchesMax; });
    batches_.push_back(std::move(batch));
    ready_.notify_one();
  }
  std::unique_ptr<Batch> pop() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return !batches_.empty(); });
    auto batch = std::move(batches_.front());
    batches_.pop_front();
    space_.notify_one();
    return batch;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable space_;
  std::deque<std::unique_ptr<Batch>> batches_;
};

char* put(char* out, const char* text) {
  size_t size = std::strlen(text);
  std::memcpy(out, text, size);
  return out + size;
}

char* put_hex(char* out, const char* data, size_t size) {
  for (size_t index = 0; index < size; ++index) {
    auto byte = static_cast<unsigned char>(data[index]);
    *out++ = "0123456789abcdef"[byte >> 4];
    *out++ = "0123456789abcdef"[byte & 15];
  }
  return out;
}

// The benchmark's rows are ASCII; anything else would be a fault of the set-up.
char* put_wide(char* out, const char* data, size_t bytes) {
  *out++ = '"';
  for (size_t index = 0; index < bytes; index += 2) {
    char low = data[index];
    if (low == '"' || low == '\\') {
      *out++ = '\\';
    }
    *out++ = low;
  }
  *out++ = '"';
  return out;
}

char* put_digits(char* out, unsigned value, int width) {
  for (int index = width - 1; index >= 0; --index) {
    out[index] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  return out + width;
}

char* put_timestamp(char* out, const SQL_TIMESTAMP_STRUCT& at) {
  *out++ = '"';
  out = put_digits(out, static_cast<unsigned>(at.year), 4);
  *out++ = '-';
  out = put_digits(out, at.month, 2);
  *out++ = '-';
  out = put_digits(out, at.day, 2);
  *out++ = 'T';
  out = put_digits(out, at.hour, 2);
  *out++ = ':';
  out = put_digits(out, at.minute, 2);
  *out++ = ':';
  out = put_digits(out, at.second, 2);
  *out++ = '.';
  out = put_digits(out, static_cast<unsigned>(at.fraction / 100), 7);
  *out++ = '"';
  return out;
}

char* put_value(char* out, const Column& column, size_t row) {
  SQLLEN length = column.length[row];
  if (length == SQL_NULL_DATA) {
    return put(out, "null");
  }
  const char* data = column.at(row);
  switch (column.c_type) {
    case SQL_C_SBIGINT: {
      int64_t value = 0;
      std::memcpy(&value, data, sizeof value);
      return std::to_chars(out, out + 24, value).ptr;
    }
    case SQL_C_SLONG: {
      int32_t value = 0;
      std::memcpy(&value, data, sizeof value);
      return std::to_chars(out, out + 24, value).ptr;
    }
    case SQL_C_BIT:
      return put(out, *data != 0 ? "true" : "false");
    case SQL_C_WCHAR:
      return put_wide(out, data, static_cast<size_t>(length));
    case SQL_C_TYPE_TIMESTAMP: {
      SQL_TIMESTAMP_STRUCT at{};
      std::memcpy(&at, data, sizeof at);
      return put_timestamp(out, at);
    }
    default:
      *out++ = '"';
      std::memcpy(out, data, static_cast<size_t>(length));
      out += length;
      *out++ = '"';
      return out;
  }
}

// Captured columns lie between the five leading metadata columns and __$command_id.
std::unique_ptr<Batch> encode(const std::vector<Column>& columns, size_t rows) {
  auto batch = std::make_unique<Batch>();
  batch->text.resize(kBlockRows * kEnvelopeBytesMax);
  batch->messages.resize(rows);
  char* out = batch->text.data();
  for (size_t row = 0; row < rows; ++row) {
    char* begin = out;
    out = put(out,
              "{\"op\":\"insert\",\"database\":\"bench\",\"schema\":\"dbo\",\"table\":\"orders\","
              "\"source\":{\"commit_lsn\":\"");
    out = put_hex(out, columns[0].at(row), 10);
    out = put(out, "\",\"change_lsn\":\"");
    out = put_hex(out, columns[2].at(row), 10);
    out = put(out, "\"},\"after\":{");
    for (size_t index = 5; index + 1 < columns.size(); ++index) {
      out = put(out, index == 5 ? "\"" : ",\"");
      out = put(out, columns[index].name.c_str());
      out = put(out, "\":");
      out = put_value(out, columns[index], row);
    }
    out = put(out, "}}");
    Message& message = batch->messages[row];
    message.offset = static_cast<uint32_t>(begin - batch->text.data());
    message.size = static_cast<uint32_t>(out - begin);
    char* key_end = put_value(message.key, columns[5], row);
    message.key_size = static_cast<uint32_t>(key_end - message.key);
  }
  return batch;
}

uint64_t delivered = 0;
uint64_t failed = 0;

void on_report(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  ++(message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? delivered : failed);
}

rd_kafka_t* make_producer(const char* brokers) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const char* const settings[][2] = {{"bootstrap.servers", brokers},
                                     {"linger.ms", "20"},
                                     {"batch.num.messages", "10000"},
                                     {"batch.size", "1000000"},
                                     {"acks", "all"},
                                     {"enable.idempotence", "true"},
                                     {"queue.buffering.max.messages", "100000"}};
  for (const auto& setting : settings) {
    if (rd_kafka_conf_set(conf, setting[0], setting[1], error, sizeof error) != RD_KAFKA_CONF_OK) {
      std::fprintf(stderr, "%s\n", error);
      std::exit(1);
    }
  }
  rd_kafka_conf_set_dr_msg_cb(conf, on_report);
  return rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
}

void produce_all(BatchQueue& queue, rd_kafka_t* producer, rd_kafka_topic_t* topic) {
  for (;;) {
    auto batch = queue.pop();
    if (batch == nullptr) {
      return;
    }
    for (Message& message : batch->messages) {
      while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                              batch->text.data() + message.offset, message.size, message.key,
                              message.key_size, nullptr) == -1) {
        rd_kafka_poll(producer, 5);
      }
    }
    rd_kafka_poll(producer, 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: bare_pipe CONNECTION CAPTURE_INSTANCE BROKERS TOPIC\n");
    return 2;
  }
  dstream::bench::BareReader reader(argv[1]);
  rd_kafka_t* producer = make_producer(argv[3]);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(producer, argv[4], nullptr);
  BatchQueue queue;
  double cpu = dstream::bench::process_cpu_seconds();
  auto start = std::chrono::steady_clock::now();
  std::thread sink([&] { produce_all(queue, producer, topic); });
  uint64_t rows = reader.read(dstream::bench::whole_table_sql(argv[2]),
                              [&](const std::vector<Column>& columns, size_t count) {
                                queue.push(encode(columns, count));
                              });
  queue.push(nullptr);
  sink.join();
  rd_kafka_flush(producer, 60'000);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf(
      "{\"rows\":%llu,\"delivered\":%llu,\"failed\":%llu,\"seconds\":%.4f,"
      "\"cpu_seconds\":%.4f,\"peak_kib\":%ld}\n",
      static_cast<unsigned long long>(rows), static_cast<unsigned long long>(delivered),
      static_cast<unsigned long long>(failed), seconds, dstream::bench::process_cpu_seconds() - cpu,
      dstream::bench::peak_memory_kib());
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
  return delivered == rows ? 0 : 1;
}
