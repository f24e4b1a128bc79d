// The merging half of ChangeStream: from pages to batches.
#include <algorithm>
#include <tuple>

#include "plugins/sqlserver_cdc/change_stream.h"

namespace dstream::sqlserver {
namespace {

constexpr size_t kBatchRecordsMax = 512;  // their fixed parts fill one slab

// Sets are ordered as changes are: by key, then by the table of the last change.
bool before(const PositionEntry& set, const ChangeKey& key, const std::optional<TableName>& last) {
  return std::tie(set.key, set.last) < std::tie(key, last);
}

// Copies a change without touching the counters of chunks that stay the same.
void assign(Change& to, const Change& from) {
  to.key = from.key;
  to.op = from.op;
  to.before = from.before;
  to.after = from.after;
  to.bytes = from.bytes;
  if (to.chunk != from.chunk) {
    to.chunk = from.chunk;
  }
  if (to.before_chunk != from.before_chunk) {
    to.before_chunk = from.before_chunk;
  }
}

}  // namespace

size_t ChangeStream::available() const {
  size_t rows = has_pending_ ? 1 : 0;
  for (const uint32_t index : active_) {
    const TableCursor& cursor = tables_[index].cursor;
    rows += cursor.buffered_rows() + (cursor.state() == TableCursor::State::kReady ? 1 : 0);
  }
  return rows;
}

dstream_batch* ChangeStream::read_round(int64_t now_unix_ns, size_t records_max,
                                        const std::shared_ptr<SlabPool>& pool) {
  request_pages();
  take_answers();
  if (waiting_ > 0) {
    return nullptr;
  }
  // One more for the watermark that may end the round.
  const size_t room = std::min({available() + 1, records_max, kBatchRecordsMax});
  ChangeBatch batch(pool, room, now_unix_ns);
  if (merge(batch) && batch.has_room()) {
    end_round(&batch);
  }
  if (phase_ == Phase::kReading) {
    request_pages();
  }
  return batch.empty() ? nullptr : batch.finish();
}

// True if the round has nothing more to give.
bool ChangeStream::merge(ChangeBatch& batch) {
  while (batch.has_room()) {
    if (waiting_ > 0) {
      return false;
    }
    if (heap_.empty()) {
      return !has_pending_ || flush(batch, true);
    }
    if (has_pending_) {
      const Lsn next = tables_[heap_.front()].cursor.head().key.commit;
      if (!flush(batch, next != pending_.key.commit)) {
        return false;
      }
    }
    take_head();
  }
  return heap_.empty() && waiting_ == 0 && !has_pending_;
}

// Puts the pending change into the batch. False if its commit time has to be fetched first.
bool ChangeStream::flush(ChangeBatch& batch, bool transaction_end) {
  const ChangeKey& key = pending_.key;
  if (!times_.covers(key.commit)) {
    // Answers are not taken here: one that fails would throw away what the batch holds already.
    if (!times_requested_) {
      fetcher_.submit(TimesRequest{key.commit, bound_});
      times_requested_ = true;
    }
    return false;
  }
  const Table& table = tables_[pending_table_];
  if (group().sets.size() > 1) {
    join_sets_before(key, table.facts.name);
  }
  const bool same_transaction = counted_.commit == key.commit;
  transaction_count_ = same_transaction ? transaction_count_ + 1 : 1;
  const uint32_t rows = pending_.op == DSTREAM_OP_UPDATE ? 2 : 1;
  serial_ = same_transaction && counted_.sequence == key.sequence ? serial_ + rows : rows;
  counted_ = key;
  const int64_t time_ns = times_.find(key.commit);
  if (!same_transaction || commit_ms_ == 0) {
    commit_ms_ = time_ms(key.commit);
  }
  if (time_ns != 0) {
    lags_.left(time_ns);
  }
  batch.add(pending_,
            {table.facts.schema, table.json, transaction_count_, serial_, transaction_end, time_ns,
             commit_ms_},
            writer_);
  in_transaction_ = !transaction_end;
  if (transaction_end) {
    group().announced = key.commit;
    group().announced_ms = commit_ms_;
  }
  has_pending_ = false;
  return true;
}

bool ChangeStream::later(uint32_t left, uint32_t right) const {
  const ChangeKey& a = tables_[left].cursor.head().key;
  const ChangeKey& b = tables_[right].cursor.head().key;
  const auto order = a <=> b;
  return order == 0 ? left > right : order > 0;
}

void ChangeStream::push_head(uint32_t index) {
  const TableCursor::State state = tables_[index].cursor.state();
  if (state == TableCursor::State::kNeedsPage) {
    ++waiting_;
  } else if (state == TableCursor::State::kReady) {
    heap_.push_back(index);
    std::push_heap(heap_.begin(), heap_.end(),
                   [this](uint32_t left, uint32_t right) { return later(left, right); });
  }
}

void ChangeStream::take_head() {
  std::pop_heap(heap_.begin(), heap_.end(),
                [this](uint32_t left, uint32_t right) { return later(left, right); });
  const uint32_t index = heap_.back();
  heap_.pop_back();
  assign(pending_, tables_[index].cursor.head());
  pending_table_ = index;
  has_pending_ = true;
  tables_[index].cursor.advance();
  push_head(index);
}

void ChangeStream::end_round(ChangeBatch* batch) {
  Group& now = group();
  const ChangeKey end = ChangeKey::end_of(bound_);
  for (const uint32_t index : now.tables) {
    Table& table = tables_[index];
    const auto& dormant = now.dormant.tables;
    if (!bound_.is_zero() && table.complete < end &&
        !std::binary_search(dormant.begin(), dormant.end(), table.facts.name)) {
      table.complete = end;
    }
  }
  if (!now.sets.empty() && !bound_.is_zero() && now.sets.front().key <= end) {
    PositionEntry all;
    all.key = end;
    all.time_ms = now.sets.front().key == end ? now.sets.front().time_ms : time_ms(bound_);
    const auto beyond = std::find_if(now.sets.begin(), now.sets.end(),
                                     [&end](const PositionEntry& set) { return set.key > end; });
    std::for_each(now.sets.begin(), beyond,
                  [&all](const PositionEntry& set) { all.add_tables(set.tables); });
    now.sets.erase(now.sets.begin(), beyond);
    now.sets.insert(now.sets.begin(), std::move(all));
    if (now.announced < bound_) {
      // Nothing else says that the tables are complete up to the bound.
      now.announced = bound_;
      now.announced_ms = time_ms(bound_);
      batch->add_watermark(bound_, now.announced_ms, *make_writer());
    }
  }
  pending_.chunk.reset();
  pending_.before_chunk.reset();
  active_.clear();
  phase_ = Phase::kIdle;
  lags_.left(0);
  end_of_definitions();
  note_next_look();
}

int64_t ChangeStream::time_ms(Lsn commit) {
  const int64_t time_ns = times_.covers(commit) ? times_.find(commit) : 0;
  return time_ns == 0 ? 0 : datetime_ms(time_ns + utc_offset_ns_);
}

void ChangeStream::join_sets_before(const ChangeKey& key, const TableName& name) {
  auto& sets = group().sets;
  bool joined = false;
  while (sets.size() > 1 && before(sets[1], key, name)) {
    sets[0].add_tables(sets[1].tables);
    sets.erase(sets.begin() + 1);
    joined = true;
  }
  if (joined) {
    writer_ = make_writer();
  }
}

std::shared_ptr<const PositionWriter> ChangeStream::make_writer() const {
  std::vector<TableName> moving;
  std::vector<PositionEntry> others;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    for (size_t k = 0; k < group.sets.size(); ++k) {
      if (i == current_ && k == 0) {
        moving = group.sets[k].tables;
      } else {
        others.push_back(group.sets[k]);
      }
    }
    if (!group.dormant.tables.empty()) {
      others.push_back(group.dormant);
    }
  }
  return std::make_shared<const PositionWriter>(moving, others, copies_.position());
}

}  // namespace dstream::sqlserver
