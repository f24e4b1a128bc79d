#include "tests/end_to_end/ledger.h"

namespace dstream::end_to_end {
namespace {
constexpr size_t kBreachesMax = 20;
}

void Ledger::committed(int key, const std::string& change) {
  std::lock_guard lock(mutex_);
  keys_[key].committed.push_back(change);
  ++committed_;
  changed_.notify_all();
}

void Ledger::arrived(int key, const std::string& change) {
  std::lock_guard lock(mutex_);
  keys_[key].arrived.push_back(change);
  ++arrived_;
  fresh_ += seen_[key][change]++ == 0 ? 1 : 0;
  changed_.notify_all();
}

void Ledger::tombstone(int key) {
  std::lock_guard lock(mutex_);
  ++keys_[key].tombstones;
}

bool Ledger::wait_complete(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return fresh_ >= committed_; });
}

bool Ledger::wait_arrivals(uint64_t count, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  uint64_t goal = arrived_ + count;
  return changed_.wait_for(lock, timeout, [&] { return arrived_ >= goal; });
}

std::vector<std::string> Ledger::verdict() const {
  std::lock_guard lock(mutex_);
  std::vector<std::string> breaches;
  auto breach = [&](int key, const std::string& text) {
    if (breaches.size() < kBreachesMax) {
      breaches.push_back("key " + std::to_string(key) + ": " + text);
    }
  };
  for (const auto& [key, history] : keys_) {
    std::map<std::string, size_t> turn;
    for (size_t number = 0; number < history.committed.size(); ++number) {
      turn[history.committed[number]] = number;
    }
    // What may come next at the latest: the change after the one that came last. A replay that
    // jumps back has to walk forward again, or a consumer would be left with an old state.
    size_t next = 0;
    for (const auto& change : history.arrived) {
      auto found = turn.find(change);
      if (found == turn.end()) {
        breach(key, "invented " + change);
      } else if (found->second > next) {
        breach(key, "out of order: " + change + " before " + history.committed[next]);
      } else {
        next = found->second + 1;
      }
    }
    if (next < history.committed.size()) {
      breach(key, "lost " + history.committed[next] + " (" +
                      std::to_string(history.committed.size() - next) + " missing)");
    }
  }
  return breaches;
}

uint64_t Ledger::committed_count() const {
  std::lock_guard lock(mutex_);
  return committed_;
}

uint64_t Ledger::arrived_count() const {
  std::lock_guard lock(mutex_);
  return arrived_;
}

uint64_t Ledger::duplicates() const {
  std::lock_guard lock(mutex_);
  return arrived_ - fresh_;
}

}  // namespace dstream::end_to_end
