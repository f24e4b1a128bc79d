// Yardstick of B4: a plain loop that polls one change table, writes JSON by hand and hands it to an
// idempotent producer. No checkpoint, no queue, no error policy.
//
// usage: polling_loop CONNECTION CAPTURE_INSTANCE BROKERS TOPIC POLL_MS LINGER_MS
//
// Prints a line when it begins and goes on until a signal ends it.

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

#include "tests/bench/bare_message.h"

namespace {

using Clock = std::chrono::steady_clock;
using dstream::bench::Batch;
using dstream::bench::Column;
using dstream::bench::Message;

constexpr size_t kLsnBytes = 10;

std::string hex(const char* bytes) {
  std::string out = "0x";
  for (size_t i = 0; i < kLsnBytes; ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02X", static_cast<unsigned char>(bytes[i]));
    out += digits;
  }
  return out;
}

std::string newest_lsn(const std::string& connection) {
  std::string lsn;
  dstream::bench::BareReader reader(connection);
  reader.read("SELECT sys.fn_cdc_get_max_lsn()",
              [&](const std::vector<Column>& columns, size_t) { lsn = hex(columns[0].at(0)); });
  return lsn;
}

void produce(const Batch& batch, rd_kafka_t* producer, rd_kafka_topic_t* topic) {
  for (const Message& message : batch.messages) {
    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                            const_cast<char*>(batch.text.data()) + message.offset, message.size,
                            message.key, message.key_size, nullptr) == -1) {
      rd_kafka_poll(producer, 5);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr,
                 "usage: polling_loop CONNECTION CAPTURE_INSTANCE BROKERS TOPIC POLL_MS "
                 "LINGER_MS\n");
    return 2;
  }
  const std::chrono::milliseconds poll(std::atoi(argv[5]));
  dstream::bench::BareReader reader(argv[1]);
  rd_kafka_t* producer = dstream::bench::make_producer(argv[3], argv[6], nullptr);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(producer, argv[4], nullptr);
  std::string from = newest_lsn(argv[1]);
  std::printf("polling from %s\n", from.c_str());
  std::fflush(stdout);
  std::mutex mutex;
  std::condition_variable wake;  // nobody does: the interval has to pass
  for (auto due = Clock::now();; due = std::max(due + poll, Clock::now())) {
    std::unique_lock lock(mutex);
    wake.wait_until(lock, due, [] { return false; });
    // A transaction becomes visible as a whole, so the last row's LSN is where the next poll
    // begins.
    reader.read("SELECT * FROM cdc.[" + std::string(argv[2]) + "_CT] WHERE [__$start_lsn] > " +
                    from + " ORDER BY [__$start_lsn], [__$command_id], [__$seqval], [__$operation]",
                [&](const std::vector<Column>& columns, size_t rows) {
                  produce(*dstream::bench::encode(columns, rows), producer, topic);
                  from = hex(columns[0].at(rows - 1));
                });
    rd_kafka_poll(producer, 0);
  }
}
