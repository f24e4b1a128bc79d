#include "core/plugins/guarded_call.h"

#include <cstring>

#include "core/base/assert.h"
#include "core/plugins/text.h"

namespace dstream::core {
namespace {

void set_message(dstream_error& error, const std::string& message) {
  size_t size = message.size() < sizeof error.message ? message.size() : sizeof error.message - 1;
  std::memcpy(error.message, message.data(), size);
  error.message[size] = '\0';
}

bool is_known_error(dstream_status status) {
  return status <= DSTREAM_RETRY && status >= DSTREAM_FATAL;
}

const Clock& clock_of(const InstanceOptions& options) {
  static const SystemClock system_clock;
  return options.clock != nullptr ? *options.clock : system_clock;
}

}  // namespace

GuardedCalls::GuardedCalls(const LoadedConnector& connector, const InstanceOptions& options,
                           std::unique_ptr<HostServices> services)
    : plugin_(connector.connector->id), clock_(clock_of(options)), services_(std::move(services)) {}

int64_t GuardedCalls::begin(const char* name) {
  int64_t now = clock_.monotonic_ns();
  call_started_ns_.store(now, std::memory_order_relaxed);
  call_.store(name, std::memory_order_release);
  return now;
}

void GuardedCalls::end(const char* name, int64_t started, int64_t max_wait_ms) {
  call_.store(nullptr, std::memory_order_release);
  int64_t now = clock_.monotonic_ns();
  if (max_wait_ms != kNoLimit) {
    note_overrun(name, started, now, max_wait_ms);
  }
  int64_t stop = stop_requested_ns_.load(std::memory_order_relaxed);
  if (stop != 0 && now - (stop > started ? stop : started) > kStopGraceMs * kNanosPerMilli) {
    misbehaviour().note("stop_ignored", std::string("stayed in ") + name +
                                            " for more than 10 s after request_stop().");
  }
}

void GuardedCalls::note_overrun(const char* name, int64_t started, int64_t now,
                                int64_t max_wait_ms) {
  if (now - started > (max_wait_ms + kGraceMs) * kNanosPerMilli) {
    misbehaviour().note("overrun", "took " + std::to_string((now - started) / kNanosPerMilli) +
                                       " ms for a " + name + " that was given " +
                                       std::to_string(max_wait_ms) + " ms.");
  }
}

void GuardedCalls::check(const char* name, uint32_t allowed, CallResult& result) {
  dstream_error& error = result.error;
  error.message[sizeof error.message - 1] = '\0';
  error.sqlstate[sizeof error.sqlstate - 1] = '\0';
  if (auto earlier = breach()) {
    result = *earlier;
    return;
  }
  dstream_status status = result.status;
  if (status >= 0 && status < 32 && (allowed & (1u << status)) != 0) {
    return;
  }
  if (status == DSTREAM_REJECTED || !is_known_error(status)) {
    std::string said = error.message[0] != '\0' ? ": " + printable(error.message) : ".";
    result = breach("status", std::string("ended ") + name + " with status " +
                                  std::to_string(status) + ", which that call cannot have" + said);
    return;
  }
  make_readable(result);
}

void GuardedCalls::check_beside(const char* name, uint32_t allowed, CallResult& result) {
  result.error.message[sizeof result.error.message - 1] = '\0';
  result.error.sqlstate[sizeof result.error.sqlstate - 1] = '\0';
  dstream_status status = result.status;
  if (status >= 0 && status < 32 && (allowed & (1u << status)) != 0) {
    return;
  }
  if (status == DSTREAM_REJECTED || !is_known_error(status)) {
    std::string sentence = std::string("ended ") + name + " with status " + std::to_string(status) +
                           ", which that call cannot have.";
    misbehaviour().note("status", sentence);
    result.status = DSTREAM_FATAL;
    set_message(result.error, plugin_ + std::string(" ") + sentence);
    return;
  }
  make_readable(result);
}

void GuardedCalls::make_readable(CallResult& result) const {
  std::string message = printable(result.error.message);
  set_message(result.error, message.empty() ? plugin_ + std::string(" gave no reason.") : message);
}

std::optional<CallResult> GuardedCalls::breach() const {
  const Misbehaviour& record = services_->misbehaviour();
  if (!record.is_fatal()) {
    return std::nullopt;
  }
  CallResult result;
  result.status = DSTREAM_FATAL;
  result.error.struct_size = sizeof result.error;
  set_message(result.error, record.fatal_message());
  return result;
}

CallResult GuardedCalls::breach(const char* kind, const std::string& sentence) {
  misbehaviour().fatal(kind, sentence);
  return *breach();
}

void GuardedCalls::stop_requested() {
  int64_t none = 0;
  int64_t now = clock_.monotonic_ns();
  stop_requested_ns_.compare_exchange_strong(none, now == 0 ? 1 : now);
}

void GuardedCalls::reset() {
  misbehaviour().forgive();
  stop_requested_ns_.store(0, std::memory_order_relaxed);
}

std::optional<CallInProgress> GuardedCalls::in_progress() const {
  const char* call = call_.load(std::memory_order_acquire);
  if (call == nullptr) {
    return std::nullopt;
  }
  return CallInProgress{call, call_started_ns_.load(std::memory_order_relaxed)};
}

Error create_error(const GuardedCalls& calls, const CallResult& result) {
  return Error{"DS-PLUGIN-CREATE",
               std::string(calls.plugin()) + " refused its configuration: " + result.error.message,
               {},
               std::nullopt,
               ExitCode::kUsage};
}

}  // namespace dstream::core
