// Decides what to read and in which order changes leave: polls, windows, merge, positions.
//
// Time and data come in from outside (a clock's value, a ChangeFetcher), so the same code runs in
// read() and in tests against change tables in memory.
//
// Tables with equal intervals form a poll group. A round of a group is: probe, then read the tables
// that have something up to the committed maximum, merged by ChangeKey with ties by table name.
// While a round is under way no other group is polled; groups take turns.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plugins/sqlserver_cdc/change_batch.h"
#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/commit_times.h"
#include "plugins/sqlserver_cdc/copies.h"
#include "plugins/sqlserver_cdc/lags.h"
#include "plugins/sqlserver_cdc/options.h"
#include "plugins/sqlserver_cdc/poll_schedule.h"
#include "plugins/sqlserver_cdc/position.h"
#include "plugins/sqlserver_cdc/scan_rhythm.h"
#include "plugins/sqlserver_cdc/table_cursor.h"

namespace dstream::sqlserver {

struct StreamTable {
  TableName name;
  const dstream_schema* schema = nullptr;
  Millis poll_interval{};
  Millis max_poll_interval{};
  size_t row_bytes = 0;                 // first guess at what a row holds in memory
  bool has_copy_key = false;            // its rows can be copied in chunks
  std::vector<std::string> copy_key{};  // by what, see key_columns()
  std::string instance{};               // the capture instance
  Lsn start{};                          // where that begins, if there is an older one; else zero
  bool has_older = false;               // an older instance was there
  Lsn definition{};                     // newest DDL that `schema` is not older than
  // DDL up to here has been told of; without it: what the position covers.
  std::optional<Lsn> told{};
  bool announces_schema = false;  // a record with `schema` goes before the next change
  std::string foreign{};          // its position is of another history (history.h): why
};

struct StreamSettings {
  uint32_t page_rows = 10000;
  size_t read_ahead_bytes = 16 << 20;
  SnapshotMode snapshot = SnapshotMode::kNever;
  uint32_t copy_connections = 3;
  PollMode poll = PollMode::kInterval;
  bool copies_gaps = false;  // a table whose changes are gone is copied again
};

// What step() waits for when it returns no batch.
struct StreamWait {
  bool for_fetch = false;  // an answer of a fetcher
  Millis until{0};         // or, if it is not zero: this time
};

// [worker]
class ChangeStream {
 public:
  // `tables` are sorted by name. Tables that `position` does not know begin at their oldest
  // captured change; tables that are no longer listed are forgotten.
  // Throws SourceError(CONFIG) if positions of so many tables would exceed the ABI's limit.
  ChangeStream(std::vector<StreamTable> tables, const Position& position,
               const StreamSettings& settings, ChangeFetcher& fetcher, CopyFetcher& copy_fetcher);

  // Makes progress: answers are taken, requests are made, up to `records_max` changes are put into
  // a batch. Nothing means: wait, as wait() says. Never blocks.
  //
  // Throws SourceError: what the fetcher reports, DATA_LOSS for a position beyond the maximum.
  // After RETRY the next call asks again for what is missing; nothing is lost or repeated.
  dstream_batch* step(Millis now, int64_t now_unix_ns, size_t records_max,
                      const std::shared_ptr<SlabPool>& pool);
  const StreamWait& wait() const { return wait_; }
  // The tables are no longer what `tables` said: a stream made anew, at position(), of what the
  // server says now goes on from here. Everything before has left.
  bool is_outdated() const { return is_outdated_; }
  // Of all that has left. REQUIRES: is_outdated().
  std::string position() const { return position_with(copies_.position()); }
  // DDL of a table that has been told of, for the stream that follows.
  Lsn told(const TableName& table) const;
  // The host has made `position` durable. A new table begins to be copied only when the point from
  // which its changes are streamed is: were that forgotten, rows that were copied and then deleted
  // would never be told of.
  void committed(const Position& position);
  bool waits_for_commit() const { return !announced_.empty(); }
  // Nothing will ever come: the copies are there and nothing else was wanted.
  bool ended() const { return ended_; }
  // Copies a table anew while changes go on. False if there is no such table.
  bool copy_again(const TableName& table);
  const Copies& copies() const { return copies_; }
  const Lags& lags() const { return lags_; }
  // What an operator should hear of, since the last call.
  bool take_settled() { return std::exchange(settled_, false); }  // copies became consistent
  std::vector<std::string> take_warnings() { return std::exchange(warnings_, {}); }
  // How many tables began to be copied again because their changes are gone, since the last call.
  uint64_t take_gap_copies() { return std::exchange(gap_copies_, 0); }
  // Tables whose older instances were dropped, since the last call.
  std::vector<TableName> take_without_older() { return std::exchange(without_older_, {}); }

  // Tables, as indexes, of each poll group: what a ProbeRequest's group means.
  std::vector<std::vector<uint32_t>> groups() const;

 private:
  enum class Phase { kIdle, kProbing, kReading };

  struct Table {
    explicit Table(StreamTable facts_);
    StreamTable facts;
    std::string json;    // the name as a JSON string
    ChangeKey complete;  // nothing up to here is missing; as of the beginning of the round
    Lsn told;            // DDL up to here has been told of
    TableCursor cursor;
    bool requested = false;
    std::string renamed_to;  // as warned of
  };
  struct Group {
    PollSchedule schedule;
    std::vector<uint32_t> tables;
    // Tables that are complete up to the same key, ascending. The first set moves; the others are
    // ahead and join it when it has caught up. After the first round there is one set, and those
    // of tables to be copied whose capture begins beyond the bound.
    std::vector<PositionEntry> sets;
    // Tables whose capture has not begun at the bound yet: they stay at their beginning, so that
    // the LSN at which it begins is not taken for a gap.
    PositionEntry dormant;
    Lsn announced;             // positions given out so far are complete up to here
    int64_t announced_ms = 0;  // when that transaction ended, see PositionEntry
    Millis looked{Lags::kNever};
    Millis named{Lags::kNever};  // when names were asked for last
    uint32_t looks_unnamed = 0;  // since then
    ScanRhythm rhythm{};
  };

  struct Settling {
    bool requested = false;
    std::optional<SettleAnswer> first;  // what the next answers are compared with
    std::optional<Lsn> at;              // the stream has to pass this
  };

  // change_definitions.cc: tables that are not what they were.
  struct Announcement {
    uint32_t table = 0;
    Definition definition;
    bool is_ddl = false;  // else the table's capture instance begins
  };
  void announce_schemas();
  bool is_outdated_by(const ProbeAnswer& answer) const;
  bool wants_names(Millis now) const;
  void note_catalog(const ProbeAnswer& answer);
  void note_names(const ProbeAnswer& answer);
  Lsn bound_for(ProbeAnswer& answer);
  dstream_batch* next_announcement(int64_t now_unix_ns, size_t records_max,
                                   const std::shared_ptr<SlabPool>& pool);
  void end_of_definitions();

  void begin_copies(const Position& position);
  // Tables of the current group: streamed from `key` on.
  void move_to(const ChangeKey& key, const std::vector<TableName>& names);
  void start_copies(const ProbeAnswer& answer);
  void copy_lost(const ProbeAnswer& answer);
  dstream_batch* next_copied(int64_t now_unix_ns, size_t records_max,
                             const std::shared_ptr<SlabPool>& pool);
  dstream_batch* settle(int64_t now_unix_ns, const std::shared_ptr<SlabPool>& pool);
  bool has_passed(Lsn lsn) const;
  // When `commit` ended, see PositionEntry; 0 if that is not known.
  int64_t time_ms(Lsn commit);
  std::string position_with(const CopyPosition& copies) const;

  void make_groups(const Position& position);
  void add_group(const std::vector<uint32_t>& tables, const Position& position);

  bool begin_round(Millis now);
  void request_probe(Millis now);
  void take_answers();
  void on_answer(ProbeAnswer answer);
  void on_answer(PageAnswer answer);
  void on_answer(TimesAnswer answer);
  void on_answer(const SettleAnswer& answer);
  void on_answer(const ScanAnswer& answer);
  void schedule_next(bool is_cut);
  // Which look comes next, but for that of the round under way.
  void note_next_look();
  void check_maximum(const ProbeAnswer& answer) const;
  static bool is_beyond(const Table& table, const ProbeAnswer& answer, size_t index);
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
  Copies copies_;
  Lags lags_;
  Settling settling_;
  // Tables to be copied whose changes have no durable beginning yet: before their first probe, and
  // when a position with that beginning has left.
  std::vector<uint32_t> unanchored_;
  std::vector<std::pair<uint32_t, ChangeKey>> announced_;
  Lsn fence_;  // changes beyond it have not left: the greatest bound so far
  std::vector<std::string> warnings_;
  std::vector<TableName> without_older_;
  uint64_t gap_copies_ = 0;
  StreamWait wait_;
  bool announces_ = false;       // a position with the beginning of new tables has to leave
  bool in_transaction_ = false;  // the last change that left was not the last of its transaction
  bool ended_ = false;
  bool settled_ = false;
  bool is_outdated_ = false;
  // What has to leave when the round under way has ended, and whether a newer capture instance
  // begins there.
  std::deque<Announcement> announcements_;
  bool successor_begins_ = false;

  // The round under way.
  Phase phase_ = Phase::kIdle;
  bool probe_requested_ = false;
  bool times_requested_ = false;
  bool has_pending_ = false;  // pending_ below
  size_t current_ = 0;
  Millis started_{0};
  Millis probed_{0};  // when the probe was asked for
  Millis scans_requested_{0};
  int64_t utc_offset_ns_ = 0;
  Lsn bound_;  // the round ends with it: the committed maximum, or just before a definition changes
  std::vector<uint32_t> active_;  // tables that are read
  std::vector<uint32_t> heap_;    // active tables with a change at hand, the next one on top
  size_t waiting_ = 0;            // active tables whose next change has not arrived
  CommitTimes times_;
  // The last change of the merge: whether it ends its transaction shows with the next one.
  Change pending_;
  uint32_t pending_table_ = 0;
  std::shared_ptr<const PositionWriter> writer_;
  // Counters of the transaction, and of the rows that share commit and change LSN.
  ChangeKey counted_;
  uint64_t transaction_count_ = 0;
  uint32_t serial_ = 0;
  int64_t commit_ms_ = 0;  // when the transaction ended, see PositionEntry
};

}  // namespace dstream::sqlserver
