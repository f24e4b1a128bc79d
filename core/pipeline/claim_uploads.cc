#include "core/pipeline/claim_uploads.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace dstream::core {
namespace {

using Outcome = ClaimTarget::Outcome;

constexpr uint32_t kRetryAfterMsMax = 300'000;

}  // namespace

ClaimUploads::ClaimUploads(const PipelineSettings& settings, Environment environment)
    : pipeline_(settings.name),
      retry_(settings.retry),
      environment_(std::move(environment)),
      settings_(settings.claim_check) {
  for (int i = 0; i < kThreads; ++i) {
    threads_.emplace_back([this, i] { run(environment_.seed + static_cast<uint64_t>(i)); });
  }
}

ClaimUploads::~ClaimUploads() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
    for (ClaimTarget* target : running_) {
      target->cancel();
    }
  }
  wanted_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

std::string ClaimUploads::location(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  return make_claim_target(settings_, environment_.files, 0)->location(name);
}

void ClaimUploads::put(const std::string& name, dstream_bytes value) {
  {
    const std::lock_guard lock(mutex_);
    values_.push_back({name, {reinterpret_cast<const char*>(value.data), value.size}});
  }
  wanted_.notify_all();  // Those that wait to try again listen as well.
}

Result<bool> ClaimUploads::stored() {
  const std::lock_guard lock(mutex_);
  if (failure_) {
    return fail(*failure_);
  }
  return values_.empty() && busy_ == 0;
}

std::optional<Error> ClaimUploads::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void ClaimUploads::forget() {
  std::unique_lock lock(mutex_);
  ++round_;
  values_.clear();
  for (ClaimTarget* target : running_) {
    target->cancel();
  }
  wanted_.notify_all();
  idle_.wait(lock, [this] { return busy_ == 0; });
  trouble_.reset();
  failure_.reset();
}

void ClaimUploads::run(uint64_t seed) {
  std::unique_lock lock(mutex_);
  while (true) {
    wanted_.wait(lock, [this] { return ends_ || (!values_.empty() && !failure_); });
    if (ends_) {
      return;
    }
    const Value value = std::move(values_.front());
    values_.pop_front();
    ++busy_;
    store(value, seed, lock);
    --busy_;
    idle_.notify_all();
    lock.unlock();
    environment_.changed();
    lock.lock();
  }
}

// Until the value is durable, given up, or cannot be stored. `lock` is held before and after.
void ClaimUploads::store(const Value& value, uint64_t seed, std::unique_lock<std::mutex>& lock) {
  const uint64_t round = round_;
  BackOff back_off(retry_, seed ^ std::hash<std::string>()(value.name));
  while (!is_over(round)) {
    const auto target = make_claim_target(settings_, environment_.files, seed);
    running_.insert(target.get());
    lock.unlock();
    const ClaimTarget::Attempt attempt = target->put(value.name, value.bytes);
    lock.lock();
    running_.erase(target.get());
    if (attempt.outcome == Outcome::kStored) {
      environment_.metrics->claim_check_bytes.add(static_cast<double>(value.bytes.size()));
      trouble_.reset();
      return;
    }
    if (is_over(round)) {
      return;
    }
    const int64_t now_ns = environment_.clock->monotonic_ns();
    const uint32_t asked_ms = std::min(attempt.retry_after_s, kRetryAfterMsMax / 1000) * 1000;
    const int64_t wait_ns = back_off.next_ns(now_ns, asked_ms);
    if (!may_go_on(attempt, back_off, now_ns)) {
      failure_ = claim_error(attempt);
      wanted_.notify_all();
      return;
    }
    environment_.metrics->claim_check_retries.add();
    trouble_ = claim_error(attempt);
    lock.unlock();
    environment_.changed();
    lock.lock();
    wanted_.wait_for(lock, std::chrono::nanoseconds(wait_ns), [&] { return is_over(round); });
    if (attempt.outcome == Outcome::kDenied && !is_over(round)) {
      lock.unlock();
      read_secret_again();
      lock.lock();
    }
  }
}

bool ClaimUploads::may_go_on(const ClaimTarget::Attempt& attempt, BackOff& back_off,
                             int64_t now_ns) {
  if (attempt.outcome == Outcome::kRefused || back_off.exhausted(now_ns)) {
    return false;
  }
  return attempt.outcome != Outcome::kDenied || back_off.may_be_denied(now_ns);
}

// What cannot be read is said once; the refusal itself is what the operator sees.
void ClaimUploads::read_secret_again() {
  if (!environment_.reread) {
    return;
  }
  Result<ClaimCheckSettings> now = environment_.reread(pipeline_);
  const std::lock_guard lock(mutex_);
  if (!now) {
    if (std::exchange(said_, now.error().message) != now.error().message) {
      environment_.log->write(LogLevel::kWarn, "The secret of claim_check cannot be read again.",
                              {{"pipeline", pipeline_}, {"reason", now.error().message}});
    }
    return;
  }
  said_.clear();
  if (*now != settings_) {
    settings_ = std::move(*now);
    environment_.log->write(LogLevel::kInfo,
                            "The secret of claim_check has changed and is used from now on.",
                            {{"pipeline", pipeline_}});
  }
}

}  // namespace dstream::core
