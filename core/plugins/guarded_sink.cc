// The guard of a sink.
#include <atomic>
#include <thread>

#include "core/base/assert.h"
#include "core/plugins/guarded_call.h"
#include "core/plugins/instance_extensions.h"
#include "core/plugins/settle_ledger.h"
#include "core/plugins/sink_transactions.h"
#include "core/plugins/text.h"

namespace dstream::core {
namespace {

// The sink whose [worker] call this thread is in: its settle() needs no hold on close().
constinit thread_local const void* worker_of = nullptr;

class WorkerScope {
 public:
  explicit WorkerScope(const void* sink) : outer_(worker_of) { worker_of = sink; }
  ~WorkerScope() { worker_of = outer_; }
  WorkerScope(const WorkerScope&) = delete;
  WorkerScope& operator=(const WorkerScope&) = delete;

 private:
  const void* outer_;
};

class GuardedSinkImpl final : public GuardedSink, private SettleReceiver {
 public:
  GuardedSinkImpl(const LoadedConnector& connector, const InstanceOptions& options,
                  std::unique_ptr<HostServices> services, SettleHandler* handler)
      : api_(*connector.connector->sink),
        wants_messages_(connector.wants_messages()),
        handler_(handler),
        calls_(connector, options, std::move(services)) {
    calls_.services().set_settle_receiver(this);
  }

  ~GuardedSinkImpl() override {
    close();
    if (self_ != nullptr) {
      calls_.run_void("destroy()", [&] { api_.destroy(self_); });
    }
  }

  Result<void> create(const std::string& config_json) {
    Result<void> created = create_instance(calls_, api_, config_json, &self_);
    if (created) {
      extensions_.find(api_, self_);
      transactions_.find(api_, self_);
    }
    return created;
  }

  CallResult open() override {
    DSTREAM_ASSERT(!open_.load());
    open_.store(true);  // a sink may settle nothing yet, but its threads may start now
    CallResult result = worker_call("open()", GuardedCalls::kNoLimit, kAllowOk | kAllowCancelled,
                                    [&](dstream_error* error) { return api_.open(self_, error); });
    if (!result.ok()) {
      shut();
    }
    return result;
  }

  CallResult write(const dstream_delivery& delivery, uint32_t first, uint32_t* accepted) override {
    DSTREAM_ASSERT(open_.load() && first < delivery.count && transactions_.may_write());
    *accepted = 0;
    if (auto earlier = calls_.breach()) {
      return *earlier;
    }
    const dstream_delivery* shown = ledger_.begin(delivery, first);
    if (shown == nullptr) {
      CallResult full;
      full.status = DSTREAM_AGAIN;
      return full;
    }
    uint32_t count = delivery.count;
    uint32_t taken = 0;
    CallResult result = worker_call(
        "write()", GuardedCalls::kNoLimit, kAllowOk | kAllowAgain | kAllowCancelled,
        [&](dstream_error* error) { return api_.write(self_, shown, first, &taken, error); });
    if (taken > count - first) {
      return calls_.breach("accepted", "accepted more items than it was offered.");
    }
    if (!ledger_.accepted(first + taken)) {
      return calls_.breach("settle", "settled items that it did not accept.");
    }
    *accepted = taken;
    bool all = taken == count - first;
    if (result.ok() && !all) {
      return calls_.breach("accepted", "returned OK from write() without accepting every item.");
    }
    if (result.status == DSTREAM_AGAIN && all) {
      result.status = DSTREAM_OK;
    }
    return result;
  }

  CallResult poll(uint32_t max_wait_ms) override {
    DSTREAM_ASSERT(open_.load());
    if (api_.poll == nullptr) {
      CallResult nothing;
      nothing.status = DSTREAM_AGAIN;
      return calls_.breach().value_or(nothing);
    }
    return worker_call("poll()", max_wait_ms, kAllowOk | kAllowAgain | kAllowCancelled,
                       [&](dstream_error* error) { return api_.poll(self_, max_wait_ms, error); });
  }

  CallResult flush(uint32_t max_wait_ms) override {
    DSTREAM_ASSERT(open_.load());
    return worker_call("flush()", max_wait_ms, kAllowOk | kAllowAgain | kAllowCancelled,
                       [&](dstream_error* error) { return api_.flush(self_, max_wait_ms, error); });
  }

  void request_stop() override {
    calls_.stop_requested();
    calls_.run_void("request_stop()", [&] { api_.request_stop(self_); });
  }

  void close() override {
    if (!open_.load()) {
      return;
    }
    {
      WorkerScope scope(this);
      calls_.run_void("close()", [&] { api_.close(self_); });
    }
    shut();
    calls_.reset();
  }

  bool wants_messages() const override { return wants_messages_; }
  bool has_poll() const override { return api_.poll != nullptr; }

  bool offers_transactions() const override { return transactions_.offered(); }
  CallResult use_transactions(const std::string& pipeline) override {
    DSTREAM_ASSERT(!open_.load());
    WorkerScope scope(this);
    return transactions_.use(pipeline);
  }
  CallResult committed_checkpoint(std::string* out) override {
    DSTREAM_ASSERT(open_.load());
    WorkerScope scope(this);
    return transactions_.committed(out);
  }
  CallResult begin_transaction() override {
    DSTREAM_ASSERT(open_.load());
    WorkerScope scope(this);
    return transactions_.begin();
  }
  CallResult commit_transaction(std::string_view checkpoint, uint32_t max_wait_ms) override {
    DSTREAM_ASSERT(open_.load());
    WorkerScope scope(this);
    return transactions_.commit(checkpoint, max_wait_ms, [&] { return ledger_.open_count(); });
  }
  std::optional<CallInProgress> call_in_progress() const override { return calls_.in_progress(); }

  std::optional<std::string> status_json() override { return extensions_.status_json(); }

  std::optional<CallResult> run_checks(uint32_t max_wait_ms, const CheckHandler& handler) override {
    DSTREAM_ASSERT(!open_.load());
    WorkerScope scope(this);
    return extensions_.run_checks(max_wait_ms, {}, handler);
  }

  std::optional<uint64_t> message_bytes_max() override { return extensions_.message_bytes_max(); }

  std::optional<CallResult> reconfigure(const std::string& config_json) override {
    DSTREAM_ASSERT(!open_.load());
    return extensions_.reconfigure(config_json);
  }

 private:
  template <class Body>
  CallResult worker_call(const char* name, int64_t max_wait_ms, uint32_t allowed, Body&& body) {
    WorkerScope scope(this);
    return calls_.run(name, max_wait_ms, allowed, std::forward<Body>(body));
  }

  // After this no settle() reaches the engine: those that are under way have left.
  void shut() {
    open_.store(false);
    while (settling_.load() != 0) {
      std::this_thread::yield();
    }
    ledger_.clear();
    transactions_.closed();
  }

  void settle(uint64_t delivery_id, uint32_t first, uint32_t count, dstream_status result,
              const dstream_error* error) override {
    if (worker_of == this) {
      settle_held(delivery_id, first, count, result, error);
      return;
    }
    settling_.fetch_add(1);
    if (open_.load()) {
      settle_held(delivery_id, first, count, result, error);
    } else {
      calls_.misbehaviour().note("settle_after_close", "called settle() after close().");
    }
    settling_.fetch_sub(1);
  }

  void settle_held(uint64_t delivery_id, uint32_t first, uint32_t count, dstream_status result,
                   const dstream_error* error) {
    if (count == 0) {
      return;
    }
    if (result != DSTREAM_OK && result != DSTREAM_RETRY && result != DSTREAM_REJECTED) {
      calls_.misbehaviour().fatal("settle",
                                  "settled with status " + std::to_string(result) +
                                      "; only OK, RETRY and REJECTED are results of an item.");
      return;
    }
    if (result == DSTREAM_OK) {
      if (!transactions_.may_settle_ok()) {
        calls_.misbehaviour().fatal("settle",
                                    "settled an item OK before its transaction was committed.");
        return;
      }
      transactions_.settled_ok();
    } else if (result == DSTREAM_REJECTED) {
      transactions_.settled_rejected();
    }
    SettleLedger::Settled settled = ledger_.settle(delivery_id, first, count);
    if (settled.verdict != SettleLedger::Verdict::kOk) {
      report(settled.verdict, first, count);
      return;
    }
    if (result == DSTREAM_OK) {
      handler_->on_settle(settled.delivery_id, first, count, result, nullptr);
    } else {
      dstream_error checked = checked_error(error);
      handler_->on_settle(settled.delivery_id, first, count, result, &checked);
    }
    if (settled.last) {
      ledger_.done(settled);
    }
  }

  void report(SettleLedger::Verdict verdict, uint32_t first, uint32_t count) {
    std::string items =
        "items " + std::to_string(first) + " to " + std::to_string(uint64_t{first} + count - 1);
    switch (verdict) {
      case SettleLedger::Verdict::kOk:
        break;
      case SettleLedger::Verdict::kUnknownDelivery:
        calls_.misbehaviour().fatal("settle",
                                    "settled " + items + " of a delivery that is not open.");
        break;
      case SettleLedger::Verdict::kOutOfRange:
        calls_.misbehaviour().fatal("settle",
                                    "settled " + items + " of a delivery that it was not given.");
        break;
      case SettleLedger::Verdict::kTwice:
        calls_.misbehaviour().fatal("settle", "settled one of " + items + " twice.");
        break;
    }
  }

  static dstream_error checked_error(const dstream_error* error) {
    dstream_error out{};
    if (error != nullptr) {
      out = *error;
    }
    out.struct_size = sizeof out;
    out.message[sizeof out.message - 1] = '\0';
    out.sqlstate[sizeof out.sqlstate - 1] = '\0';
    std::string message =
        out.message[0] != '\0' ? printable(out.message) : std::string("The sink gave no reason.");
    message.copy(out.message, sizeof out.message - 1);
    out.message[message.size() < sizeof out.message ? message.size() : sizeof out.message - 1] =
        '\0';
    return out;
  }

  const dstream_sink_api& api_;
  const bool wants_messages_;
  SettleHandler* const handler_;
  GuardedCalls calls_;
  InstanceExtensions extensions_{calls_};
  SinkTransactions transactions_{calls_};
  SettleLedger ledger_;
  dstream_sink* self_ = nullptr;
  std::atomic<bool> open_{false};
  std::atomic<uint32_t> settling_{0};  // settles of other threads that are under way
};

}  // namespace

Result<std::unique_ptr<GuardedSink>> make_sink(const LoadedConnector& connector,
                                               const InstanceOptions& options,
                                               SettleHandler* settle_handler) {
  DSTREAM_ASSERT(!connector.is_source());
  auto services = HostServices::create(options, connector.connector->id);
  if (!services) {
    return fail(services.error());
  }
  auto sink =
      std::make_unique<GuardedSinkImpl>(connector, options, std::move(*services), settle_handler);
  if (auto created = sink->create(options.config_json); !created) {
    return fail(created.error());
  }
  return sink;
}

}  // namespace dstream::core
