// The border between deciding what to copy of a table (in read()) and reading it (ODBC, in threads
// of a pool). The counterpart of change_fetcher.h for rows of the tables themselves.
//
// Keys are texts, one for each column of the table's key, as copy_key.h makes them; an empty key
// stands for the beginning or the end of the table. Only the server compares them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "plugins/sqlserver_cdc/row_memory.h"

namespace dstream::sqlserver {

using CopyKey = std::vector<std::string>;

// Ask: the rows with after < key <= upto, in the order of the key, at most `rows` of them. Of a
// table without a key (`whole`): the next rows of the one statement that reads it, or its first
// ones (`from_start`).
struct ChunkRequest {
  uint32_t table = 0;
  uint64_t id = 0;  // comes back with the answer
  CopyKey after;
  CopyKey upto;
  // The rows are at least as new as every change up to here: what is asked for them has got so far.
  Lsn low;
  uint32_t rows = 0;
  bool whole = false;
  bool from_start = false;
  uint64_t statement = 0;  // of a table without a key: the id that started the statement
};

struct ChunkAnswer {
  uint32_t table = 0;
  uint64_t id = 0;
  std::vector<ChunkPointer> chunks;  // in key order, none empty
  size_t rows = 0;
  size_t bytes = 0;
  bool complete = false;  // nothing is left up to `upto`
  // Nothing was read: a writer holds a row, or the statement was given up. Ask again later.
  bool locked = false;
  std::string read_at;  // server's local time after the read, ISO 8601 with seven digits
  int64_t read_time_ns = 0;
};

// Ask: the key of the `rows`-th row after `after`, so that several chunks can be read at once.
struct BoundaryRequest {
  uint32_t table = 0;
  uint64_t id = 0;
  CopyKey after;
  uint32_t rows = 0;
};

struct BoundaryAnswer {
  uint32_t table = 0;
  uint64_t id = 0;
  CopyKey key;  // empty: fewer rows follow
};

// Ask: about how many rows has a table?
struct EstimateRequest {
  uint32_t table = 0;
};

struct EstimateAnswer {
  uint32_t table = 0;
  uint64_t rows = 0;
};

using CopyRequest = std::variant<ChunkRequest, BoundaryRequest, EstimateRequest>;
using CopyAnswer = std::variant<ChunkAnswer, BoundaryAnswer, EstimateAnswer>;

// [worker]
class CopyFetcher {
 public:
  virtual ~CopyFetcher() = default;
  // Answers come in any order.
  virtual void submit(CopyRequest request) = 0;
  // The next answer, nullptr if none is there yet. Throws SourceError if a request failed; every
  // request without an answer is forgotten then.
  virtual std::unique_ptr<CopyAnswer> take() = 0;
};

}  // namespace dstream::sqlserver
