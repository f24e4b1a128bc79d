// B4: writes rows in an open loop and sees them arrive at the broker.
//
// usage: latency_load CONNECTION BROKERS TOPIC ROWS_PER_SECOND TICK_MS WARM_UP_MS SECONDS
//
// Every tick is one transaction. When it is due is laid down before the first one, whatever
// happened to those before it, and that time is carried in its rows (`due_us`): a writer that comes
// late writes at once and does not put off the rest. How late a commit was is counted by itself.
//
// The capture job is paused: after each commit this program has the change captured, so that when a
// row became visible in the change table is known, between a stamp before that and one behind it.
// Latency counts from the one before, so that the capture's own time is in it. The end is a
// consumer's: the broker hands over what it has acknowledged, asked again every millisecond.
//
// Prints one line of JSON. Fails if a row of the measured time did not arrive.

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/bench/bare_odbc.h"

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMetadataTimeoutMs = 10'000;
constexpr int kConsumePollMs = 100;
constexpr std::chrono::seconds kDrainMax{20};  // what has not arrived by then is missing

struct Tick {
  Clock::time_point committed, visible_after, visible_before;
};

struct Schedule {
  Clock::time_point start;
  int64_t start_us = 0;  // of the epoch; also the first row's number
  int64_t tick_us = 0;
  int64_t tick_rows = 0;
  int64_t warm_ticks = 0;  // at the beginning, not measured
  int64_t ticks = 0;

  Clock::time_point due(int64_t tick) const {
    return start + std::chrono::microseconds(tick * tick_us);
  }
  int64_t rows() const { return ticks * tick_rows; }
  int64_t measured_rows() const { return (ticks - warm_ticks) * tick_rows; }
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "latency_load: %s\n", what);
  std::exit(1);
}

class Writer {
 public:
  explicit Writer(const std::string& connection) : session_(connection) {}

  void write_all(const Schedule& schedule, std::vector<Tick>* ticks) {
    std::mutex mutex;
    std::condition_variable wake;  // nobody does: the time has to come
    for (int64_t i = 0; i < schedule.ticks; ++i) {
      std::unique_lock lock(mutex);
      wake.wait_until(lock, schedule.due(i), [] { return false; });
      Tick& tick = (*ticks)[static_cast<size_t>(i)];
      execute("INSERT INTO dbo.orders SELECT " +
              std::to_string(schedule.start_us + i * schedule.tick_rows) + " + n, " +
              std::to_string(schedule.start_us + i * schedule.tick_us) +
              ", customer, name, email, city, notes, sku, price, quantity, active, updated_at "
              "FROM dbo.template WHERE n < " +
              std::to_string(schedule.tick_rows));
      tick.committed = tick.visible_after = Clock::now();
      execute("EXEC dstream.capture_scan_all");
      tick.visible_before = Clock::now();
    }
  }

 private:
  void execute(const std::string& sql) {
    session_.execute(sql);
    SQLRETURN code = SQL_SUCCESS;
    while ((code = SQLMoreResults(session_.statement())) != SQL_NO_DATA) {
      session_.check(code, "results");
    }
    session_.close();
  }

  dstream::bench::OdbcSession session_;
};

// When each row was first handed over by the broker.
class Consumer {
 public:
  Consumer(const char* brokers, const char* topic) {
    char reason[512];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    const char* const settings[][2] = {{"bootstrap.servers", brokers},
                                       {"group.id", "latency"},
                                       {"enable.auto.commit", "false"},
                                       {"fetch.wait.max.ms", "1"},
                                       {"log_level", "2"}};
    for (const auto& [name, value] : settings) {
      if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK) {
        fail(reason);
      }
    }
    consumer_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (consumer_ == nullptr) {
      fail(reason);
    }
    rd_kafka_poll_set_consumer(consumer_);
    assign_from_now(topic);
  }
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;
  ~Consumer() {
    rd_kafka_consumer_close(consumer_);
    rd_kafka_destroy(consumer_);
  }

  // Until each row behind the warm-up was there or `give_up` says so.
  template <typename GiveUp>
  void run(const Schedule& schedule, const GiveUp& give_up) {
    seen_.assign(static_cast<size_t>(schedule.rows()), {});
    while (measured_ < schedule.measured_rows() && !give_up()) {
      // One at a time: a call for many waits until it has as many.
      rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer_, kConsumePollMs);
      if (message == nullptr) {
        continue;
      }
      if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        note(schedule, {static_cast<const char*>(message->payload), message->len}, Clock::now());
      }
      rd_kafka_message_destroy(message);
    }
  }

  const std::vector<Clock::time_point>& seen() const { return seen_; }
  int64_t measured() const { return measured_; }
  int64_t duplicates() const { return duplicates_; }

 private:
  void assign_from_now(const char* topic) {
    rd_kafka_topic_t* object = rd_kafka_topic_new(consumer_, topic, nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(consumer_, 0, object, &metadata, kMetadataTimeoutMs) !=
            RD_KAFKA_RESP_ERR_NO_ERROR ||
        metadata->topic_cnt != 1) {
      fail("the broker does not tell its partitions");
    }
    const int partitions = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    rd_kafka_topic_destroy(object);
    rd_kafka_topic_partition_list_t* assigned = rd_kafka_topic_partition_list_new(partitions);
    for (int i = 0; i < partitions; ++i) {
      int64_t low = 0;
      int64_t high = 0;
      if (rd_kafka_query_watermark_offsets(consumer_, topic, i, &low, &high, kMetadataTimeoutMs) !=
          RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail("the broker does not tell its offsets");
      }
      rd_kafka_topic_partition_list_add(assigned, topic, i)->offset = high;
    }
    rd_kafka_assign(consumer_, assigned);
    rd_kafka_topic_partition_list_destroy(assigned);
  }

  static int64_t number_behind(std::string_view text, std::string_view name) {
    const size_t at = text.find(name);
    if (at == std::string_view::npos) {
      fail("a message without the stamps of its row");
    }
    return std::strtoll(text.data() + at + name.size(), nullptr, 10);
  }

  void note(const Schedule& schedule, std::string_view message, Clock::time_point now) {
    const int64_t row = number_behind(message, "\"row_id\":") - schedule.start_us;
    const int64_t due_us = number_behind(message, "\"due_us\":") - schedule.start_us;
    if (row < 0 || row >= schedule.rows()) {
      fail("a row that this run did not write");
    }
    if (due_us / schedule.tick_us != row / schedule.tick_rows) {
      fail("a row has the stamp of another one");
    }
    Clock::time_point& seen = seen_[static_cast<size_t>(row)];
    if (seen != Clock::time_point()) {
      ++duplicates_;
      return;
    }
    seen = now;
    measured_ += row / schedule.tick_rows >= schedule.warm_ticks ? 1 : 0;
  }

  rd_kafka_t* consumer_ = nullptr;
  std::vector<Clock::time_point> seen_;
  int64_t measured_ = 0;
  int64_t duplicates_ = 0;
};

double milliseconds(Clock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

void print_percentiles(const char* name, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values.empty() ? 0.0
                          : values[static_cast<size_t>(share * static_cast<double>(values.size()))];
  };
  std::printf("\"%s\":{\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f},", name, at(0.5),
              at(0.99), at(0.999), values.empty() ? 0.0 : values.back());
}

void print_figures(const Schedule& schedule, const std::vector<Tick>& ticks,
                   const Consumer& consumer, double cpu_seconds) {
  std::vector<double> late;
  std::vector<double> capture;
  std::vector<double> latency;
  std::vector<double> since_due;
  for (int64_t i = schedule.warm_ticks; i < schedule.ticks; ++i) {
    const Tick& tick = ticks[static_cast<size_t>(i)];
    late.push_back(milliseconds(tick.committed - schedule.due(i)));
    capture.push_back(milliseconds(tick.visible_before - tick.visible_after));
    for (int64_t row = i * schedule.tick_rows; row < (i + 1) * schedule.tick_rows; ++row) {
      const Clock::time_point seen = consumer.seen()[static_cast<size_t>(row)];
      if (seen != Clock::time_point()) {
        latency.push_back(milliseconds(seen - tick.visible_after));
        since_due.push_back(milliseconds(seen - schedule.due(i)));
      }
    }
  }
  const Tick& last = ticks.back();
  std::printf("{");
  print_percentiles("latency_ms", std::move(latency));
  print_percentiles("since_due_ms", std::move(since_due));
  print_percentiles("commit_late_ms", std::move(late));
  print_percentiles("capture_ms", std::move(capture));
  std::printf(
      "\"rows\":%lld,\"seconds\":%.3f,\"missing\":%lld,\"duplicates\":%lld,\"cpu_seconds\":%.4f}\n",
      static_cast<long long>(schedule.measured_rows()),
      milliseconds(last.committed - schedule.due(schedule.warm_ticks)) / 1000,
      static_cast<long long>(schedule.measured_rows() - consumer.measured()),
      static_cast<long long>(consumer.duplicates()), cpu_seconds);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    std::fprintf(stderr,
                 "usage: latency_load CONNECTION BROKERS TOPIC ROWS_PER_SECOND TICK_MS WARM_UP_MS "
                 "SECONDS\n");
    return 2;
  }
  const int tick_ms = std::atoi(argv[5]);
  Schedule schedule;
  schedule.tick_us = tick_ms * 1000;
  schedule.tick_rows = std::atoll(argv[4]) * tick_ms / 1000;
  schedule.warm_ticks = std::atoi(argv[6]) / tick_ms;
  schedule.ticks = schedule.warm_ticks + std::atoll(argv[7]) * 1000 / tick_ms;
  Writer writer(argv[1]);
  Consumer consumer(argv[2], argv[3]);
  std::vector<Tick> ticks(static_cast<size_t>(schedule.ticks));
  schedule.start = Clock::now();
  schedule.start_us = std::chrono::duration_cast<std::chrono::microseconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  const double cpu = dstream::bench::process_cpu_seconds();
  std::atomic<Clock::time_point> written{Clock::time_point::max() - kDrainMax};
  std::thread arriving(
      [&] { consumer.run(schedule, [&] { return Clock::now() > written.load() + kDrainMax; }); });
  writer.write_all(schedule, &ticks);
  written = Clock::now();
  arriving.join();
  print_figures(schedule, ticks, consumer, dstream::bench::process_cpu_seconds() - cpu);
  return consumer.measured() == schedule.measured_rows() ? 0 : 1;
}
