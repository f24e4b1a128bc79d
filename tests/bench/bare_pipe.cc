// Yardstick of B3: the whole path with no product around it. Block fetch, a JSON envelope written
// by hand, a bounded queue of batches, an idempotent producer; no checkpoint, no retry, no order
// across failures, one table.
//
// usage: bare_pipe CONNECTION CAPTURE_INSTANCE BROKERS TOPIC      prints one JSON line

#include <librdkafka/rdkafka.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/bench/bare_message.h"

namespace {

using dstream::bench::Batch;
using dstream::bench::Column;
using dstream::bench::encode;
using dstream::bench::Message;

constexpr size_t kQueueBatchesMax = 16;

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

uint64_t delivered = 0;
uint64_t failed = 0;

void on_report(rd_kafka_t*, const rd_kafka_message_t* message, void*) {
  ++(message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? delivered : failed);
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
  rd_kafka_t* producer = dstream::bench::make_producer(argv[3], "20", on_report);
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
