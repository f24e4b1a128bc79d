#include "plugins/sqlserver_cdc/copies.h"

#include <algorithm>
#include <utility>

#include "plugins/sqlserver_cdc/copy_key.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

constexpr uint32_t kChunkRowsMin = 16;
constexpr size_t kBatchRecordsMax = 512;  // as ChangeStream's

}  // namespace

Copies::Copies(std::vector<CopyTable> tables, CopyPosition position, const CopySettings& settings,
               CopyFetcher& fetcher)
    : settings_(settings),
      fetcher_(fetcher),
      tables_(std::move(tables)),
      position_(std::move(position)) {
  std::erase_if(position_.tables, [this](const TableCopy& stored) {
    const auto at = std::find_if(tables_.begin(), tables_.end(), [&](const CopyTable& table) {
      return table.name == stored.table;
    });
    if (at == tables_.end()) {
      return true;  // no longer in the file
    }
    copies_.emplace_back().table = static_cast<uint32_t>(at - tables_.begin());
    return false;
  });
  for (Copy& copy : copies_) {
    check_key(copy.table);
    restart(copy);
  }
}

// Rows of another order are not behind those that were delivered. All of them are read again: what
// changed since the beginning is streamed.
void Copies::check_key(uint32_t table) {
  TableCopy& known = stored(table);
  const std::vector<std::string>& now = tables_[table].key;
  if (!known.after.empty() && !known.key.empty() && known.key != now) {
    known.after.clear();
    known.rows = 0;
    restarted_.push_back(known.table);
  }
  known.key = now;
}

TableCopy& Copies::stored(uint32_t table) {
  const TableName& name = tables_[table].name;
  const auto at = std::lower_bound(
      position_.tables.begin(), position_.tables.end(), name,
      [](const TableCopy& copy, const TableName& key) { return copy.table < key; });
  if (at != position_.tables.end() && at->table == name) {
    return *at;
  }
  return *position_.tables.insert(at, {name, {}, 0, false, {}});
}

Copies::Copy* Copies::find(uint32_t table) {
  const auto at = std::find_if(copies_.begin(), copies_.end(),
                               [table](const Copy& copy) { return copy.table == table; });
  return at == copies_.end() ? nullptr : &*at;
}

// From the last row that was delivered; from the first one where rows cannot be told apart.
void Copies::restart(Copy& copy) {
  TableCopy& known = stored(copy.table);
  const bool has_key = tables_[copy.table].has_key;
  if (!has_key) {
    known.after.clear();
    known.rows = 0;
  }
  copy.ranges.clear();
  copy.dividing = 0;
  copy.is_divided = false;
  Range& range = copy.ranges.emplace_back();
  range.after = known.after;
  range.from_start = !has_key;
}

void Copies::begin(uint32_t table, bool truncate) {
  TableCopy& known = stored(table);
  known.after.clear();
  known.rows = 0;
  known.truncate = known.truncate || truncate;
  Copy* copy = find(table);
  if (copy == nullptr) {
    copy = &copies_.emplace_back();
    copy->table = table;
  }
  copy->estimated = copy->is_large = false;
  restart(*copy);
}

void Copies::allow(uint32_t table) {
  if (Copy* copy = find(table)) {
    copy->allowed = true;
  }
}

bool Copies::wants(uint32_t table) const {
  return std::any_of(copies_.begin(), copies_.end(),
                     [table](const Copy& copy) { return copy.table == table; });
}

bool Copies::is_behind(const Range& range, Lsn bound) {
  return (range.requested || range.answer || range.continues) && range.low < bound;
}

bool Copies::is_behind(Lsn bound) const {
  return std::any_of(copies_.begin(), copies_.end(), [bound](const Copy& copy) {
    return std::any_of(copy.ranges.begin(), copy.ranges.end(),
                       [bound](const Range& range) { return is_behind(range, bound); });
  });
}

void Copies::take_answers() {
  try {
    while (const std::unique_ptr<CopyAnswer> answer = fetcher_.take()) {
      --requested_;
      std::visit([this](auto& taken) { on_answer(std::move(taken)); }, *answer);
    }
  } catch (const SourceError&) {
    forget_requests();
    throw;
  }
}

// The fetcher has forgotten what was asked: it is asked for again.
void Copies::forget_requests() {
  requested_ = 0;
  for (Copy& copy : copies_) {
    const bool has_key = tables_[copy.table].has_key;
    bool lost = false;
    copy.dividing = 0;
    for (Range& range : copy.ranges) {
      lost = lost || range.requested;
      range.requested = false;
    }
    if (!has_key && lost) {
      restart(copy);
    }
  }
}

void Copies::on_answer(ChunkAnswer answer) {
  Copy* copy = find(answer.table);
  if (copy == nullptr) {
    return;
  }
  auto& ranges = copy->ranges;
  const auto at = std::find_if(ranges.begin(), ranges.end(), [&](const Range& range) {
    return range.requested && range.id == answer.id;
  });
  if (at == ranges.end()) {
    return;  // of a copy that was begun anew
  }
  at->requested = false;
  if (answer.locked) {
    return;
  }
  CopyTable& table = tables_[answer.table];
  if (answer.rows > 0) {
    table.row_bytes = std::max<size_t>(answer.bytes / answer.rows, 1);
  }
  ++progress_.chunks;
  if (!answer.complete) {
    if (answer.rows == 0) {
      throw SourceError(DSTREAM_FATAL,
                        "A chunk of " + table.name.text() + " is empty and not the last one.");
    }
    copy->is_large = true;
    Range rest;
    rest.low = at->low;
    rest.continues = !table.has_key;
    rest.statement = at->statement;
    if (table.has_key) {
      rest.after = key_of(answer.chunks.back()->rows.back().values, *table.schema);
    }
    rest.upto = std::exchange(at->upto, {});
    at->answer = std::move(answer);
    ranges.insert(at + 1, std::move(rest));
    return;
  }
  at->answer = std::move(answer);
}

void Copies::on_answer(const BoundaryAnswer& answer) {
  Copy* copy = find(answer.table);
  if (copy == nullptr || copy->dividing != answer.id) {
    return;
  }
  copy->dividing = 0;
  copy->is_divided = answer.key.empty();
  if (!copy->is_divided) {
    copy->ranges.back().upto = answer.key;
    copy->ranges.emplace_back().after = answer.key;
  }
}

void Copies::on_answer(const EstimateAnswer& answer) {
  if (Copy* copy = find(answer.table)) {
    copy->estimate = answer.rows;
  }
}

uint32_t Copies::rows_for(uint32_t table) const {
  const size_t share = settings_.read_ahead_bytes / (2 * settings_.connections);
  const size_t rows = share / std::max<size_t>(tables_[table].row_bytes, 1);
  return static_cast<uint32_t>(std::clamp<size_t>(
      rows, std::min(kChunkRowsMin, settings_.chunk_rows), settings_.chunk_rows));
}

size_t Copies::held_bytes() const {
  size_t bytes = 0;
  for (const Copy& copy : copies_) {
    for (const Range& range : copy.ranges) {
      bytes += range.answer      ? range.answer->bytes
               : range.requested ? rows_for(copy.table) * tables_[copy.table].row_bytes
                                 : 0;
    }
  }
  return bytes;
}

bool Copies::has_room(uint32_t table) const {
  const size_t held = held_bytes();
  return held == 0 ||
         held + rows_for(table) * tables_[table].row_bytes <= settings_.read_ahead_bytes;
}

size_t Copies::under_way() const { return std::min<size_t>(copies_.size(), settings_.connections); }

void Copies::request(Lsn low) {
  for (size_t i = 0; i < under_way(); ++i) {
    Copy& copy = copies_[i];
    if (!copy.allowed) {
      continue;
    }
    if (!copy.estimated) {
      copy.estimated = true;
      ++requested_;
      fetcher_.submit(EstimateRequest{copy.table});
    }
    for (size_t k = 0; k + 1 < copy.ranges.size(); ++k) {
      request_range(copy, copy.ranges[k], low);
    }
    request_tail(copy, low);
  }
}

void Copies::request_behind(Lsn low) {
  for (size_t i = 0; i < under_way(); ++i) {
    auto& ranges = copies_[i].ranges;
    const auto last = std::find_if(ranges.rbegin(), ranges.rend(),
                                   [low](const Range& range) { return is_behind(range, low); });
    for (auto at = last; at != ranges.rend(); ++at) {
      request_range(copies_[i], *at, low);
    }
  }
}

void Copies::request_range(const Copy& copy, Range& range, Lsn low) {
  if (range.requested || range.answer || !has_room(copy.table)) {
    return;
  }
  range.id = ++last_id_;
  range.statement = range.from_start ? range.id : range.statement;
  range.low = range.continues ? range.low : low;
  range.requested = true;
  ++requested_;
  // Twice as many as the boundary was set for: rows may have been inserted since.
  const uint32_t rows = rows_for(copy.table) * (range.upto.empty() ? 1 : 2);
  fetcher_.submit(ChunkRequest{copy.table, range.id, range.after, range.upto, range.low, rows,
                               !tables_[copy.table].has_key, range.from_start, range.statement});
}

// The last range reaches to the end of the table. It is read from its beginning, or divided first
// where connections would have nothing to do otherwise.
void Copies::request_tail(Copy& copy, Lsn low) {
  Range& tail = copy.ranges.back();
  if (tail.answer || tail.requested || copy.dividing != 0) {
    return;
  }
  const bool divide = copy.is_large && !copy.is_divided && tables_[copy.table].has_key &&
                      under_way() < settings_.connections;
  if (!divide) {
    request_range(copy, tail, low);
  } else if (copy.ranges.size() <= 2 * size_t{settings_.connections}) {
    copy.dividing = ++last_id_;
    ++requested_;
    fetcher_.submit(BoundaryRequest{copy.table, last_id_, tail.after, rows_for(copy.table)});
  }
}

dstream_batch* Copies::next_batch(const std::shared_ptr<SlabPool>& pool, int64_t now_unix_ns,
                                  size_t records_max, const PositionText& position) {
  for (size_t i = 0; i < under_way(); ++i) {
    Copy& copy = copies_[i];
    const bool ready = copy.allowed && (stored(copy.table).truncate ||
                                        (!copy.ranges.empty() && copy.ranges.front().answer));
    if (!ready) {
      continue;
    }
    ChangeBatch batch(pool, std::min(records_max, kBatchRecordsMax), now_unix_ns);
    if (!advance(copy, batch)) {
      continue;
    }
    if (copy.ranges.empty()) {
      const TableName name = tables_[copy.table].name;
      std::erase_if(done_, [&](const TableProgress& table) { return table.table == name; });
      done_.push_back({name, TableProgress::State::kDone, stored(copy.table).rows, 0});
      std::erase_if(position_.tables, [&](const TableCopy& known) { return known.table == name; });
      copies_.erase(copies_.begin() + static_cast<std::ptrdiff_t>(i));
      ++progress_.tables_copied;
      if (copies_.empty()) {
        batch.mark_snapshot_end();
      }
    }
    return batch.finish_at(position(position_));
  }
  return nullptr;
}

bool Copies::advance(Copy& copy, ChangeBatch& batch) {
  TableCopy& known = stored(copy.table);
  if (known.truncate) {
    known.truncate = false;
    batch.add_truncate(tables_[copy.table].schema);
    return true;
  }
  while (batch.has_room() && !copy.ranges.empty() && copy.ranges.front().answer) {
    Range& range = copy.ranges.front();
    add_rows(copy, range, batch);
    if (range.chunk < range.answer->chunks.size()) {
      break;
    }
    // ISO 8601 text of one length: the later time is the greater text.
    position_.settling = std::max(position_.settling, range.answer->read_at);
    copy.ranges.pop_front();
  }
  return !batch.empty() || copy.ranges.empty();
}

void Copies::add_rows(const Copy& copy, Range& range, ChangeBatch& batch) {
  const CopyTable& table = tables_[copy.table];
  const ChunkAnswer& answer = *range.answer;
  TableCopy& known = stored(copy.table);
  const dstream_value* last = nullptr;
  while (batch.has_room() && range.chunk < answer.chunks.size()) {
    const ChunkPointer& chunk = answer.chunks[range.chunk];
    last = chunk->rows[range.row].values;
    batch.add_copied({table.schema, last, chunk, range.low, answer.read_time_ns});
    ++known.rows;
    ++progress_.rows;
    if (++range.row == chunk->rows.size()) {
      range.row = 0;
      ++range.chunk;
    }
  }
  if (last != nullptr && table.has_key) {
    known.after = key_of(last, *table.schema);
    known.key = table.key;
  }
}

std::vector<TableProgress> Copies::tables() const {
  std::vector<TableProgress> out = done_;
  for (const Copy& copy : copies_) {
    const TableCopy* known = position_.find(tables_[copy.table].name);
    const uint64_t rows = known == nullptr ? 0 : known->rows;
    const bool running = rows > 0 || copy.estimated;
    out.push_back({tables_[copy.table].name,
                   running ? TableProgress::State::kRunning : TableProgress::State::kWaiting, rows,
                   std::max(copy.estimate, rows)});
  }
  return out;
}

CopyProgress Copies::progress() const {
  CopyProgress out = progress_;
  out.tables_left = static_cast<uint32_t>(copies_.size());
  return out;
}

}  // namespace dstream::sqlserver
