// One worker alone, with a scripted plugin behind the guard's interface and a clock that a test
// moves.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/pipeline/test_plugins.h"
#include "core/pipeline/test_records.h"
#include "core/pipeline/worker.h"

namespace dstream::core::testing {

inline CallResult call_result(dstream_status status, const char* message = "It failed.",
                              uint32_t retry_after_ms = 0) {
  CallResult result;
  result.status = status;
  result.error.struct_size = sizeof result.error;
  result.error.retry_after_ms = retry_after_ms;
  std::snprintf(result.error.message, sizeof result.error.message, "%s", message);
  return result;
}

// What both workers are given.
struct WorkerParts {
  WorkerParts() {
    settings.name = "people";
    settings.source.type = "scripted";
    settings.sink.type = "scripted";
  }
  WorkerContext context() {
    WorkerContext out;
    out.settings = &settings;
    out.clock = &clock;
    out.log = &log;
    out.lifecycle = &lifecycle;
    out.budget = &budget;
    out.queue = &queue;
    out.positions = &positions;
    out.metrics = &metrics;
    out.counters = &counters;
    out.reread_config = reread_config;
    out.seed = 1;
    return out;
  }
  PipelineStatus status() const {
    PipelineStatus out;
    lifecycle.fill(&out);
    return out;
  }
  std::string error_code() const {
    auto error = status().last_error;
    return error ? error->code : "";
  }

  PipelineSettings settings;
  RereadConfig reread_config;
  ManualClock clock;
  MemoryLog log;
  MetricsRegistry registry;
  PipelineMetrics metrics{registry, "people"};
  PipelineCounters counters;
  Lifecycle lifecycle{"people", &clock, &log, &registry, 1000};
  ByteBudget budget{1'000'000};
  PositionExchange positions;
  TestBatches batches;
  BatchQueue queue{&budget, &lifecycle.sink_wakeup()};
};

// What a scripted source and a scripted sink have in common. `Guarded` is the guard's interface.
template <class Guarded>
class ScriptedConnector : public Guarded {
 public:
  std::vector<std::string> calls;
  // What reconfigure() answers; nothing: it is not offered.
  std::optional<dstream_status> takes_config;
  std::vector<std::string> configs;
  std::function<void()> in_open;

  std::optional<CallResult> reconfigure(const std::string& config_json) override {
    calls.emplace_back("reconfigure");
    if (!takes_config) {
      return std::nullopt;
    }
    configs.push_back(config_json);
    return call_result(*takes_config);
  }
};

class ScriptedSource final : public ScriptedConnector<GuardedSource> {
 public:
  // Answers in order; without one, open() and commit() are OK and read() says AGAIN.
  std::deque<CallResult> opens;
  std::deque<std::pair<CallResult, dstream_batch*>> reads;
  std::deque<CallResult> commits;
  CallResult open(std::string_view position) override {
    calls.push_back("open " + std::string(position));
    if (in_open) {
      in_open();
    }
    return take(opens, DSTREAM_OK);
  }
  CallResult read(uint32_t, uint32_t, dstream_batch** out) override {
    calls.emplace_back("read");
    if (reads.empty()) {
      return call_result(DSTREAM_AGAIN);
    }
    auto [result, batch] = reads.front();
    reads.pop_front();
    *out = batch;
    return result;
  }
  CallResult commit(std::string_view position) override {
    calls.push_back("commit " + std::string(position));
    return take(commits, DSTREAM_OK);
  }
  void request_stop() override { calls.emplace_back("stop"); }
  void close() override { calls.emplace_back("close"); }

 private:
  static CallResult take(std::deque<CallResult>& answers, dstream_status otherwise) {
    if (answers.empty()) {
      return call_result(otherwise);
    }
    CallResult result = answers.front();
    answers.pop_front();
    return result;
  }
};

class ScriptedSink : public ScriptedConnector<GuardedSink> {
 public:
  explicit ScriptedSink(bool messages) : messages_(messages) {}

  std::deque<CallResult> opens;
  // Called in order; without one, write() takes everything and settles nothing.
  std::deque<std::function<CallResult(const dstream_delivery&, uint32_t first, uint32_t* accepted)>>
      writes;
  std::deque<std::function<CallResult()>> polls;
  std::function<void()> on_close;
  std::deque<uint64_t> delivery_ids;  // of the writes, in order
  std::vector<int64_t> written;       // the numbers of the records offered and taken
  bool polled = true;

  std::optional<uint64_t> bytes_max;

  std::optional<uint64_t> message_bytes_max() override { return bytes_max; }
  CallResult open() override {
    calls.emplace_back("open");
    if (in_open) {
      in_open();
    }
    if (opens.empty()) {
      return call_result(DSTREAM_OK);
    }
    CallResult result = opens.front();
    opens.pop_front();
    return result;
  }
  CallResult write(const dstream_delivery& delivery, uint32_t first, uint32_t* accepted) override {
    calls.emplace_back("write");
    delivery_ids.push_back(delivery.id);
    CallResult result = call_result(DSTREAM_OK);
    if (writes.empty()) {
      *accepted = delivery.count - first;
    } else {
      auto write = writes.front();
      writes.pop_front();
      result = write(delivery, first, accepted);
    }
    for (uint32_t i = first; i < first + *accepted; ++i) {
      uint32_t record = messages_ ? DSTREAM_MESSAGE_AT(&delivery, i)->record : i;
      const dstream_record& each = *DSTREAM_RECORD_AT(&delivery, record);
      written.push_back((each.after != nullptr ? each.after : each.before)->as.i64);
    }
    return result;
  }
  CallResult poll(uint32_t) override {
    calls.emplace_back("poll");
    return serve();
  }
  CallResult flush(uint32_t) override {
    calls.emplace_back("flush");
    return serve();
  }
  void request_stop() override { calls.emplace_back("stop"); }
  void close() override {
    calls.emplace_back("close");
    if (on_close) {
      on_close();
    }
  }
  bool wants_messages() const override { return messages_; }
  bool has_poll() const override { return polled; }

 private:
  CallResult serve() {
    if (polls.empty()) {
      return call_result(DSTREAM_AGAIN);
    }
    auto poll = polls.front();
    polls.pop_front();
    return poll();
  }
  const bool messages_;
};

// Takes messages, in transactions that a test's class commits.
class SinkOfTransactions : public ScriptedSink {
 public:
  SinkOfTransactions() : ScriptedSink(true) {}
  bool offers_transactions() const override { return true; }
  CallResult use_transactions(const std::string&) override { return call_result(DSTREAM_OK); }
  CallResult begin_transaction() override {
    calls.emplace_back("begin");
    return call_result(DSTREAM_OK);
  }
};

}  // namespace dstream::core::testing
