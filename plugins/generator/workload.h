// What record n of a workload is: a pure function of the options and n, so that a source that is
// opened at any position goes on with exactly the records it would have produced without the stop.
//
// Record n (counted from 1) belongs to table (n-1) mod tables. With `keys` set, the records of a
// table visit its keys in turn, round after round: the first visit inserts, later ones update or
// delete, the visit after a delete inserts again. With keys 0 every record inserts a new key.
//
// Thread rule: immutable after construction.
#pragma once

#include <cstdint>
#include <string>

#include "dstream/abi.h"

namespace generator {

struct Options {
  double rate = 0;                // records a second; 0: as fast as they are read
  uint64_t rows = 0;              // records in all; 0: without end
  uint64_t size = 500;            // bytes of column `payload`
  uint64_t seed = 1;              // changes payloads and which keys are deleted
  uint32_t tables = 1;            // records_1 .. records_<tables>
  uint64_t keys = 0;              // distinct keys in each table; 0: every record has a new one
  uint32_t delete_percent = 0;    // 0..50, of the visits of a key; the rest are updates
  uint64_t transaction_size = 1;  // records in a transaction
};

// One record, before it has memory.
struct Change {
  dstream_op op = DSTREAM_OP_INSERT;
  uint32_t table = 0;            // from 0
  uint64_t sequence = 0;         // n
  uint64_t id = 0;               // the key, from 1
  uint64_t version = 0;          // which visit of the key this is, from 1
  uint64_t transaction = 0;      // from 1
  uint64_t transaction_seq = 0;  // from 1
  bool transaction_end = false;
};

class Workload {
 public:
  explicit Workload(const Options& options);

  const Options& options() const { return options_; }
  // REQUIRES: 1 <= n, and n <= rows if there is an end.
  Change change(uint64_t n) const;
  // The number of the record that visited the key of `change` before it. REQUIRES: version > 1.
  uint64_t previous(const Change& change) const;
  // The payload of record n: `options().size` bytes of printable ASCII, there as long as this is.
  const char* payload(uint64_t n) const;

 private:
  bool is_deleted(uint32_t table, uint64_t id, uint64_t version) const;

  Options options_;
  std::string text_;  // what payloads are cut from
};

}  // namespace generator
