// A database in memory behind both fetcher interfaces, for tests of copies: tables of (id, value),
// transactions that change them at once, a capture job that follows when the test says so.
//
// A request is executed when the test calls execute(), so that anything may happen between asking,
// reading and taking the answer. Values count up: a greater one is a newer state.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/copy_fetcher.h"
#include "plugins/sqlserver_cdc/memory_change_tables.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {

using Rows = std::map<int64_t, int64_t>;  // id to value

struct DatabaseTable {
  bool has_key = true;
  Lsn low{0, 1};
  Rows rows;
  std::map<ChangeKey, std::pair<int64_t, int64_t>> changes;  // of all transactions
};

class MemoryDatabase {
 public:
  explicit MemoryDatabase(uint64_t seed) : random_(seed) {}

  std::vector<DatabaseTable> tables;
  std::vector<std::vector<uint32_t>> groups;  // set from the stream
  bool sees_scans = true;                     // VIEW DATABASE STATE

  // One transaction of a few changes.
  void write() {
    const Lsn commit{++clock_, 0};
    int32_t command = 0;
    for (uint64_t left = 1 + random_() % 5; left > 0; --left) {
      DatabaseTable& table = tables[random_() % tables.size()];
      const auto id = static_cast<int64_t>(random_() % 40);
      ++command;
      const auto add = [&](int32_t operation, int64_t value) {
        table.changes[{commit, command, Lsn{static_cast<uint64_t>(command), 0}, operation}] = {
            id, value};
      };
      const auto at = table.rows.find(id);
      if (at == table.rows.end()) {
        add(2, table.rows[id] = ++value_);
      } else if (random_() % 3 == 0) {
        add(1, at->second);
        table.rows.erase(at);
      } else {
        add(3, at->second);
        add(4, at->second = ++value_);
      }
    }
    history_[commit] = state();
  }
  // The capture job takes a transaction, or everything. Now and then it notes that nothing
  // happened.
  void capture(bool all) {
    const auto next = history_.upper_bound(captured_);
    if (next != history_.end()) {
      captured_ = all ? history_.rbegin()->first : next->first;
      ++session_;
    } else if (++empty_scans_ % 8 == 0) {
      captured_ = {++clock_, 0};  // an entry without a transaction: time has passed
      history_[captured_] = state();
    }
  }
  // Cleanup removes what was captured so far.
  void clean_up() {
    for (DatabaseTable& table : tables) {
      table.low = std::max(table.low, captured_.next());
      std::erase_if(table.changes, [&](const auto& row) { return row.first.commit < table.low; });
    }
  }

  std::vector<Rows> state() const {
    std::vector<Rows> out;
    for (const DatabaseTable& table : tables) {
      out.push_back(table.rows);
    }
    return out;
  }
  // The rows as they were when `commit` was the newest transaction.
  std::vector<Rows> state_at(Lsn commit) const {
    const auto after = history_.upper_bound(commit);
    return after == history_.begin() ? std::vector<Rows>(tables.size()) : std::prev(after)->second;
  }
  Lsn newest() const { return history_.empty() ? Lsn{} : history_.rbegin()->first; }
  Lsn captured() const { return captured_; }

  FetchAnswer answer(const FetchRequest& request) {
    return std::visit([this](const auto& asked) -> FetchAnswer { return this->read(asked); },
                      request);
  }
  CopyAnswer answer(const CopyRequest& request) {
    return std::visit([this](const auto& asked) -> CopyAnswer { return this->read(asked); },
                      request);
  }

 private:
  static int64_t number(const std::string& text) { return std::stoll(text); }
  static std::string time_text(uint64_t clock) {
    const std::string digits = std::to_string(clock);
    return std::string(20 - digits.size(), '0') + digits;
  }

  ChunkPointer chunk_of(
      const std::vector<std::pair<ChangeKey, std::pair<int64_t, int64_t>>>& rows) {
    auto chunk = std::make_shared<Chunk>(pool_, 100);
    for (const auto& [key, row] : rows) {
      auto* values = static_cast<dstream_value*>(chunk->arena.allocate(2 * sizeof(dstream_value)));
      values[0] = values[1] = {};
      values[0].type = values[1].type = DSTREAM_INT64;
      values[0].as.i64 = row.first;
      values[1].as.i64 = row.second;
      chunk->rows.push_back({key, values});
    }
    return chunk;
  }

  ProbeAnswer read(const ProbeRequest& request) {
    ProbeAnswer out;
    out.group = request.group;
    out.max = captured_;
    for (size_t i = 0; i < request.complete.size(); ++i) {
      const DatabaseTable& table = tables[groups[request.group][i]];
      TableProbe probe;
      probe.low = table.low;
      for (const auto& change : table.changes) {
        if (change.first.commit <= captured_) {
          probe.newest = std::max(probe.newest, change.first.commit);
        }
      }
      const ChangeKey& complete = request.complete[i];
      if (!complete.is_beginning() && table.low > complete.first_needed()) {
        if (!request.reports_gaps) {
          throw SourceError(DSTREAM_DATA_LOSS, "gone");
        }
        probe.gap = "gone";
      }
      out.tables.push_back(probe);
    }
    out.times_complete = true;
    return out;
  }
  PageAnswer read(const PageRequest& request) {
    const DatabaseTable& table = tables[request.table];
    if (!request.after.is_beginning() && table.low > request.after.first_needed()) {
      throw SourceError(DSTREAM_DATA_LOSS, "gone");
    }
    PageAnswer out;
    out.table = request.table;
    std::vector<std::pair<ChangeKey, std::pair<int64_t, int64_t>>> rows;
    auto at = table.changes.upper_bound(request.after);
    for (; at != table.changes.end() && at->first.commit <= request.to &&
           MemoryChangeTables::is_within(request, at->first) && rows.size() < request.rows;
         ++at) {
      rows.emplace_back(*at);
    }
    out.rows = rows.size();
    if (out.rows < request.rows) {
      out.ended = request.scope;
      out.complete = out.ended == PageScope::kAll;
    }
    if (!rows.empty()) {
      out.chunks.push_back(chunk_of(rows));
      out.bytes = out.chunks[0]->arena.held();
    }
    return out;
  }
  // A table's changes have no times here, and nobody looks at scans.
  TimesAnswer read(const TimesRequest& request) const { return {{}, request.to}; }
  ScanAnswer read(const ScanRequest&) const { return {}; }
  SettleAnswer read(const SettleRequest& request) const {
    SettleAnswer out;
    for (const auto& [commit, state] : history_) {
      if (commit <= captured_ && time_text(commit.high) > request.time && out.by_time.is_zero()) {
        out.by_time = commit;
      }
    }
    out.max = captured_;
    if (sees_scans) {
      out.session = session_;
      out.empty_scans = empty_scans_;
      out.is_done = true;
    }
    return out;
  }

  ChunkAnswer read(const ChunkRequest& request) {
    DatabaseTable& table = tables[request.table];
    ChunkAnswer out;
    out.table = request.table;
    out.id = request.id;
    if (random_() % 16 == 0 && !request.whole) {
      out.locked = true;
      return out;
    }
    // A statement that reads a table without a key sees it as it was when the statement began.
    auto& [statement, cursor, seen] = open_[request.table];
    const bool is_old =
        request.from_start ? request.statement < statement : request.statement != statement;
    if (request.whole && is_old) {
      out.locked = true;
      return out;
    }
    statement = request.statement;
    if (!request.whole || request.from_start) {
      cursor = request.after.empty() ? -1 : number(request.after[0]);
      seen = table.rows;
    }
    const int64_t upto = request.upto.empty() ? INT64_MAX : number(request.upto[0]);
    std::vector<std::pair<ChangeKey, std::pair<int64_t, int64_t>>> rows;
    for (auto at = seen.upper_bound(cursor);
         at != seen.end() && at->first <= upto && rows.size() < request.rows; ++at) {
      rows.push_back({{}, {at->first, at->second}});
    }
    out.rows = rows.size();
    out.complete = out.rows < request.rows;
    if (!rows.empty()) {
      cursor = rows.back().second.first;
      out.chunks.push_back(chunk_of(rows));
      out.bytes = out.chunks[0]->arena.held();
    }
    out.read_at = time_text(clock_);
    return out;
  }
  BoundaryAnswer read(const BoundaryRequest& request) {
    const Rows& rows = tables[request.table].rows;
    auto at = request.after.empty() ? rows.begin() : rows.upper_bound(number(request.after[0]));
    for (uint32_t i = 1; at != rows.end() && i < request.rows; ++i) {
      ++at;
    }
    return {request.table, request.id,
            at == rows.end() ? CopyKey{} : CopyKey{std::to_string(at->first)}};
  }
  EstimateAnswer read(const EstimateRequest& request) const {
    return {request.table, tables[request.table].rows.size()};
  }

  std::mt19937_64 random_;
  std::shared_ptr<SlabPool> pool_ = std::make_shared<SlabPool>(1 << 20);
  std::map<Lsn, std::vector<Rows>> history_;
  std::map<uint32_t, std::tuple<uint64_t, int64_t, Rows>>
      open_;  // statement, last id, what it sees
  Lsn captured_;
  uint64_t clock_ = 0;
  int64_t value_ = 0;
  int64_t session_ = 1;
  int64_t empty_scans_ = 0;
};

// One connection to it: requests wait until the test executes them. Reopened with the source.
template <class Interface, class Request, class Answer>
class MemoryFetcher : public Interface {
 public:
  explicit MemoryFetcher(MemoryDatabase& database) : database_(database) {}
  void submit(Request request) override { requests_.push_back(std::move(request)); }
  std::unique_ptr<Answer> take() override {
    if (failure_) {
      const SourceError failure = *failure_;
      failure_.reset();
      throw SourceError(failure);
    }
    if (answers_.empty()) {
      return nullptr;
    }
    std::unique_ptr<Answer> answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  bool idle() const { return requests_.empty() && answers_.empty() && !failure_; }
  // Executes one of the requests, `at` counted from the first. `fails`: with a transient error.
  void execute(size_t at, bool fails) {
    if (requests_.empty()) {
      return;
    }
    const auto chosen = requests_.begin() + static_cast<std::ptrdiff_t>(at % requests_.size());
    const Request request = *chosen;
    requests_.erase(chosen);
    try {
      if (fails) {
        throw SourceError(DSTREAM_RETRY, "injected");
      }
      answers_.push_back(std::make_unique<Answer>(database_.answer(request)));
    } catch (const SourceError& error) {
      failure_.emplace(error);
      requests_.clear();
      answers_.clear();
    }
  }

 private:
  MemoryDatabase& database_;
  std::deque<Request> requests_;
  std::deque<std::unique_ptr<Answer>> answers_;
  std::optional<SourceError> failure_;
};

using MemoryChangeFetcher = MemoryFetcher<ChangeFetcher, FetchRequest, FetchAnswer>;
using MemoryCopyFetcher = MemoryFetcher<CopyFetcher, CopyRequest, CopyAnswer>;

}  // namespace dstream::sqlserver
