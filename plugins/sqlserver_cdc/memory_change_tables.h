// Change tables in memory behind the ChangeFetcher interface, for tests of the stream.
//
// Answers exactly what SQL Server would: rows in clustered key order, pages of TOP (n), the
// committed maximum. Rows are added as transactions; a captured maximum can lag behind. Failures
// are injected.
#pragma once

#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/copy_fetcher.h"
#include "plugins/sqlserver_cdc/source_error.h"
#include "plugins/sqlserver_cdc/table_schema.h"

namespace dstream::sqlserver {

struct MemoryTable {
  std::string name;
  Lsn low{0, 1};
  std::map<ChangeKey, int64_t> rows;  // value of the only column
};

class MemoryChangeTables : public ChangeFetcher {
 public:
  std::vector<MemoryTable> tables;
  std::vector<std::vector<uint32_t>> groups;  // set from the stream
  std::map<Lsn, int64_t> transactions;        // lsn_time_mapping
  size_t times_max = 4096;                    // rows of one times answer
  size_t chunk_rows = 3;
  ScanAnswer scan;  // invisible unless a test says otherwise
  int64_t server_time_ns = 0;
  std::function<void(const FetchRequest&)> before_answer;  // may throw SourceError
  // Counters.
  size_t probes = 0;
  size_t names = 0;  // probes that asked for them
  size_t pages = 0;
  size_t narrow_pages = 0;
  size_t rows_passed_over = 0;
  size_t times = 0;
  size_t scans = 0;
  size_t settles = 0;

  void submit(FetchRequest request) override { requests_.push_back(std::move(request)); }

  std::unique_ptr<FetchAnswer> take() override {
    if (requests_.empty()) {
      return nullptr;
    }
    const FetchRequest request = std::move(requests_.front());
    requests_.pop_front();
    try {
      if (before_answer) {
        before_answer(request);
      }
    } catch (const SourceError&) {
      requests_.clear();
      throw;
    }
    return std::make_unique<FetchAnswer>(run(request));
  }

  // A page may have the row.
  static bool is_within(const PageRequest& request, const ChangeKey& key) {
    return request.scope == PageScope::kAll ||
           (key.commit == request.after.commit &&
            (request.scope == PageScope::kTransaction || key.command == request.after.command));
  }

  // What the server would answer now, past the queue.
  FetchAnswer run(const FetchRequest& request) {
    return std::visit([this](const auto& asked) { return FetchAnswer(this->answer(asked)); },
                      request);
  }

 private:
  ProbeAnswer answer(const ProbeRequest& request) {
    ++probes;
    ProbeAnswer out;
    out.group = request.group;
    out.server_time_ns = server_time_ns;
    out.has_names = request.asks_names;
    names += request.asks_names ? 1 : 0;
    if (!transactions.empty()) {
      out.max = transactions.rbegin()->first;
      out.newest_time_ns = transactions.rbegin()->second;
    }
    for (const uint32_t index : groups[request.group]) {
      const MemoryTable& table = tables[index];
      TableProbe probe;
      probe.low = table.low;
      for (const auto& [key, value] : table.rows) {
        if (transactions.contains(key.commit)) {
          probe.newest = std::max(probe.newest, key.commit);
        }
      }
      out.tables.push_back(probe);
    }
    const TimesAnswer range = answer(TimesRequest{request.times_from, Lsn::max()});
    --times;
    out.times = range.times;
    out.times_complete = range.covered == Lsn::max();
    return out;
  }

  PageAnswer answer(const PageRequest& request) {
    ++pages;
    narrow_pages += request.scope == PageScope::kAll ? 0 : 1;
    // What a server passes over to find the beginning, where the index is sought by commit LSN
    // only.
    const MemoryTable& asked = tables[request.table];
    if (request.scope == PageScope::kAll && !request.after.is_beginning() &&
        !request.after.is_end_of_transaction()) {
      const auto begin = asked.rows.upper_bound(ChangeKey::end_of(request.after.commit.previous()));
      rows_passed_over +=
          static_cast<size_t>(std::distance(begin, asked.rows.upper_bound(request.after)));
    }
    PageAnswer out;
    out.table = request.table;
    out.complete = true;
    const MemoryTable& table = tables[request.table];
    std::shared_ptr<Chunk> chunk;
    for (auto row = table.rows.upper_bound(request.after); row != table.rows.end(); ++row) {
      if (row->first.commit > request.to) {
        break;
      }
      if (out.rows == request.rows) {
        out.complete = false;
        break;
      }
      if (!is_within(request, row->first)) {
        break;
      }
      if (chunk == nullptr || chunk->rows.size() == chunk_rows) {
        chunk = std::make_shared<Chunk>(pool_, 100);
        out.chunks.push_back(chunk);
      }
      auto* value = static_cast<dstream_value*>(chunk->arena.allocate(sizeof(dstream_value)));
      *value = {};
      value->type = DSTREAM_INT64;
      value->as.i64 = row->second;
      chunk->rows.push_back({row->first, value});
      ++out.rows;
    }
    if (out.complete && request.scope != PageScope::kAll) {
      out.ended = request.scope;
      out.complete = false;
    }
    for (const ChunkPointer& each : out.chunks) {
      out.bytes += each->arena.held();
    }
    return out;
  }

  TimesAnswer answer(const TimesRequest& request) {
    ++times;
    TimesAnswer out;
    out.covered = request.to;
    for (auto at = transactions.lower_bound(request.from);
         at != transactions.end() && at->first <= request.to; ++at) {
      if (out.times.size() == times_max) {
        out.covered = out.times.back().commit;
        break;
      }
      out.times.push_back({at->first, at->second});
    }
    return out;
  }

  SettleAnswer answer(const SettleRequest&) {
    ++settles;
    return {};
  }
  ScanAnswer answer(const ScanRequest&) {
    ++scans;
    return scan;
  }

  std::shared_ptr<SlabPool> pool_ = std::make_shared<SlabPool>(1 << 20);
  std::deque<FetchRequest> requests_;
};

// Nothing is ever copied.
class NoCopies : public CopyFetcher {
 public:
  void submit(CopyRequest) override {
    throw SourceError(DSTREAM_FATAL, "Nothing is to be copied.");
  }
  std::unique_ptr<CopyAnswer> take() override { return nullptr; }
};

}  // namespace dstream::sqlserver
