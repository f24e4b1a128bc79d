#include "plugins/sqlserver_cdc/change_stream.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

constexpr uint32_t kPageRowsMin = 16;
constexpr Millis kCommitWait{60'000};
// Room for the key in front of the table lists, and for the keys of copies behind them.
constexpr size_t kPositionListMax = DSTREAM_MAX_POSITION - 4096;

std::vector<CopyTable> copy_tables(const std::vector<StreamTable>& tables) {
  std::vector<CopyTable> out;
  out.reserve(tables.size());
  for (const StreamTable& table : tables) {
    out.push_back({table.name, table.schema, table.has_copy_key, table.row_bytes, table.copy_key});
  }
  return out;
}

}  // namespace

ChangeStream::Table::Table(StreamTable facts_)
    : facts(std::move(facts_)), json(json_string(facts.name.text())), cursor(facts.name.text()) {}

ChangeStream::ChangeStream(std::vector<StreamTable> tables, const Position& position,
                           const StreamSettings& settings, ChangeFetcher& fetcher,
                           CopyFetcher& copy_fetcher)
    : settings_(settings),
      fetcher_(fetcher),
      copies_(copy_tables(tables), position.copies,
              {settings.page_rows, settings.read_ahead_bytes, settings.copy_connections},
              copy_fetcher) {
  for (StreamTable& table : tables) {
    tables_.emplace_back(std::move(table));
  }
  make_groups(position);
  begin_copies(position);
  announce_schemas();
  for (const TableName& table : copies_.restarted()) {
    warnings_.push_back("The copy of " + table.text() +
                        " begins again: its rows have another key now, and so another order.");
  }
  if (make_writer()->size_max(0) > kPositionListMax) {
    throw SourceError(DSTREAM_CONFIG,
                      "tables: the names of " + std::to_string(tables_.size()) +
                          " tables do not fit into a position (64 KiB). Read them with two "
                          "pipelines.");
  }
}

void ChangeStream::make_groups(const Position& position) {
  std::map<std::pair<Millis, Millis>, std::vector<uint32_t>> by_interval;
  for (uint32_t i = 0; i < tables_.size(); ++i) {
    const StreamTable& facts = tables_[i].facts;
    by_interval[{facts.poll_interval, facts.max_poll_interval}].push_back(i);
  }
  for (const auto& [intervals, tables] : by_interval) {
    add_group(tables, position);
  }
}

void ChangeStream::add_group(const std::vector<uint32_t>& tables, const Position& position) {
  const StreamTable& first = tables_[tables.front()].facts;
  Group group{PollSchedule(first.poll_interval, first.max_poll_interval), tables, {}, {}, {}, 0};
  std::map<std::pair<ChangeKey, std::optional<TableName>>, PositionEntry> sets;
  for (const uint32_t index : tables) {
    const TableName& name = tables_[index].facts.name;
    const PositionEntry* known = position.find(name);
    const PositionEntry start = known == nullptr ? PositionEntry{} : *known;
    PositionEntry& set = sets[{start.key, start.last}];
    if (set.tables.empty()) {
      set = start;
      set.tables.clear();
    }
    set.tables.push_back(name);
    tables_[index].complete = start.key_of(name);
  }
  for (auto& [key, set] : sets) {
    group.sets.push_back(std::move(set));
  }
  if (group.sets.size() == 1 && group.sets[0].key.is_end_of_transaction()) {
    group.announced = group.sets[0].key.commit;
    group.announced_ms = group.sets[0].time_ms;
  }
  groups_.push_back(std::move(group));
}

std::vector<std::vector<uint32_t>> ChangeStream::groups() const {
  std::vector<std::vector<uint32_t>> all;
  for (const Group& group : groups_) {
    all.push_back(group.tables);
  }
  return all;
}

dstream_batch* ChangeStream::step(Millis now, int64_t now_unix_ns, size_t records_max,
                                  const std::shared_ptr<SlabPool>& pool) {
  const auto wait = [this](Millis until, dstream_batch* batch) {
    wait_ = {until == Millis(0) || copies_.waits_for_fetch(), until};
    return batch;
  };
  for (;;) {
    if (is_outdated_) {
      return wait(now, nullptr);
    }
    if (phase_ == Phase::kIdle && !announcements_.empty()) {
      return wait(now, next_announcement(now_unix_ns, records_max, pool));
    }
    if (phase_ == Phase::kIdle && !begin_round(now)) {
      const Millis due = wait_.until;
      return wait(due, next_copied(now_unix_ns, records_max, pool));
    }
    if (phase_ == Phase::kProbing) {
      request_probe(now);
    }
    take_answers();
    if (is_outdated_) {
      return wait(now, nullptr);
    }
    if (phase_ == Phase::kProbing) {
      return wait(Millis(0), next_copied(now_unix_ns, records_max, pool));
    }
    // The fence: rows that were asked for before changes up to this bound could leave go first.
    if (copies_.is_behind(bound_)) {
      dstream_batch* copied = next_copied(now_unix_ns, records_max, pool);
      if (copied != nullptr || copies_.is_behind(bound_)) {
        return wait(Millis(0), copied);
      }
    }
    dstream_batch* batch = read_round(now_unix_ns, records_max, pool);
    if (batch == nullptr && !in_transaction_) {
      batch = next_copied(now_unix_ns, records_max, pool);
    }
    if (batch != nullptr || phase_ == Phase::kReading) {
      return wait(Millis(0), batch);
    }
  }
}

bool ChangeStream::begin_round(Millis now) {
  if (!announced_.empty()) {
    // The beginning of new tables is not durable yet: what they changed since must not leave.
    // committed() comes between two reads.
    wait_ = {false, now + kCommitWait};
    return false;
  }
  const auto earliest = std::min_element(
      groups_.begin(), groups_.end(),
      [](const Group& a, const Group& b) { return a.schedule.due() < b.schedule.due(); });
  if (earliest->schedule.due() > now) {
    wait_ = {false, earliest->schedule.due()};
    return false;
  }
  current_ = static_cast<size_t>(earliest - groups_.begin());
  started_ = now;
  phase_ = Phase::kProbing;
  return true;
}

void ChangeStream::request_probe(Millis now) {
  if (probe_requested_) {
    return;
  }
  ProbeRequest request;
  request.group = static_cast<uint32_t>(current_);
  request.reports_gaps = settings_.copies_gaps;
  request.asks_names = wants_names(now);
  request.times_from = Lsn::max();
  for (const uint32_t index : group().tables) {
    const ChangeKey& complete = tables_[index].complete;
    request.complete.push_back(complete);
    // What happened to a table before its beginning is in its copy.
    const bool begins =
        std::find(unanchored_.begin(), unanchored_.end(), index) != unanchored_.end();
    request.told.push_back(begins ? Lsn::max() : tables_[index].told);
    request.times_from = std::min(request.times_from, complete.first_needed());
  }
  if (lags_.wants_scans(now)) {
    // In front, so that its answer is there when the round begins.
    scans_requested_ = now;
    fetcher_.submit(ScanRequest{});
  }
  fetcher_.submit(std::move(request));
  probe_requested_ = true;
  probed_ = now;
  const std::string& settling = copies_.position().settling;
  if (!copies_.active() && !settling.empty() && !settling_.at && !settling_.requested) {
    settling_.requested = true;
    fetcher_.submit(SettleRequest{settling});
  }
}

void ChangeStream::take_answers() {
  try {
    while (const std::unique_ptr<FetchAnswer> answer = fetcher_.take()) {
      std::visit([this](auto& taken) { on_answer(std::move(taken)); }, *answer);
    }
  } catch (const SourceError& error) {
    // The fetcher has forgotten what was asked; the next step() asks for what is still missing.
    probe_requested_ = false;
    times_requested_ = false;
    settling_.requested = false;
    for (const uint32_t index : active_) {
      tables_[index].requested = false;
    }
    if (error.status == DSTREAM_DATA_LOSS && settings_.copies_gaps) {
      // Found between two probes: the first one after opening says which tables are copied.
      throw SourceError(DSTREAM_REOPEN, error.what());
    }
    throw;
  }
}

void ChangeStream::check_maximum(const ProbeAnswer& answer) const {
  if (settings_.copies_gaps) {
    return;  // copy_lost() looks at each table
  }
  for (size_t i = 0; i < answer.tables.size(); ++i) {
    const Table& table = tables_[groups_[current_].tables[i]];
    if (!table.facts.foreign.empty()) {
      throw SourceError(DSTREAM_DATA_LOSS, table.facts.foreign);
    }
    if (!is_beyond(table, answer, i)) {
      continue;
    }
    const Lsn position = table.complete.commit;
    throw SourceError(
        DSTREAM_DATA_LOSS,
        "The stored position (commit LSN " + position.text() +
            ") lies beyond everything this database has captured (" +
            (answer.max.is_zero() ? "nothing" : "up to " + answer.max.text()) +
            "). The database was restored to an earlier time, or CDC was enabled anew: the "
            "changes since " +
            position.text() + " are not the ones that were read.");
  }
}

// A position that no captured change can have had; but for that of a table whose capture is about
// to begin exactly there.
bool ChangeStream::is_beyond(const Table& table, const ProbeAnswer& answer, size_t index) {
  const ChangeKey& complete = table.complete;
  return !complete.is_beginning() && complete.commit > answer.max &&
         complete.first_needed() != answer.tables[index].low;
}

void ChangeStream::sort_dormant(const ProbeAnswer& answer) {
  Group& now = group();
  std::vector<TableName> waking;
  for (size_t i = 0; i < now.tables.size(); ++i) {
    const Table& table = tables_[now.tables[i]];
    if (!table.complete.is_beginning()) {
      continue;
    }
    const Lsn low = answer.tables[i].low;
    const bool established = !low.is_zero() && low <= bound_.next();
    const TableName& name = table.facts.name;
    const auto at = std::lower_bound(now.dormant.tables.begin(), now.dormant.tables.end(), name);
    const bool dormant = at != now.dormant.tables.end() && *at == name;
    if (established && dormant) {
      now.dormant.tables.erase(at);
      waking.push_back(name);
    } else if (!established && !dormant) {
      now.dormant.tables.insert(at, name);
      std::erase(now.sets.front().tables, name);
    }
  }
  if (!waking.empty()) {
    if (now.sets.empty() || !now.sets.front().key.is_beginning()) {
      now.sets.insert(now.sets.begin(), PositionEntry{});
    }
    now.sets.front().add_tables(waking);
  }
  std::erase_if(now.sets, [](const PositionEntry& set) { return set.tables.empty(); });
}

void ChangeStream::on_answer(ProbeAnswer answer) {
  probe_requested_ = false;
  check_maximum(answer);
  note_catalog(answer);
  if (is_outdated_by(answer)) {
    is_outdated_ = true;
    phase_ = Phase::kIdle;
    return;
  }
  bound_ = bound_for(answer);
  utc_offset_ns_ = answer.utc_offset_ns;
  fence_ = std::max(fence_, bound_);
  const Lsn covered = answer.times_complete  ? bound_
                      : answer.times.empty() ? Lsn{}
                                             : answer.times.back().commit;
  times_.reset(std::move(answer.times), covered);
  copy_lost(answer);
  start_copies(answer);
  sort_dormant(answer);
  active_.clear();
  heap_.clear();
  waiting_ = 0;
  Lsn oldest = Lsn::max();
  for (size_t i = 0; i < answer.tables.size(); ++i) {
    const uint32_t index = group().tables[i];
    Table& table = tables_[index];
    const Lsn newest = answer.tables[i].newest;
    const Lsn needed = table.complete.first_needed();
    if (!newest.is_zero() && newest >= needed && bound_ >= needed) {
      active_.push_back(index);
      table.cursor.start(table.complete);
      table.requested = false;
      ++waiting_;
      oldest = std::min(oldest, std::max(needed, answer.tables[i].low));
    }
  }
  schedule_next(bound_ != answer.max);
  group().looked = probed_;
  lags_.probed(probed_, answer.server_time_ns, answer.newest_time_ns);
  lags_.left(active_.empty() ? 0 : times_.first_from(oldest));
  counted_ = {};
  commit_ms_ = 0;
  if (!group().sets.empty()) {
    const PositionEntry& moving = group().sets.front();
    counted_ = moving.key;
    transaction_count_ = moving.transaction_count;
    serial_ = moving.serial;
  }
  writer_ = make_writer();
  phase_ = Phase::kReading;
  note_next_look();
}

void ChangeStream::on_answer(const ScanAnswer& answer) {
  lags_.scanned(scans_requested_, answer);
  for (Group& group : groups_) {
    group.rhythm.learn(scans_requested_, answer.newest);
  }
}

void ChangeStream::schedule_next(bool is_cut) {
  Group& now = group();
  const bool found = !active_.empty();
  if (found) {
    now.schedule.changed(started_);
  } else {
    now.schedule.idle(started_);
  }
  if (is_cut) {
    now.schedule.move_to(started_);  // there is more already
  } else if (settings_.poll == PollMode::kAdaptive) {
    now.schedule.move_to(now.rhythm.place(started_, now.schedule.due(), found));
  }
}

void ChangeStream::note_next_look() {
  Millis due = Millis::max();
  Millis last = probed_;
  for (size_t i = 0; i < groups_.size(); ++i) {
    const Group& group = groups_[i];
    if ((phase_ != Phase::kReading || i != current_) && group.schedule.due() < due) {
      due = group.schedule.due();
      last = group.looked;
    }
  }
  lags_.next_look(due, last);
}

void ChangeStream::on_answer(PageAnswer answer) {
  Table& table = tables_[answer.table];
  const uint32_t index = answer.table;
  table.requested = false;
  if (answer.rows > 0) {
    table.facts.row_bytes = std::max<size_t>(answer.bytes / answer.rows, 1);
  }
  const bool was_waiting = table.cursor.state() == TableCursor::State::kNeedsPage;
  table.cursor.add(std::move(answer));
  if (was_waiting) {
    --waiting_;
    push_head(index);
  }
}

void ChangeStream::on_answer(TimesAnswer answer) {
  times_requested_ = false;
  // However little arrived, the transaction that asked is covered: it goes without a time then.
  times_.reset(std::move(answer.times), std::max(answer.covered, pending_.key.commit));
}

uint32_t ChangeStream::page_rows_for(const Table& table) const {
  const size_t share = settings_.read_ahead_bytes / (2 * active_.size());
  const size_t rows = share / std::max<size_t>(table.facts.row_bytes, 1);
  const uint32_t low = std::min(kPageRowsMin, settings_.page_rows);
  return static_cast<uint32_t>(std::clamp<size_t>(rows, low, settings_.page_rows));
}

void ChangeStream::request_pages() {
  size_t bytes = 0;
  for (const uint32_t index : active_) {
    const Table& table = tables_[index];
    bytes += table.cursor.buffered_bytes();
    if (table.requested) {
      bytes += page_rows_for(table) * table.facts.row_bytes;
    }
  }
  for (const uint32_t index : active_) {
    Table& table = tables_[index];
    if (table.requested || table.cursor.complete()) {
      continue;
    }
    const uint32_t rows = page_rows_for(table);
    const size_t page_bytes = rows * table.facts.row_bytes;
    const bool needed = table.cursor.state() == TableCursor::State::kNeedsPage;
    if (!needed && bytes + page_bytes > settings_.read_ahead_bytes) {
      continue;
    }
    bytes += page_bytes;
    table.requested = true;
    fetcher_.submit(PageRequest{index, table.cursor.end(), bound_, rows, table.cursor.next_scope(),
                                table.facts.row_bytes});
  }
}

}  // namespace dstream::sqlserver
