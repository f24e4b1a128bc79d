// The border between reading (ODBC, in the fetcher's threads) and merging (in read()).
//
// The stream asks for probes, pages and commit times. Pages are answered in any order, one of a
// table at a time; everything else in the order asked. Requests carry everything they need, so that
// a failed one can simply be asked again.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "plugins/sqlserver_cdc/lsn.h"
#include "plugins/sqlserver_cdc/row_memory.h"

namespace dstream::sqlserver {

// When a transaction committed, in ns since 1970 UTC.
struct TransactionTime {
  Lsn commit;
  int64_t time_ns = 0;
};

// A statement that changed what a captured table is: a row of cdc.ddl_history.
struct Definition {
  Lsn lsn;
  int64_t time_ns = 0;  // since 1970 UTC
  std::string statement;
};

// Ask: what is new in the tables of a group?
struct ProbeRequest {
  uint32_t group = 0;
  // By table of the group: how far it is complete. A low end point beyond what is needed next is a
  // gap; a table at its beginning needs nothing yet.
  std::vector<ChangeKey> complete;
  // By table of the group: definitions up to here are known.
  std::vector<Lsn> told;
  Lsn times_from;
  bool reports_gaps = false;  // a gap is part of the answer instead of an error
  bool asks_names = false;    // what the tables are called now is part of the answer
};

struct TableProbe {
  Lsn newest;       // newest commit LSN in the change table; zero if it is empty
  Lsn low;          // low end point; zero if not established yet
  std::string gap;  // changes that are needed are gone: what an operator is told
  // Where a newer capture instance of the table begins; zero if there is none, or its beginning is
  // not established yet.
  Lsn successor{};
  Lsn newest_definition{};                // of the instance that is read; zero if there is none
  std::vector<Definition> definitions{};  // beyond `told`, ascending
  std::string renamed_to{};  // of has_names: what the table is called now, if that is another name
  bool older_gone = false;   // no instance of the table is older than the one that is read
};

struct ProbeAnswer {
  uint32_t group = 0;
  Lsn max;  // everything committed up to here can be read; zero if nothing was ever captured
  std::vector<TableProbe> tables;
  std::vector<TransactionTime> times;  // ascending, from times_from
  bool times_complete = false;         // they reach beyond `max`
  bool has_names = false;              // as asked for
  // In ns since 1970 UTC, by the server's clock: now, and the newest entry of lsn_time_mapping (0:
  // there is none).
  int64_t server_time_ns = 0;
  int64_t newest_time_ns = 0;
  int64_t utc_offset_ns = 0;  // of the server's local clock, in which lsn_time_mapping is written
};

// How far a page may reach. The narrower, the fewer rows the server passes over to find where it
// begins (docs/design/014-pages-of-a-long-transaction.md).
enum class PageScope {
  kAll,          // up to `to`
  kTransaction,  // the rest of the transaction of `after`
  kCommand       // the rest of its command
};

// Ask: the changes of one table after `after`, up to the end of transaction `to`.
struct PageRequest {
  uint32_t table = 0;
  ChangeKey after;
  Lsn to;
  uint32_t rows = 0;
  // A narrower one than kAll never completes the table.
  PageScope scope = PageScope::kAll;
  // What a row of the table has taken lately, for a connection that has not read the table yet.
  size_t row_bytes = 0;
};

struct PageAnswer {
  uint32_t table = 0;
  std::vector<ChunkPointer> chunks;  // in key order, none empty
  size_t rows = 0;
  size_t bytes = 0;       // held by the chunks
  bool complete = false;  // the table has nothing more up to `to`
  // There is nothing more of the command or the transaction that was the scope. kAll: there may be.
  PageScope ended = PageScope::kAll;
  // Nothing was read: what was asked has not got as far as `to` yet. The stream never sees it.
  bool behind = false;
};

// Ask: commit times from `from`, as many as are useful, not beyond `to`.
struct TimesRequest {
  Lsn from;
  Lsn to;
};

struct TimesAnswer {
  std::vector<TransactionTime> times;  // ascending
  Lsn covered;                         // every transaction from `from` to here is in `times`
};

// Ask: has the capture job passed `time`, by the server's local clock (text as ChunkAnswer has it)?
struct SettleRequest {
  std::string time;
};

struct SettleAnswer {
  Lsn by_time;  // every transaction that ended before `time` is below it; zero: not captured yet
  // The newest scan of the log; 0 if none, or if the login may not see it.
  int64_t session = 0;
  int64_t empty_scans = 0;
  int64_t transactions = 0;
  bool is_done = false;
  Lsn max;  // everything that scan captured is at most this
};

// Ask: how is the capture job doing?
struct ScanRequest {};

// One or more scans of the log that have ended.
struct ScanEnd {
  std::chrono::milliseconds ago{0};  // the last of them
  int64_t scans = 1;
};

// The newest scan of the log that came to its end.
struct ScanAnswer {
  bool is_visible = false;  // the login may see it; if not, there is no need to ask again
  int64_t session = 0;      // 0 if there is none
  int64_t empty_scans = 0;  // scans in a row that found nothing share a session
  std::chrono::milliseconds latency{0};  // from the last commit it found to its end
  std::chrono::milliseconds ended_ago{0};
  std::vector<ScanEnd> newest{};  // it and those before it, newest first
};

using FetchRequest =
    std::variant<ProbeRequest, PageRequest, TimesRequest, SettleRequest, ScanRequest>;
using FetchAnswer = std::variant<ProbeAnswer, PageAnswer, TimesAnswer, SettleAnswer, ScanAnswer>;

// [worker]
class ChangeFetcher {
 public:
  virtual ~ChangeFetcher() = default;
  virtual void submit(FetchRequest request) = 0;
  // The next answer, nullptr if none is there yet. Throws SourceError if a request failed; every
  // request without an answer is forgotten then.
  virtual std::unique_ptr<FetchAnswer> take() = 0;
};

}  // namespace dstream::sqlserver
