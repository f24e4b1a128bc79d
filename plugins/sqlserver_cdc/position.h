// Positions: what the host stores and hands back so that reading goes on where it stopped.
//
// A position says, for sets of tables, up to which key their changes are complete. All tables of a
// poll group share one key; there is more than one set only with several poll groups, or while a
// table that was added later catches up. Text, format version 1 (tests/golden: position_test.cc):
//
//   {"v":1,"lsn":"00000027:000001f4:0003","command":1,"seq":"00000027:000001f0:0002","op":4,
//    "table":"dbo.Persons","n":17,"serial":2,"tables":["dbo.Cars","dbo.Persons"],
//    "groups":[{"lsn":"00000027:000001e8:0001","tables":["dbo.Orders"]}]}
//
// "command", "seq", "op" and "table" are there inside a transaction only: `table` had the last
// change, and of changes with equal keys the tables up to `table` (by schema and name) are done.
// Without them the transaction `lsn` is complete. "n" counts the group's changes of the transaction
// so far; "serial" the rows that shared commit and change LSN. No "lsn" means nothing was read yet.
// "time":1795428672123 beside an "lsn" is when that transaction ended, as cdc.lsn_time_mapping has
// it: what tells this database from a restored one in which the LSN was given again. Left out where
// it is not known; a program from before it does not miss it, so it needs no version of its own.
//
// Version 2 is written while tables are still to be copied, so that a program that knows nothing of
// copies refuses it instead of skipping them. It adds: "waiting" beside any "tables", tables of the
// set whose copy has not begun; and
//
//   "snapshot":[{"table":"dbo.Cars","after":["17"],"key":["Id int"],"rows":1000,"truncate":true}],
//   "settling":"2026-11-23T10:11:12.1234567"
//
// "after" is the key of the last row delivered, as text that SQL Server converts back; "key" is
// what it is a key of, left out by programs that did not look at it. "truncate" says that a
// TRUNCATE record has to come first. "settling" is when, by the server's clock, the last chunk was
// read: copies are consistent when the stream has passed that time.
//
// A reader accepts unknown members and refuses an unknown version. Do not change what a member of
// a version means: positions are stored in checkpoints.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/sqlserver_cdc/identifiers.h"
#include "plugins/sqlserver_cdc/lsn.h"

namespace dstream::sqlserver {

// One set of tables and how far they are complete.
struct PositionEntry {
  ChangeKey key;                   // beginning() if nothing was read yet
  std::optional<TableName> last;   // inside a transaction: the table of the last change
  uint64_t transaction_count = 0;  // changes of the transaction so far, 0 if unknown
  uint32_t serial = 0;             // rows that shared commit and change LSN, 0 if unknown
  std::vector<TableName> tables;   // sorted
  // When the transaction of `key` ended: ms since 1970 by the server's local clock, in steps of
  // datetime (see datetime_ms()). 0 if unknown.
  int64_t time_ms = 0;

  void add_tables(const std::vector<TableName>& more);
  // How far `table` itself is complete, with the tie rule above applied.
  ChangeKey key_of(const TableName& table) const;
  bool operator==(const PositionEntry&) const = default;
};

// A copy of a table that is not finished. Tables whose copy has not begun are `waiting()`.
struct TableCopy {
  TableName table;
  std::vector<std::string> after;  // key of the last row delivered; empty: none yet
  uint64_t rows = 0;               // delivered so far
  bool truncate = false;           // a TRUNCATE record has to come first
  // What `after` is a key of: names, types and collations of its columns. Empty: not known.
  std::vector<std::string> key{};

  bool waiting() const { return after.empty() && rows == 0 && !truncate; }
  bool operator==(const TableCopy&) const = default;
};

// What a position says beside the stream.
struct CopyPosition {
  std::vector<TableCopy> tables;  // sorted by name, each also in an entry of the position
  std::string settling;           // empty: the stream has passed all copies

  bool empty() const { return tables.empty() && settling.empty(); }
  const TableCopy* find(const TableName& table) const;
  bool operator==(const CopyPosition&) const = default;
};

struct Position {
  std::vector<PositionEntry> entries;
  CopyPosition copies;

  // The entry that names `table`; nullptr if the position does not know it.
  const PositionEntry* find(const TableName& table) const;
  bool operator==(const Position&) const = default;
};

// Empty text is the beginning: no entries.
// Throws SourceError(CONFIG) for text that is not a position, SourceError(UNSUPPORTED) for one of a
// newer version: the host must not start over by itself (I5).
Position parse_position(std::string_view text);

// The part of a position that is the same for all changes of a transaction, "lsn" and "time",
// written once for all of them.
class CommitText {
 public:
  // Nothing to do if they are those of the last call.
  void set(Lsn commit, int64_t time_ms);
  std::string_view text() const { return {text_.data(), size_}; }

 private:
  Lsn commit_;
  int64_t time_ms_ = 0;
  std::array<char, 72> text_{};
  size_t size_ = 0;
};

// Writes positions of one moving entry fast: everything but the key is prepared once.
//
// Thread rule: one thread. No allocation in write().
class PositionWriter {
 public:
  // `moving` names the tables of the group being read; `others` are constant. Tables are names as
  // TableName::text() gives them.
  PositionWriter(const std::vector<TableName>& moving, const std::vector<PositionEntry>& others,
                 const CopyPosition& copies = {});

  // Bytes that one write() needs at most, for a table name of `name_size` bytes.
  size_t size_max(size_t name_size) const;
  // Inside a transaction. `table_json` is json_string(name). Returns the end of what was written.
  char* write(char* out, const CommitText& commit, const ChangeKey& key,
              std::string_view table_json, uint64_t transaction_count, uint32_t serial) const;
  // At the end of the transaction `commit`, or complete up to it.
  char* write_complete(char* out, const CommitText& commit) const;

 private:
  std::string_view start_;
  std::string suffix_;
};

// A datetime as positions have it. It counts in 300ths of a second, which drivers round in
// different ways: the same value is the same number here.
int64_t datetime_ms(int64_t since_1970_ns);

// For positions outside the path of changes, and for tests.
std::string position_text(const Position& position);

// `text` as a JSON string with its quotes.
std::string json_string(std::string_view text);

}  // namespace dstream::sqlserver
