#include "tests/end_to_end/ledger.h"

#include <algorithm>
#include <utility>

namespace dstream::end_to_end {
namespace {
constexpr size_t kBreachesMax = 20;

class Breaches {
 public:
  void add(int key, const std::string& text) {
    if (list_.size() < kBreachesMax) {
      list_.push_back("key " + std::to_string(key) + ": " + text);
    }
  }
  std::vector<std::string> take() { return std::move(list_); }

 private:
  std::vector<std::string> list_;
};

}  // namespace

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
  Breaches breaches;
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
        breaches.add(key, "invented " + change);
      } else if (found->second > next) {
        breaches.add(key, "out of order: " + change + " before " + history.committed[next]);
      } else {
        next = found->second + 1;
      }
    }
    if (next < history.committed.size()) {
      breaches.add(key, "lost " + history.committed[next] + " (" +
                            std::to_string(history.committed.size() - next) + " missing)");
    }
  }
  return breaches.take();
}

std::vector<std::string> Ledger::verdict_exactly_once() const {
  std::lock_guard lock(mutex_);
  Breaches breaches;
  for (const auto& [key, history] : keys_) {
    const auto [due, come] = std::mismatch(history.committed.begin(), history.committed.end(),
                                           history.arrived.begin(), history.arrived.end());
    if (due != history.committed.end() || come != history.arrived.end()) {
      breaches.add(key, "change " + std::to_string(come - history.arrived.begin()) + " is " +
                            (come == history.arrived.end() ? "missing" : *come) + ", not " +
                            (due == history.committed.end() ? "the end" : *due));
    }
    const auto deletes = static_cast<uint64_t>(
        std::count_if(history.committed.begin(), history.committed.end(),
                      [](const std::string& change) { return change.starts_with("delete:"); }));
    if (history.tombstones != deletes) {
      breaches.add(key, std::to_string(history.tombstones) + " tombstones for " +
                            std::to_string(deletes) + " deletes");
    }
  }
  return breaches.take();
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
