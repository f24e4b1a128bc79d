#include "tests/standins/sqlserver/protocol/statistics.h"

namespace dstream::standin {

uint64_t ServerCounters::server_cursors() const {
  uint64_t calls = 0;
  for (const char* name : {"sp_cursoropen", "sp_cursorprepare", "sp_cursorprepexec"}) {
    const auto found = procedure_calls.find(name);
    calls += found == procedure_calls.end() ? 0 : found->second;
  }
  return calls;
}

ServerCounters Statistics::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

std::vector<RequestRecord> Statistics::requests() const {
  const std::lock_guard lock(mutex_);
  return {requests_.begin(), requests_.end()};
}

bool Statistics::wait_until(const std::function<bool(const ServerCounters&)>& is_so,
                            std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] { return is_so(counters_); });
}

void Statistics::update(const std::function<void(ServerCounters&)>& change) {
  const std::lock_guard lock(mutex_);
  change(counters_);
  changed_.notify_all();
}

void Statistics::note_request(RequestRecord record) {
  const std::lock_guard lock(mutex_);
  record.number = next_number_++;
  requests_.push_back(std::move(record));
  if (requests_.size() > requests_kept_) {
    requests_.pop_front();
  }
  changed_.notify_all();
}

}  // namespace dstream::standin
