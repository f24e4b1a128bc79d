// The border between the engine and a plugin's functions.
//
// Every call goes through a guard: it asserts the state on the way in, checks results on the way
// out, and leaves a breadcrumb, so that a crash or a breach of contract names plugin and call. A
// breach that makes a result unusable (a batch with a bad stride, a record settled twice, more
// accepted than offered) becomes status FATAL with a message that starts with the plugin's name,
// never undefined behaviour here; every later call ends the same way until close(). A call that
// overran its time is logged once. Both are counted in
// dstream_plugin_misbehaviour_total{pipeline,plugin,kind}.
//
// States: created -> open() -> open -> close() -> created. An open() that fails leaves the instance
// created; calling read(), commit(), write(), poll() or flush() before open() is a bug of the
// engine and asserted.
//
// Thread rule: as the ABI says: [worker] functions one at a time per instance, request_stop(),
// call_in_progress(), status_json() and request_snapshot() [any-thread].
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/metrics.h"
#include "core/plugins/registry.h"
#include "dstream/abi.h"

namespace dstream::core {

// What a call came back with. `error` is filled for negative statuses.
struct CallResult {
  dstream_status status = DSTREAM_OK;
  dstream_error error{};

  bool ok() const { return status == DSTREAM_OK; }
  std::string_view message() const { return error.message; }
};

// Where a sink's settle() calls arrive, already checked: the delivery is open, the range is inside
// what it was given, no item of it was settled before, result is OK, RETRY or REJECTED. `error` is
// borrowed for the call and NULL only with OK. Calls come from any thread, also while write() of
// the same delivery runs; none comes after close() has returned. [any-thread]
class SettleHandler {
 public:
  virtual ~SettleHandler() = default;
  virtual void on_settle(uint64_t delivery_id, uint32_t first, uint32_t count,
                         dstream_status result, const dstream_error* error) = 0;
};

// What an instance is made from. Pointers are borrowed and outlive the guard.
struct InstanceOptions {
  std::string pipeline;     // for log lines and metric labels
  std::string config_json;  // valid against the connector's schema, defaults filled in
  Log* log = nullptr;
  MetricsRegistry* metrics = nullptr;
  const Clock* clock = nullptr;
  // Looks at every value of every record, not only at the records: for tests of plugins.
  bool check_values = false;
};

// A call that has not returned yet, for whoever watches over deadlines.
struct CallInProgress {
  const char* call = nullptr;  // "read()"
  int64_t since_monotonic_ns = 0;
};

// One thing an instance has looked at, checked and bounded: texts have no control characters, the
// lines of `mend` apart.
struct InstanceCheck {
  enum class Result { kOk, kWarning, kFailed, kSkipped };
  Result result = Result::kFailed;
  std::string id;       // stable: "cdc.enabled"
  std::string subject;  // the table, the topic; may be empty
  std::string sentence;
  std::string mend;  // what to do about it; may be empty
};
// Called on the thread of run_checks(), before it returns.
using CheckHandler = std::function<void(const InstanceCheck&)>;

class GuardedSource {
 public:
  // Closes if open, then destroys. REQUIRES: every batch it returned has been released.
  virtual ~GuardedSource() = default;
  // OK, CANCELLED or an error.
  virtual CallResult open(std::string_view position) = 0;
  // OK: `*out` has 1..max_records records that passed the checks. The caller releases it once,
  // through release_batch() (I7). AGAIN, END, CANCELLED or an error: `*out` is nullptr.
  virtual CallResult read(uint32_t max_records, uint32_t max_wait_ms, dstream_batch** out) = 0;
  // OK or an error. OK at once if the source has no commit().
  virtual CallResult commit(std::string_view position) = 0;
  virtual void request_stop() = 0;
  virtual void close() = 0;  // nothing to do if not open
  virtual std::optional<CallInProgress> call_in_progress() const { return std::nullopt; }
  // What the instance says of itself, a JSON object of at most DSTREAM_MAX_STATUS bytes; nullopt if
  // it does not say, or cannot without waiting. A breach is noted and does not end the pipeline: it
  // is no part of the way of a change. [any-thread]
  virtual std::optional<std::string> status_json() { return std::nullopt; }
  // Asks for a copy of `table`. OK, AGAIN (asked for already) or an error; nullopt: the source does
  // not offer it. [any-thread]
  virtual std::optional<CallResult> request_snapshot(const std::string& table) {
    static_cast<void>(table);
    return std::nullopt;
  }
  // Lets the instance look at what it needs on the other side, and whether it can go on from
  // `position`, what the pipeline has stored ("": nothing); from its dstream.checks, else as one
  // check from its dstream.probe. OK, CANCELLED or an error; nullopt: it offers neither. REQUIRES:
  // not open. [worker]
  virtual std::optional<CallResult> run_checks(uint32_t max_wait_ms, std::string_view position,
                                               const CheckHandler& handler) {
    static_cast<void>(max_wait_ms);
    static_cast<void>(position);
    static_cast<void>(handler);
    return std::nullopt;
  }
  // What the instance is to do about changes that are gone upstream: a dstream_data_loss_policy. OK
  // or an error; nullopt: it leaves that to the host. REQUIRES: not open. [worker]
  virtual std::optional<CallResult> set_data_loss_policy(int32_t policy) {
    static_cast<void>(policy);
    return std::nullopt;
  }
  // Takes `config_json` in place of what it was made from, for the next open(). OK or an error,
  // after which it has what it had; nullopt: it does not offer that. REQUIRES: not open. [worker]
  virtual std::optional<CallResult> reconfigure(const std::string& config_json) {
    static_cast<void>(config_json);
    return std::nullopt;
  }
};

class GuardedSink {
 public:
  virtual ~GuardedSink() = default;
  virtual CallResult open() = 0;
  // OK: all of [first, delivery.count) is accepted. AGAIN: a part, maybe none. An error:
  // `*accepted` items were taken before it. Accepted items are remembered until they are settled or
  // close() is called; what `delivery` points to stays valid as long. The sink sees an id of the
  // guard's own. A delivery accepted in part is continued, with `first` moved on, before another is
  // begun. REQUIRES: first < delivery.count.
  virtual CallResult write(const dstream_delivery& delivery, uint32_t first,
                           uint32_t* accepted) = 0;
  // OK: something happened. AGAIN: nothing did, or the sink has no poll().
  virtual CallResult poll(uint32_t max_wait_ms) = 0;
  // OK: nothing is in flight any more. AGAIN: something is.
  virtual CallResult flush(uint32_t max_wait_ms) = 0;
  virtual void request_stop() = 0;
  virtual void close() = 0;
  virtual bool wants_messages() const = 0;
  // True if the sink settles from its own threads only (poll is NULL).
  virtual bool has_poll() const = 0;
  // Of dstream.transactions, in whose header the calls are described. The others are only called
  // if it is true.
  virtual bool offers_transactions() const { return false; }
  // OK or an error. REQUIRES: not open.
  virtual CallResult use_transactions(const std::string& pipeline);
  // OK: `*out` is the last committed checkpoint, "" if there is none. REQUIRES: open, in no
  // transaction.
  virtual CallResult committed_checkpoint(std::string* out);
  // REQUIRES: open, in no transaction.
  virtual CallResult begin_transaction();
  // OK: committed, and everything accepted is settled. AGAIN: not yet. REQUIRES: in a transaction.
  virtual CallResult commit_transaction(std::string_view checkpoint, uint32_t max_wait_ms);
  virtual std::optional<CallInProgress> call_in_progress() const { return std::nullopt; }
  // What the instance says of itself, a JSON object of at most DSTREAM_MAX_STATUS bytes; nullopt if
  // it does not say, or cannot without waiting. A breach is noted and does not end the pipeline: it
  // is no part of the way of a change. [any-thread]
  virtual std::optional<std::string> status_json() { return std::nullopt; }
  // Lets the instance look at what it needs on the other side; from its dstream.checks, else as one
  // check from its dstream.probe. OK, CANCELLED or an error; nullopt: it offers neither. REQUIRES:
  // not open. [worker]
  virtual std::optional<CallResult> run_checks(uint32_t max_wait_ms, const CheckHandler& handler) {
    static_cast<void>(max_wait_ms);
    static_cast<void>(handler);
    return std::nullopt;
  }
  // The most bytes one message may have, 0 if it knows no limit; nullopt: it does not say. [worker]
  virtual std::optional<uint64_t> message_bytes_max() { return std::nullopt; }
  // Takes `config_json` in place of what it was made from, for the next open(). OK or an error,
  // after which it has what it had; nullopt: it does not offer that. REQUIRES: not open. [worker]
  virtual std::optional<CallResult> reconfigure(const std::string& config_json) {
    static_cast<void>(config_json);
    return std::nullopt;
  }
};

// Calls create(). Errors: DS-PLUGIN-CREATE with what the plugin said, DS-PLUGIN-CONFIG-JSON.
Result<std::unique_ptr<GuardedSource>> make_source(const LoadedConnector& connector,
                                                   const InstanceOptions& options);
Result<std::unique_ptr<GuardedSink>> make_sink(const LoadedConnector& connector,
                                               const InstanceOptions& options,
                                               SettleHandler* settle_handler);

// Calls batch->release; the caller does so exactly once for each batch (I7). [any-thread]
void release_batch(dstream_batch* batch);

// On SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT and std::terminate, writes one line that names plugin
// and call of the crashed thread to stderr, then lets the signal take its course. Installed once by
// main, before other threads start.
void install_crash_reporter();

}  // namespace dstream::core
