// The copying side of ChangeStream: when rows of tables may leave, and from where their changes go.
#include <algorithm>

#include "plugins/sqlserver_cdc/change_stream.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

// What a scan of the log takes at most unless the job says otherwise (maxtrans).
constexpr int64_t kScanTransactionsMax = 500;

// A scan that began after `first` was seen has come to the end of the log.
bool has_caught_up(const SettleAnswer& first, const SettleAnswer& now) {
  if (now.session == first.session) {
    // The first of two further empty scans may have been under way already.
    return now.session != 0 && now.empty_scans >= first.empty_scans + 2;
  }
  return now.session > first.session && now.is_done && now.transactions < kScanTransactionsMax;
}

}  // namespace

void ChangeStream::begin_copies(const Position& position) {
  for (uint32_t i = 0; i < tables_.size(); ++i) {
    const PositionEntry* known = position.find(tables_[i].facts.name);
    if (known == nullptr && settings_.snapshot != SnapshotMode::kNever) {
      copies_.begin(i, false);
    }
    // Nothing of a table leaves before its beginning is durable: a position without one says that
    // nothing has left.
    if (!copies_.wants(i)) {
      continue;
    }
    const TableCopy* copy = position.copies.find(tables_[i].facts.name);
    if (known == nullptr || known->key.is_beginning()) {
      unanchored_.push_back(i);
    } else if (copy != nullptr && copy->waiting()) {
      // The host may have gone on from a position that it has read and not stored yet.
      announced_.emplace_back(i, tables_[i].complete);
    }
  }
}

void ChangeStream::committed(const Position& position) {
  std::erase_if(announced_, [&](const auto& announced) {
    const auto& [index, beginning] = announced;
    const TableName& name = tables_[index].facts.name;
    const PositionEntry* known = position.find(name);
    const bool durable = known != nullptr && known->key_of(name) >= beginning;
    if (durable) {
      copies_.allow(index);
    }
    return durable;
  });
}

bool ChangeStream::copy_again(const TableName& name) {
  for (uint32_t i = 0; i < tables_.size(); ++i) {
    if (tables_[i].facts.name == name) {
      const bool streams = !copies_.wants(i);
      copies_.begin(i, false);
      if (streams) {
        copies_.allow(i);  // its changes are streamed from a durable position on
      }
      settling_ = {};
      return true;
    }
  }
  return false;
}

void ChangeStream::move_to(const ChangeKey& key, const std::vector<TableName>& names) {
  Group& now = group();
  const auto moves = [&names](const TableName& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (PositionEntry& set : now.sets) {
    std::erase_if(set.tables, moves);
  }
  std::erase_if(now.dormant.tables, moves);
  std::erase_if(now.sets, [](const PositionEntry& set) { return set.tables.empty(); });
  const auto at = std::find_if(now.sets.begin(), now.sets.end(),
                               [&key](const PositionEntry& set) { return set.key >= key; });
  if (at != now.sets.end() && at->key == key) {
    at->add_tables(names);
  } else {
    now.sets.insert(at, {key, {}, 0, 0, {}, time_ms(key.commit)})->add_tables(names);
  }
  for (const uint32_t index : now.tables) {
    if (moves(tables_[index].facts.name)) {
      tables_[index].complete = key;
      tables_[index].told = std::max(tables_[index].told, key.commit);
    }
  }
  if (now.announced > bound_) {
    now.announced = bound_;
    now.announced_ms = time_ms(bound_);
  }
}

// Changes are gone, or are not those that were read: the tables are copied anew.
void ChangeStream::copy_lost(const ProbeAnswer& answer) {
  if (!settings_.copies_gaps) {
    return;
  }
  std::vector<TableName> names;
  for (size_t i = 0; i < answer.tables.size(); ++i) {
    const uint32_t index = group().tables[i];
    Table& table = tables_[index];
    const bool restored = is_beyond(table, answer, i);
    const std::string foreign = std::exchange(table.facts.foreign, {});
    if (!restored && foreign.empty() && answer.tables[i].gap.empty()) {
      continue;
    }
    warnings_.push_back(
        (!foreign.empty() ? foreign
         : restored ? "The database was restored, or CDC enabled anew: " + table.facts.name.text() +
                          " has no changes from its position on."
                    : answer.tables[i].gap) +
        " Its rows are copied again, after a truncation.");
    names.push_back(table.facts.name);
    copies_.begin(index, true);
    ++gap_copies_;
  }
  if (!names.empty()) {
    move_to(bound_.is_zero() ? ChangeKey::beginning() : ChangeKey::end_of(bound_), names);
    settling_ = {};
  }
}

void ChangeStream::start_copies(const ProbeAnswer& answer) {
  for (size_t i = 0; i < answer.tables.size(); ++i) {
    const uint32_t index = group().tables[i];
    const Lsn low = answer.tables[i].low;
    const bool is_new =
        std::find(unanchored_.begin(), unanchored_.end(), index) != unanchored_.end();
    if (is_new && !low.is_zero()) {
      // What is older is in the copy: it is read after the table's capture was enabled.
      const Lsn complete = std::max(bound_, low.previous());
      move_to(ChangeKey::end_of(complete), {tables_[index].facts.name});
      std::erase(unanchored_, index);
      announced_.emplace_back(index, tables_[index].complete);
      announces_ = true;
    } else if (!is_new &&
               std::none_of(announced_.begin(), announced_.end(),
                            [index](const auto& announced) { return announced.first == index; })) {
      copies_.allow(index);
    }
  }
}

dstream_batch* ChangeStream::next_copied(int64_t now_unix_ns, size_t records_max,
                                         const std::shared_ptr<SlabPool>& pool) {
  if (!copies_.active()) {
    return settle(now_unix_ns, pool);
  }
  if (announces_) {
    announces_ = false;
    ChangeBatch batch(pool, 1, now_unix_ns);
    return batch.finish_at(position_with(copies_.position()));
  }
  copies_.take_answers();
  if (copies_.is_behind(fence_)) {
    copies_.request_behind(fence_);
  } else {
    copies_.request(fence_);
  }
  dstream_batch* batch =
      copies_.next_batch(pool, now_unix_ns, records_max,
                         [this](const CopyPosition& copies) { return position_with(copies); });
  if (batch != nullptr) {
    writer_ = make_writer();
  }
  return batch;
}

// The last rows are on their way: are they and the stream at one point in time?
dstream_batch* ChangeStream::settle(int64_t now_unix_ns, const std::shared_ptr<SlabPool>& pool) {
  if (copies_.position().settling.empty()) {
    ended_ = settings_.snapshot == SnapshotMode::kOnly;
    return nullptr;
  }
  if (!settling_.at || !has_passed(*settling_.at)) {
    return nullptr;
  }
  settling_ = {};
  copies_.settled();
  settled_ = true;
  writer_ = make_writer();
  ChangeBatch batch(pool, 1, now_unix_ns);
  return batch.finish_at(position_with(copies_.position()));
}

void ChangeStream::on_answer(const SettleAnswer& answer) {
  settling_.requested = false;
  if (!answer.by_time.is_zero()) {
    settling_.at = answer.by_time;
  } else if (settling_.first && has_caught_up(*settling_.first, answer)) {
    settling_.at = answer.max;
  } else if (!settling_.first && answer.session != 0) {
    settling_.first = answer;
  }
}

bool ChangeStream::has_passed(Lsn lsn) const {
  return phase_ == Phase::kIdle &&
         std::all_of(groups_.begin(), groups_.end(), [lsn](const Group& group) {
           return lsn.is_zero() || group.sets.empty() ||
                  (group.sets[0].key.is_end_of_transaction() && group.sets[0].key.commit >= lsn);
         });
}

std::string ChangeStream::position_with(const CopyPosition& copies) const {
  Position position;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    for (size_t k = 0; k < group.sets.size(); ++k) {
      PositionEntry entry = group.sets[k];
      const bool moved = k == 0 && phase_ == Phase::kReading && i == current_ &&
                         !group.announced.is_zero() &&
                         ChangeKey::end_of(group.announced) > entry.key;
      if (moved) {  // rows leave between transactions only
        entry = {ChangeKey::end_of(group.announced),
                 {},
                 0,
                 0,
                 std::move(entry.tables),
                 group.announced_ms};
      }
      position.entries.push_back(std::move(entry));
    }
    if (!group.dormant.tables.empty()) {
      position.entries.push_back(group.dormant);
    }
  }
  position.copies = copies;
  return position_text(position);
}

}  // namespace dstream::sqlserver
