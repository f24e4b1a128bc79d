// Tables whose definitions change, with up to two capture instances each, behind the ChangeFetcher
// interface, for tests: DDL, instances that begin late and are dropped, a capture job that follows
// when the test says so.
//
// A change is a row whose only value is a number of its own. LSNs count log entries. Rows stay;
// they can be copied, in the order of the numbers or, by every other instance, in one that has
// nothing to do with it.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/copy_fetcher.h"
#include "plugins/sqlserver_cdc/instances.h"
#include "plugins/sqlserver_cdc/memory_change_tables.h"
#include "plugins/sqlserver_cdc/source_error.h"
#include "plugins/sqlserver_cdc/table_schema.h"

namespace dstream::sqlserver {

struct MemoryInstance {
  InstanceRow row;    // start: as cleanup has left it
  size_t table = 0;   // also source_object_id
  Lsn began;          // start when it was established; zero: not yet
  int64_t shape = 0;  // changes in place with an ALTER COLUMN
  std::map<ChangeKey, int64_t> changes;
  std::vector<Definition> definitions;
  Lsn altered;

  Lsn newest_definition() const { return definitions.empty() ? Lsn{} : definitions.back().lsn; }
  // What rows are copied by: keys of one instance mean nothing to the next.
  bool is_scattered() const { return row.object_id % 2 == 0; }
  std::string key() const { return is_scattered() ? "scattered" : "ascending"; }
  // The schema of its records tells instance and shape.
  std::string column() const {
    return "of_" + std::to_string(row.object_id) + "_" + std::to_string(shape);
  }
};

// What a stream was made with: an instance for each table.
struct MemoryCatalog {
  std::vector<int64_t> instances;  // object ids
  std::vector<Lsn> definitions;    // newest of each that is known
};

class MemoryInstances {
 public:
  MemoryInstances(uint64_t seed, size_t table_count) : random_(seed), table_count_(table_count) {
    present_.resize(table_count);
    for (size_t i = 0; i < table_count; ++i) {
      enable(i);
    }
  }

  std::deque<MemoryInstance> instances;  // in the order of creation; dropped ones are gone

  // One transaction of changes of a few tables.
  void write() {
    Entry entry;
    entry.tick = ++tick_;
    for (uint64_t left = 1 + random_() % 4; left > 0; --left) {
      entry.changes.emplace_back(random_() % table_count_, ++value_);
      present_[entry.changes.back().first].push_back(value_);
    }
    log_.push_back(std::move(entry));
  }
  // DDL, alone or within a transaction of changes.
  void define() {
    if (random_() % 2 == 0 || log_.empty() || log_.back().enables) {
      log_.emplace_back();
    }
    log_.back().defines = random_() % table_count_;
    log_.back().alters = random_() % 3 == 0;
  }
  bool enable(size_t table) {
    if (of_table(table).size() == 2) {
      return false;
    }
    MemoryInstance& instance = instances.emplace_back();
    instance.row.object_id = ++last_object_id_;
    instance.row.source_object_id = static_cast<int64_t>(table);
    instance.table = table;
    log_.emplace_back().enables = last_object_id_;
    return true;
  }
  // The older of a table's two instances; false if it has only one.
  bool drop_older(size_t table) {
    const auto all = of_table(table);
    if (all.size() < 2) {
      return false;
    }
    std::erase_if(instances, [id = all[0].object_id](const MemoryInstance& each) {
      return each.row.object_id == id;
    });
    return true;
  }
  // Everything below `lsn` goes.
  void clean_up(Lsn lsn) {
    for (MemoryInstance& instance : instances) {
      if (!instance.row.start.is_zero()) {
        instance.row.start = std::max(instance.row.start, std::min(lsn, captured_));
        std::erase_if(instance.changes,
                      [&](const auto& change) { return change.first.commit < instance.row.start; });
      }
    }
  }
  // The capture job takes `count` entries of the log.
  void capture(size_t count) {
    for (; count > 0 && !log_.empty(); --count) {
      captured_ = {++clock_, 0};
      take(log_.front());
      log_.pop_front();
    }
  }
  void capture_all() { capture(log_.size()); }

  Lsn captured() const { return captured_; }
  // By table, as captured: (commit LSN, value), and DDL as (LSN, object id of the instance).
  std::map<size_t, std::vector<std::pair<Lsn, int64_t>>> written;
  std::map<size_t, std::vector<Lsn>> defined;
  std::map<int64_t, Lsn> began;  // of all instances that ever were, by object id
  std::map<int64_t, size_t> table_of;

  std::vector<InstanceRow> of_table(size_t table) const {
    std::vector<InstanceRow> rows;
    for (const MemoryInstance& instance : instances) {
      if (instance.table == table) {
        rows.push_back(instance.row);
      }
    }
    return rows;
  }
  MemoryInstance* find(int64_t object_id) {
    const auto at = std::find_if(
        instances.begin(), instances.end(),
        [object_id](const MemoryInstance& each) { return each.row.object_id == object_id; });
    return at == instances.end() ? nullptr : &*at;
  }

  MemoryInstance& read_one(int64_t object_id) {
    MemoryInstance* found = find(object_id);
    if (found == nullptr) {
      throw SourceError(DSTREAM_REOPEN, "dropped");
    }
    return *found;
  }
  FetchAnswer answer(const FetchRequest& request, const MemoryCatalog& catalog,
                     const std::vector<std::vector<uint32_t>>& groups) {
    if (const auto* asked = std::get_if<ProbeRequest>(&request)) {
      return probe(*asked, catalog, groups);
    }
    if (const auto* asked = std::get_if<PageRequest>(&request)) {
      return page(*asked, catalog);
    }
    if (const auto* asked = std::get_if<TimesRequest>(&request)) {
      return TimesAnswer{{}, asked->to};
    }
    if (const auto* asked = std::get_if<SettleRequest>(&request)) {
      SettleAnswer answer;
      const auto after = ended_.upper_bound(std::stoull(asked->time));
      answer.by_time = after == ended_.end() ? Lsn{} : after->second;
      answer.max = captured_;
      return answer;
    }
    return ScanAnswer{};
  }
  CopyAnswer answer(const CopyRequest& request, const MemoryCatalog& catalog) {
    if (const auto* asked = std::get_if<ChunkRequest>(&request)) {
      return chunk(*asked, catalog);
    }
    if (const auto* asked = std::get_if<BoundaryRequest>(&request)) {
      const std::vector<int64_t> rows = rows_after(asked->table, asked->after, {}, catalog);
      const bool is_there = rows.size() >= asked->rows;
      return BoundaryAnswer{asked->table, asked->id,
                            is_there ? CopyKey{std::to_string(rows[asked->rows - 1])} : CopyKey{}};
    }
    const uint32_t table = std::get<EstimateRequest>(request).table;
    return EstimateAnswer{table, present_[table].size()};
  }
  // All rows of a table, captured or not.
  const std::vector<int64_t>& present(size_t table) const { return present_[table]; }

 private:
  struct Entry {
    std::vector<std::pair<size_t, int64_t>> changes;  // table, value
    std::optional<size_t> defines;
    bool alters = false;
    std::optional<int64_t> enables;
    uint64_t tick = 0;  // when it was written, for copies
  };

  // Numbers of one table are all different, and so are these.
  static int64_t place(int64_t value, bool scattered) {
    return scattered ? value * 7919 % 100'003 : value;
  }
  // Rows with after < key <= upto, in the order of the instance that is read.
  std::vector<int64_t> rows_after(uint32_t table, const CopyKey& after, const CopyKey& upto,
                                  const MemoryCatalog& catalog) {
    const bool scattered = read_one(catalog.instances[table]).is_scattered();
    const auto at = [scattered](int64_t value) { return place(value, scattered); };
    std::vector<int64_t> rows;
    for (const int64_t value : present_[table]) {
      if ((after.empty() || at(value) > at(std::stoll(after[0]))) &&
          (upto.empty() || at(value) <= at(std::stoll(upto[0])))) {
        rows.push_back(value);
      }
    }
    std::sort(rows.begin(), rows.end(), [&at](int64_t a, int64_t b) { return at(a) < at(b); });
    return rows;
  }
  ChunkAnswer chunk(const ChunkRequest& request, const MemoryCatalog& catalog) {
    ChunkAnswer out;
    out.table = request.table;
    out.id = request.id;
    if (random_() % 16 == 0) {
      out.locked = true;
      return out;
    }
    std::vector<int64_t> rows = rows_after(request.table, request.after, request.upto, catalog);
    out.complete = rows.size() < request.rows;
    rows.resize(std::min<size_t>(rows.size(), request.rows));
    out.rows = rows.size();
    if (!rows.empty()) {
      auto chunk = std::make_shared<Chunk>(pool_, 100);
      for (const int64_t value : rows) {
        add_row({}, value, *chunk);
      }
      out.bytes = chunk->arena.held();
      out.chunks.push_back(std::move(chunk));
    }
    const std::string digits = std::to_string(tick_);
    out.read_at = std::string(20 - digits.size(), '0') + digits;
    return out;
  }
  static void add_row(const ChangeKey& key, int64_t number, Chunk& chunk) {
    auto* value = static_cast<dstream_value*>(chunk.arena.allocate(sizeof(dstream_value)));
    *value = {};
    value->type = DSTREAM_INT64;
    value->as.i64 = number;
    chunk.rows.push_back({key, value});
  }

  void take(const Entry& entry) {
    int32_t command = 0;
    if (entry.tick != 0) {
      ended_[entry.tick] = captured_;
    }
    for (const auto& [table, value] : entry.changes) {
      ++command;
      written[table].emplace_back(captured_, value);
      for (MemoryInstance& instance : instances) {
        if (instance.table == table && !instance.began.is_zero()) {
          instance.changes[{captured_, command, {static_cast<uint64_t>(command), 0}, 2}] = value;
        }
      }
    }
    if (entry.defines) {
      defined[*entry.defines].push_back(captured_);
      for (MemoryInstance& instance : instances) {
        if (instance.table == *entry.defines && !instance.began.is_zero()) {
          instance.definitions.push_back({captured_, 7, "DDL " + captured_.text()});
          instance.shape += entry.alters ? 1 : 0;
          instance.altered = entry.alters ? captured_ : instance.altered;
        }
      }
    }
    if (MemoryInstance* enabled = entry.enables ? find(*entry.enables) : nullptr) {
      enabled->began = enabled->row.start = captured_;
      began[*entry.enables] = captured_;
      table_of[*entry.enables] = enabled->table;
    }
  }

  ProbeAnswer probe(const ProbeRequest& request, const MemoryCatalog& catalog,
                    const std::vector<std::vector<uint32_t>>& groups) {
    std::vector<InstanceRow> rows;
    for (const MemoryInstance& instance : instances) {
      rows.push_back(instance.row);
    }
    const auto bounds = bounds_of(rows);
    ProbeAnswer out;
    out.group = request.group;
    out.max = captured_;
    out.times_complete = true;
    for (size_t i = 0; i < request.complete.size(); ++i) {
      const MemoryInstance& instance = read_one(catalog.instances[groups[request.group][i]]);
      TableProbe probe;
      probe.low = bounds.at(instance.row.object_id).start;
      probe.successor = bounds.at(instance.row.object_id).successor;
      probe.newest = instance.changes.empty() ? Lsn{} : instance.changes.rbegin()->first.commit;
      probe.newest_definition = instance.newest_definition();
      for (const Definition& definition : instance.definitions) {
        if (definition.lsn > request.told[i]) {
          probe.definitions.push_back(definition);
        }
      }
      check_gap(request.complete[i], probe.low);
      out.tables.push_back(std::move(probe));
    }
    return out;
  }
  PageAnswer page(const PageRequest& request, const MemoryCatalog& catalog) {
    const MemoryInstance& instance = read_one(catalog.instances[request.table]);
    if (instance.altered > catalog.definitions[request.table]) {
      throw SourceError(DSTREAM_REOPEN, "altered");
    }
    check_gap(request.after, instance.row.start);
    PageAnswer out;
    out.table = request.table;
    auto chunk = std::make_shared<Chunk>(pool_, 100);
    auto at = instance.changes.upper_bound(request.after);
    for (; at != instance.changes.end() && at->first.commit <= request.to &&
           MemoryChangeTables::is_within(request, at->first) && out.rows < request.rows;
         ++at, ++out.rows) {
      add_row(at->first, at->second, *chunk);
    }
    if (out.rows < request.rows) {
      out.ended = request.scope;
      out.complete = out.ended == PageScope::kAll;
    }
    if (out.rows > 0) {
      out.bytes = chunk->arena.held();
      out.chunks.push_back(std::move(chunk));
    }
    return out;
  }
  static void check_gap(const ChangeKey& complete, Lsn low) {
    if (!complete.is_beginning() && low > complete.first_needed()) {
      throw SourceError(DSTREAM_DATA_LOSS, "gone");
    }
  }

  std::mt19937_64 random_;
  const size_t table_count_;
  std::shared_ptr<SlabPool> pool_ = std::make_shared<SlabPool>(1 << 20);
  std::deque<Entry> log_;
  Lsn captured_;
  uint64_t clock_ = 0;
  int64_t value_ = 0;
  int64_t last_object_id_ = 0;
  uint64_t tick_ = 0;
  std::map<uint64_t, Lsn> ended_;              // by tick: transactions that were captured
  std::vector<std::vector<int64_t>> present_;  // by table
};

}  // namespace dstream::sqlserver
