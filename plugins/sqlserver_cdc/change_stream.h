// Decides what to read and in which order changes leave: polls, windows, merge, positions.
//
// Time and data come in from outside (a clock's value, a ChangeFetcher), so the same code runs in
// read() and in tests against change tables in memory.
//
// Tables with equal intervals form a poll group. A round of a group is: probe, then read the tables
// that have something up to the committed maximum, merged by ChangeKey with ties by table name.
// While a round is under way no other group is polled; groups take turns.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/change_batch.h"
#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/commit_times.h"
#include "plugins/sqlserver_cdc/poll_schedule.h"
#include "plugins/sqlserver_cdc/position.h"
#include "plugins/sqlserver_cdc/table_cursor.h"

namespace dstream::sqlserver {

struct StreamTable {
  TableName name;
  const dstream_schema* schema = nullptr;
  Millis poll_interval{};
  Millis max_poll_interval{};
  size_t row_bytes = 0;  // first guess at what a row holds in memory
};

struct StreamSettings {
  uint32_t page_rows = 10000;
  size_t read_ahead_bytes = 16 << 20;
};

// What step() waits for when it returns no batch.
struct StreamWait {
  bool for_fetch = false;  // an answer of the fetcher
  Millis until{0};         // otherwise: nothing to do before this time
};

// [worker]
class ChangeStream {
 public:
  // `tables` are sorted by name. Tables that `position` does not know begin at their oldest
  // captured change; tables that are no longer listed are forgotten.
  // Throws SourceError(CONFIG) if positions of so many tables would exceed the ABI's limit.
  ChangeStream(std::vector<StreamTable> tables, const Position& position,
               const StreamSettings& settings, ChangeFetcher& fetcher);

  // Makes progress: answers are taken, requests are made, up to `records_max` changes are put into
  // a batch. Nothing means: wait, as wait() says. Never blocks.
  //
  // Throws SourceError: what the fetcher reports, DATA_LOSS for a position beyond the maximum.
  // After RETRY the next call asks again for what is missing; nothing is lost or repeated.
  dstream_batch* step(Millis now, int64_t now_unix_ns, size_t records_max,
                      const std::shared_ptr<SlabPool>& pool);
  const StreamWait& wait() const { return wait_; }

  // Tables, as indexes, of each poll group: what a ProbeRequest's group means.
  std::vector<std::vector<uint32_t>> groups() const;

 private:
  enum class Phase { kIdle, kProbing, kReading };

  struct Table {
    explicit Table(StreamTable facts_);
    StreamTable facts;
    std::string json;    // the name as a JSON string
    ChangeKey complete;  // nothing up to here is missing; as of the beginning of the round
    TableCursor cursor;
    bool requested = false;
  };
  struct Group {
    PollSchedule schedule;
    std::vector<uint32_t> tables;
    // Tables that are complete up to the same key, ascending. The first set moves; the others are
    // ahead and join it when it has caught up. After the first round there is one set.
    std::vector<PositionEntry> sets;
    // Tables whose capture has not begun at the bound yet: they stay at their beginning, so that
    // the LSN at which it begins is not taken for a gap.
    PositionEntry dormant;
    Lsn announced;  // positions given out so far are complete up to here
  };

  void make_groups(const Position& position);
  void add_group(const std::vector<uint32_t>& tables, const Position& position);

  bool begin_round(Millis now);
  void request_probe();
  void take_answers();
  void on_answer(ProbeAnswer answer);
  void on_answer(PageAnswer answer);
  void on_answer(TimesAnswer answer);
  void check_maximum(Lsn max) const;
  void sort_dormant(const ProbeAnswer& answer);
  void request_pages();
  uint32_t page_rows_for(const Table& table) const;

  dstream_batch* read_round(int64_t now_unix_ns, size_t records_max,
                            const std::shared_ptr<SlabPool>& pool);
  size_t available() const;
  bool merge(ChangeBatch& batch);
  bool flush(ChangeBatch& batch, bool transaction_end);
  void take_head();
  void push_head(uint32_t index);
  bool later(uint32_t left, uint32_t right) const;
  void end_round(ChangeBatch* batch);

  Group& group() { return groups_[current_]; }
  void join_sets_before(const ChangeKey& key, const TableName& name);
  std::shared_ptr<const PositionWriter> make_writer() const;

  const StreamSettings settings_;
  ChangeFetcher& fetcher_;
  std::vector<Table> tables_;
  std::vector<Group> groups_;
  StreamWait wait_;

  // The round under way.
  Phase phase_ = Phase::kIdle;
  size_t current_ = 0;
  Millis started_{0};
  bool probe_requested_ = false;
  bool times_requested_ = false;
  Lsn bound_;                     // committed maximum: the round ends with it
  std::vector<uint32_t> active_;  // tables that are read
  std::vector<uint32_t> heap_;    // active tables with a change at hand, the next one on top
  size_t waiting_ = 0;            // active tables whose next change has not arrived
  CommitTimes times_;
  // The last change of the merge: whether it ends its transaction shows with the next one.
  Change pending_;
  uint32_t pending_table_ = 0;
  bool has_pending_ = false;
  std::shared_ptr<const PositionWriter> writer_;
  // Counters of the transaction, and of the rows that share commit and change LSN.
  ChangeKey counted_;
  uint64_t transaction_count_ = 0;
  uint32_t serial_ = 0;
};

}  // namespace dstream::sqlserver
