#include "tests/standins/sqlserver/sql/transaction.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "tests/standins/sqlserver/sql/catalog.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/storage.h"

namespace dstream::standin::sql {
namespace {

constexpr std::chrono::milliseconds kCancelPoll{5};

SqlError deadlock(int32_t session) {
  return {1205, 13, 51,
          "Transaction (Process ID " + std::to_string(session) +
              ") was deadlocked on lock resources with another process and has been "
              "chosen as the deadlock victim. Rerun the transaction."};
}

SqlError lock_timeout() { return {1222, 16, 45, "Lock request time out period exceeded."}; }

}  // namespace

void Transaction::on_rollback(Database* database, std::function<void()> undo) {
  Undo entry;
  entry.database = database;
  entry.action = std::move(undo);
  undo_.push_back(std::move(entry));
}

void Transaction::wrote(std::shared_ptr<TableStore> store, Slot* slot, RowBytes before,
                        std::unique_ptr<std::vector<std::string>> keys) {
  Undo entry;
  entry.store = std::move(store);
  entry.slot = slot;
  entry.before = std::move(before);
  entry.keys = std::move(keys);
  undo_.push_back(std::move(entry));
}

void Transaction::locked(std::shared_ptr<TableStore> store, Slot* slot) {
  locks_.emplace_back(std::move(store), slot);
}

TransactionManager::TransactionManager() = default;

std::unique_ptr<Transaction> TransactionManager::begin() {
  auto transaction = std::make_unique<Transaction>();
  const std::lock_guard lock(wait_mutex_);
  transaction->id_ = next_id_++;
  active_.emplace(transaction->id_, transaction.get());
  return transaction;
}

void TransactionManager::commit(Transaction* transaction) {
  if (!transaction->undo_.empty()) {
    const std::lock_guard lock(commit_mutex_);
    const uint64_t sequence = last_committed_.load() + 1;
    if (store_writer_) {
      store_changes(*transaction);
    }
    // Each of the actions, the commit, and its end.
    const uint64_t actions = transaction->commit_actions_.size();
    const uint64_t record = reserve_records(actions + 2);
    for (uint64_t i = 0; i < actions; ++i) {
      transaction->commit_actions_[i](record + i);
    }
    if (!transaction->changes_.empty() && listener_ != nullptr) {
      CommittedTransaction committed;
      committed.id = transaction->id_;
      committed.begin_record = transaction->begin_record;
      committed.begin_ticks = transaction->begin_ticks;
      committed.commit_record = record + actions;
      committed.changes = std::move(transaction->changes_);
      listener_->committed(std::move(committed));
    }
    std::vector<Garbage> garbage;
    for (const Transaction::Undo& undo : transaction->undo_) {
      if (undo.slot != nullptr) {
        std::string key = TableStore::key_of(*undo.slot);
        undo.store->commit_slot(undo.slot, sequence);
        garbage.push_back({sequence, undo.store, std::move(key)});
      }
    }
    // Each row once, and only now: as soon as it is unlocked, others write and prune it.
    for (const Transaction::Undo& undo : transaction->undo_) {
      if (undo.slot != nullptr) {
        transaction->locks_.emplace_back(undo.store, undo.slot);
      }
    }
    keep_undo(transaction, record, record + 1 + actions);
    release_rows(transaction);
    const std::lock_guard snapshot_lock(snapshot_mutex_);
    last_committed_.store(sequence);
    for (Garbage& entry : garbage) {
      garbage_.push_back(std::move(entry));
    }
  }
  transaction->undo_.clear();
  finish(transaction);
  collect_garbage();
}

// What a commit of a database that can be restored takes, or has taken, back.
void TransactionManager::keep_undo(Transaction* transaction, uint64_t first, uint64_t last) {
  for (Transaction::Undo& undo : transaction->undo_) {
    Database* database = undo.database;
    if (undo.slot != nullptr) {
      database = undo.store->table == nullptr ? nullptr : undo.store->table->database;
    }
    if (database == nullptr || !database->is_cdc_enabled) {
      continue;
    }
    const UndoHistory::Extent extent{database->log_record(first), database->log_record(last)};
    UndoHistory& history = database->undo_history();
    if (undo.slot == nullptr) {
      history.add_action(extent, 0, std::move(undo.action));
    } else {
      history.add_row(extent, {std::move(undo.store), TableStore::key_of(*undo.slot),
                               std::move(undo.before), std::move(undo.keys)});
    }
  }
}

void TransactionManager::undo_above(Database* database, uint64_t record, uint64_t sequence) {
  UndoHistory::Touched touched = database->undo_history().undo_above(record, sequence);
  const std::lock_guard lock(snapshot_mutex_);
  for (auto& [store, key] : touched) {
    garbage_.push_back({sequence, std::move(store), std::move(key)});
  }
}

void TransactionManager::store_changes(const Transaction& transaction) {
  std::vector<StoredChange> changes;
  for (const Transaction::Undo& undo : transaction.undo_) {
    if (undo.slot != nullptr && undo.store->table != nullptr) {
      changes.push_back(undo.store->stored_change(*undo.slot));
    }
  }
  store_writer_(changes);
}

void TransactionManager::rollback(Transaction* transaction) {
  rollback_to(transaction, {});
  finish(transaction);
}

void TransactionManager::rollback_to(Transaction* transaction, const Transaction::Mark& mark) {
  while (transaction->undo_.size() > mark.undo) {
    Transaction::Undo undo = std::move(transaction->undo_.back());
    transaction->undo_.pop_back();
    if (undo.slot != nullptr) {
      // A slot that vanishes with its only version must not be unlocked later.
      undo.store->undo_slot(undo.slot);
    } else {
      undo.action();
    }
  }
  transaction->changes_.resize(mark.changes);
  transaction->commit_actions_.resize(mark.commit_actions);
}

void TransactionManager::release_rows(Transaction* transaction) {
  const auto by_slot = [](const auto& a, const auto& b) {
    return std::less<>()(a.second, b.second);
  };
  const auto same_slot = [](const auto& a, const auto& b) { return a.second == b.second; };
  auto& locks = transaction->locks_;
  std::sort(locks.begin(), locks.end(), by_slot);
  locks.erase(std::unique(locks.begin(), locks.end(), same_slot), locks.end());
  for (const auto& [store, slot] : locks) {
    store->unlock_slot(slot, transaction->id_);
  }
  locks.clear();
}

void TransactionManager::finish(Transaction* transaction) {
  release_rows(transaction);
  const std::lock_guard lock(wait_mutex_);
  active_.erase(transaction->id_);
  ++wake_count_;
  wake_.notify_all();
}

void TransactionManager::publish(const std::function<void(uint64_t)>& publish) {
  const std::lock_guard lock(commit_mutex_);
  const uint64_t sequence = last_committed_.load() + 1;
  publish(sequence);
  const std::lock_guard snapshot_lock(snapshot_mutex_);
  last_committed_.store(sequence);
}

uint64_t TransactionManager::acquire_snapshot(uint64_t until) {
  const std::lock_guard lock(snapshot_mutex_);
  const uint64_t last = last_committed_.load();
  const uint64_t sequence = until == 0 ? last : std::min(until, last);
  snapshots_.insert(sequence);
  return sequence;
}

void TransactionManager::release_snapshot(uint64_t sequence) {
  const std::lock_guard lock(snapshot_mutex_);
  snapshots_.erase(snapshots_.find(sequence));
}

void TransactionManager::collect_garbage() {
  std::deque<Garbage> ready;
  uint64_t oldest = 0;
  {
    const std::lock_guard lock(snapshot_mutex_);
    oldest = snapshots_.empty() ? last_committed_.load() : *snapshots_.begin();
    while (!garbage_.empty() && garbage_.front().sequence <= oldest) {
      ready.push_back(std::move(garbage_.front()));
      garbage_.pop_front();
    }
  }
  for (const Garbage& entry : ready) {
    entry.store->prune(entry.key, oldest);
  }
}

bool TransactionManager::is_deadlock(const Transaction& waiter, uint64_t blocker) const {
  // Each transaction waits for one other at most, so the circle is a chain that comes back.
  for (size_t i = 0; i <= active_.size(); ++i) {
    if (blocker == waiter.id_) {
      return true;
    }
    const auto it = active_.find(blocker);
    if (it == active_.end() || it->second->waiting_for_ == 0) {
      return false;
    }
    blocker = it->second->waiting_for_;
  }
  return false;
}

void TransactionManager::wait(Transaction* transaction, const std::function<uint64_t()>& blocker,
                              const WaitOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  while (true) {
    uint64_t seen = 0;
    {
      const std::lock_guard lock(wait_mutex_);
      seen = wake_count_;
    }
    const uint64_t other = blocker();
    if (other == 0) {
      return;
    }
    const auto waited = std::chrono::steady_clock::now() - start;
    if (options.timeout_ms >= 0 && waited >= std::chrono::milliseconds(options.timeout_ms)) {
      throw lock_timeout();
    }
    if (options.cancelled && options.cancelled()) {
      throw Cancelled{};
    }
    std::unique_lock lock(wait_mutex_);
    if (is_deadlock(*transaction, other)) {
      transaction->is_deadlock_victim = true;
      throw deadlock(options.session);
    }
    transaction->waiting_for_ = other;
    wake_.wait_for(lock, kCancelPoll, [&] { return wake_count_ != seen; });
    transaction->waiting_for_ = 0;
  }
}

void TransactionManager::wake() {
  const std::lock_guard lock(wait_mutex_);
  ++wake_count_;
  wake_.notify_all();
}

size_t TransactionManager::active_count() const {
  const std::lock_guard lock(wait_mutex_);
  return active_.size();
}

size_t TransactionManager::waiting_count() const {
  const std::lock_guard lock(wait_mutex_);
  return static_cast<size_t>(std::count_if(active_.begin(), active_.end(), [](const auto& entry) {
    return entry.second->waiting_for_ != 0;
  }));
}

}  // namespace dstream::standin::sql
