#include "tests/standins/sqlserver/protocol/faults.h"

#include <algorithm>

namespace dstream::standin {
namespace {

// A stalled connection looks this often whether its client has gone.
constexpr std::chrono::milliseconds kStallTurn{20};

bool is_live(const Fault& fault, uint32_t matched) {
  return fault.times == 0 || matched < fault.skip + fault.times;
}

}  // namespace

Fault deadlock_after_rows(int64_t rows) {
  Fault fault;
  fault.action = FaultAction::kError;
  fault.after_rows = rows;
  fault.message.number = 1205;
  fault.message.state = 51;
  fault.message.severity = 13;
  fault.message.text =
      "Transaction (Process ID 52) was deadlocked on lock resources with another process and has "
      "been chosen as the deadlock victim. Rerun the transaction.";
  return fault;
}

Faults::Id Faults::add(Fault fault) {
  const std::lock_guard lock(mutex_);
  Entry entry;
  entry.id = next_id_++;
  entry.fault = std::move(fault);
  entries_.push_back(std::move(entry));
  count_.fetch_add(1, std::memory_order_relaxed);
  return entries_.back().id;
}

const Faults::Entry* Faults::find(Id id) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [id](const Entry& entry) { return entry.id == id; });
  return found == entries_.end() ? nullptr : &*found;
}

void Faults::remove(Id id) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.id == id && !entry.is_removed) {
      entry.is_removed = true;
      count_.fetch_sub(1, std::memory_order_relaxed);
    }
  }
  changed_.notify_all();
}

void Faults::clear() {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) {
    entry.is_removed = true;
  }
  count_.store(0, std::memory_order_relaxed);
  changed_.notify_all();
}

void Faults::release() {
  const std::lock_guard lock(mutex_);
  ++release_count_;
  changed_.notify_all();
}

uint64_t Faults::fired(Id id) const {
  const std::lock_guard lock(mutex_);
  const Entry* entry = find(id);
  return entry == nullptr ? 0 : entry->fired;
}

bool Faults::wait_fired(Id id, uint64_t count, std::chrono::milliseconds limit) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, limit, [&] {
    const Entry* entry = find(id);
    return entry != nullptr && entry->fired >= count;
  });
}

std::vector<Faults::Armed> Faults::take(std::string_view statement, bool is_login) {
  std::vector<Armed> armed;
  if (is_empty()) {
    return armed;
  }
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.is_removed || entry.fault.at_login != is_login ||
        !is_live(entry.fault, entry.matched) ||
        statement.find(entry.fault.statement_contains) == std::string_view::npos) {
      continue;
    }
    if (++entry.matched > entry.fault.skip) {
      armed.push_back({entry.id, entry.fault});
    }
  }
  return armed;
}

void Faults::note_fired(Id id) {
  const std::lock_guard lock(mutex_);
  for (Entry& entry : entries_) {
    if (entry.id == id) {
      ++entry.fired;
    }
  }
  changed_.notify_all();
}

bool Faults::stall_turn(Id id, uint64_t release_count) const {
  std::unique_lock lock(mutex_);
  const auto is_over = [&] {
    const Entry* entry = find(id);
    return entry == nullptr || entry->is_removed || release_count_ != release_count;
  };
  return !changed_.wait_for(lock, kStallTurn, is_over);
}

uint64_t Faults::release_count() const {
  const std::lock_guard lock(mutex_);
  return release_count_;
}

}  // namespace dstream::standin
