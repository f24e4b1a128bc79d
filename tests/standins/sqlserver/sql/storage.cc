#include "tests/standins/sqlserver/sql/storage.h"

#include <algorithm>
#include <mutex>

namespace dstream::standin::sql {
namespace {

void append_id(uint64_t id, std::string* key) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    key->push_back(static_cast<char>(id >> shift));
  }
}

uint64_t id_of(const std::string& key) {
  uint64_t id = 0;
  for (size_t i = key.size() - sizeof(id); i < key.size(); ++i) {
    id = id << 8 | static_cast<unsigned char>(key[i]);
  }
  return id;
}

}  // namespace

std::string after_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF') {
    prefix.pop_back();
  }
  if (!prefix.empty()) {
    prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  }
  return prefix;
}

const Version* TableStore::visible(const Slot& slot, const ReadView& view) {
  const Version* version = slot.head.get();
  const bool own = slot.owner != 0 && slot.owner == view.transaction;
  while (version != nullptr) {
    if (version->sequence == kUncommitted ? own || view.dirty
                                          : view.dirty || version->sequence <= view.sequence) {
      return version;
    }
    version = version->older.get();
  }
  return nullptr;
}

TableStore::~TableStore() {
  if (!indexes_.empty()) {
    for (const auto& [key, slot] : indexes_.front()) {
      delete slot;
    }
  }
}

bool TableStore::fetch(const ReadView& view, size_t index, KeyRange* range, bool descending,
                       size_t count, std::vector<FetchedRow>* rows, uint64_t* blocker) const {
  const std::shared_lock lock(mutex_);
  const Ordered& ordered = indexes_[index];
  auto first = ordered.lower_bound(range->begin);
  auto last = range->end.empty() ? ordered.end() : ordered.lower_bound(range->end);
  // The ends may have crossed: an empty range, not a wrapped one.
  if (!range->end.empty() && range->end <= range->begin) {
    last = first;
  }
  size_t taken = 0;
  while (first != last) {
    const auto it = descending ? std::prev(last) : first;
    const Slot& slot = *it->second;
    if (taken == count) {
      return true;
    }
    if (blocker != nullptr && slot.owner != 0 && slot.owner != view.transaction) {
      *blocker = slot.owner;
      return true;
    }
    const Version* version = visible(slot, view);
    if (version != nullptr && version->data != nullptr) {
      rows->push_back({version->data, slot.keys.front()});
      ++taken;
    }
    if (descending) {
      range->end = it->first;
      last = it;
    } else {
      range->begin = it->first;
      range->begin.push_back('\0');
      ++first;
    }
  }
  return false;
}

uint64_t TableStore::lock(Transaction* transaction, const std::string& key,
                          const RowBytes& expected, bool* is_same) {
  const std::unique_lock lock(mutex_);
  const auto it = indexes_[0].find(key);
  *is_same = false;
  if (it == indexes_[0].end()) {
    return 0;
  }
  Slot* slot = it->second;
  if (slot->owner != 0 && slot->owner != transaction->id()) {
    return slot->owner;
  }
  *is_same = slot->head->data == expected;
  if (slot->owner == 0 && *is_same) {
    slot->owner = transaction->id();
    transaction->locked(shared_from_this(), slot);
  }
  return 0;
}

TableStore::Result TableStore::insert(Transaction* transaction, RowBytes data,
                                      const std::vector<std::string>& keys) {
  const std::unique_lock lock(mutex_);
  for (size_t i = 0; i < indexes_.size(); ++i) {
    if (!unique_[i]) {
      continue;
    }
    for (auto it = indexes_[i].lower_bound(keys[i]);
         it != indexes_[i].end() && it->first.size() == keys[i].size() + sizeof(uint64_t) &&
         it->first.compare(0, keys[i].size(), keys[i]) == 0;
         ++it) {
      const Slot& slot = *it->second;
      if (slot.owner != 0 && slot.owner != transaction->id()) {
        return {Outcome::kBlocked, i, slot.owner};
      }
      if (slot.head->data != nullptr) {
        return {Outcome::kDuplicate, i, 0};
      }
    }
  }
  auto slot = std::make_unique<Slot>();
  slot->id = next_id();
  slot->owner = transaction->id();
  slot->head = std::make_unique<Version>();
  slot->head->data = std::move(data);
  slot->keys = keys;
  for (size_t i = 0; i < indexes_.size(); ++i) {
    append_id(slot->id, &slot->keys[i]);
    indexes_[i].emplace(slot->keys[i], slot.get());
  }
  Slot* raw = slot.release();  // Owned by index 0; see unlink().
  transaction->wrote(shared_from_this(), raw, nullptr, nullptr);
  return {};
}

void TableStore::update(Transaction* transaction, const std::string& key, RowBytes data) {
  const std::unique_lock lock(mutex_);
  Slot* slot = indexes_[0].at(key);
  // A row that is removed vanishes with its slot; whoever wants it back needs the keys.
  auto keys = data == nullptr ? std::make_unique<std::vector<std::string>>(slot->keys) : nullptr;
  RowBytes before = slot->head->data;
  push_version(slot, std::move(data), kUncommitted);
  transaction->wrote(shared_from_this(), slot, std::move(before), std::move(keys));
}

void TableStore::push_version(Slot* slot, RowBytes data, uint64_t sequence) {
  auto version = std::make_unique<Version>();
  version->data = std::move(data);
  version->sequence = sequence;
  version->older = std::move(slot->head);
  slot->head = std::move(version);
}

void TableStore::put_back(const std::string& key, const std::vector<std::string>* keys,
                          RowBytes data, uint64_t sequence) {
  const std::unique_lock lock(mutex_);
  const auto it = indexes_[0].find(key);
  if (it != indexes_[0].end()) {
    // Several steps of one restore may have been about the same row.
    if (it->second->head->sequence == sequence) {
      it->second->head->data = std::move(data);
    } else {
      push_version(it->second, std::move(data), sequence);
    }
    return;
  }
  if (data == nullptr) {
    return;
  }
  auto slot = std::make_unique<Slot>();
  slot->id = id_of(key);
  slot->keys = *keys;
  push_version(slot.get(), std::move(data), sequence);
  for (size_t i = 0; i < indexes_.size(); ++i) {
    indexes_[i].emplace(slot->keys[i], slot.get());
  }
  static_cast<void>(slot.release());
}

void TableStore::remove(Transaction* transaction, const std::string& key) {
  update(transaction, key, nullptr);
}

void TableStore::restore(uint64_t id, RowBytes data, const std::vector<std::string>& keys) {
  const std::unique_lock lock(mutex_);
  auto slot = std::make_unique<Slot>();
  slot->id = id;
  slot->head = std::make_unique<Version>();
  slot->head->data = std::move(data);
  slot->head->sequence = 1;
  slot->keys = keys;
  for (size_t i = 0; i < indexes_.size(); ++i) {
    append_id(id, &slot->keys[i]);
    indexes_[i].emplace(slot->keys[i], slot.get());
  }
  static_cast<void>(slot.release());
  next_id_.store(std::max(next_id_.load(), id + 1));
}

bool TableStore::add_index(size_t place, bool unique,
                           const std::function<std::string(const std::string&)>& key_of) {
  const std::unique_lock lock(mutex_);
  Ordered ordered;
  std::string previous;
  bool first = true;
  for (const auto& [clustered, slot] : indexes_[0]) {
    // Versions that are still uncommitted or already dead count with their newest bytes.
    const Version* version = slot->head.get();
    while (version != nullptr && version->data == nullptr) {
      version = version->older.get();
    }
    std::string key = version == nullptr ? std::string() : key_of(*version->data);
    append_id(slot->id, &key);
    ordered.emplace(key, slot);
  }
  for (const auto& [key, slot] : ordered) {
    const std::string bare = key.substr(0, key.size() - sizeof(uint64_t));
    if (slot->head->data == nullptr) {
      continue;
    }
    if (unique && !first && bare == previous) {
      return false;
    }
    previous = bare;
    first = false;
  }
  const auto offset = static_cast<std::ptrdiff_t>(place);
  for (const auto& [key, slot] : ordered) {
    slot->keys.insert(slot->keys.begin() + offset, key);
  }
  indexes_.insert(indexes_.begin() + offset, std::move(ordered));
  unique_.insert(unique_.begin() + offset, unique);
  return true;
}

void TableStore::drop_index(size_t index) {
  const std::unique_lock lock(mutex_);
  const auto offset = static_cast<std::ptrdiff_t>(index);
  for (const auto& [key, slot] : indexes_[0]) {
    slot->keys.erase(slot->keys.begin() + offset);
  }
  indexes_.erase(indexes_.begin() + offset);
  unique_.erase(unique_.begin() + offset);
}

void TableStore::rewrite(const std::function<RowBytes(const RowBytes&)>& change) {
  const std::unique_lock lock(mutex_);
  std::vector<std::pair<Version*, RowBytes>>
      changed;  // `change` may throw: then nothing has happened
  for (const auto& [key, slot] : indexes_[0]) {
    for (Version* version = slot->head.get(); version != nullptr; version = version->older.get()) {
      if (version->data != nullptr) {
        changed.emplace_back(version, change(version->data));
      }
    }
  }
  for (auto& [version, data] : changed) {
    version->data = std::move(data);
  }
}

size_t TableStore::row_count() const {
  const std::shared_lock lock(mutex_);
  return static_cast<size_t>(
      std::count_if(indexes_[0].begin(), indexes_[0].end(),
                    [](const auto& entry) { return entry.second->head->data != nullptr; }));
}

void TableStore::commit_slot(Slot* slot, uint64_t sequence) {
  const std::unique_lock lock(mutex_);
  // A row written twice by one transaction keeps only what it wrote last.
  for (Version* version = slot->head.get();
       version != nullptr && version->sequence == kUncommitted;) {
    version->sequence = sequence;
    while (version->older != nullptr && version->older->sequence == kUncommitted) {
      version->older = std::move(version->older->older);
    }
    version = version->older.get();
  }
}

void TableStore::undo_slot(Slot* slot) {
  const std::unique_lock lock(mutex_);
  slot->head = std::move(slot->head->older);
  if (slot->head == nullptr) {
    unlink(slot);
  }
}

void TableStore::unlock_slot(Slot* slot, uint64_t transaction) {
  const std::unique_lock lock(mutex_);
  if (slot->owner == transaction) {
    slot->owner = 0;
  }
}

void TableStore::prune(const std::string& key, uint64_t oldest_snapshot) {
  const std::unique_lock lock(mutex_);
  const auto it = indexes_[0].find(key);
  if (it == indexes_[0].end()) {
    return;
  }
  Slot* slot = it->second;
  for (Version* version = slot->head.get(); version != nullptr; version = version->older.get()) {
    if (version->sequence <= oldest_snapshot) {
      version->older.reset();
    }
  }
  if (slot->owner == 0 && slot->head->data == nullptr && slot->head->older == nullptr) {
    unlink(slot);
  }
}

void TableStore::unlink(Slot* slot) {
  for (size_t i = 0; i < indexes_.size(); ++i) {
    indexes_[i].erase(slot->keys[i]);
  }
  delete slot;
}

StoredChange TableStore::stored_change(const Slot& slot) const {
  const std::shared_lock lock(mutex_);
  return {table, slot.id, slot.head->data};
}

}  // namespace dstream::standin::sql
