// One message to be written: a record, or one half of an update that changes the key.
//
// Thread rule: plain values, borrowed from the record for the time of one encode().
#pragma once

#include <cstdint>
#include <string_view>

#include "core/messages/schema_plan.h"
#include "dstream/abi.h"

namespace dstream::core {

// What a record says about its change besides columns; empty where it says nothing.
struct ChangeFacts {
  std::string_view commit_lsn;
  std::string_view change_lsn;
  std::string_view sequence;
  std::string_view snapshot;
  std::string_view ddl;
  uint32_t other_headers = 0;  // those that become message headers
};
ChangeFacts read_facts(const dstream_record& record);
// True for the headers that read_facts() reads, and for one without a name; the others become
// message headers.
bool is_fact(const char* header_name);

struct Change {
  const dstream_record& record;
  const SchemaPlan& plan;
  const ChangeFacts& facts;
  dstream_op op;
  const dstream_value* before;
  const dstream_value* after;

  // The row whose columns make the key; nullptr if the op concerns no row.
  const dstream_value* key_row() const { return after != nullptr ? after : before; }
  bool has_key() const { return key_row() != nullptr && !plan.key.empty(); }
};

// True if `text` is a whole number that every JSON reader takes exactly.
bool is_small_number(std::string_view text);

// The sequence of a change that shares its log positions with no other: an update is logged as two
// rows, of which it is the second.
inline std::string_view usual_sequence(dstream_op op) {
  return op == DSTREAM_OP_UPDATE ? "2" : "1";
}

// "insert", "update", ...: the word used in messages, ids and topics; nullptr for an unknown op.
const char* op_name(dstream_op op);

// "<commit_lsn>:<change_lsn>:<op>", and ":<sequence>" behind it where several changes share both
// log positions. The same change has the same id whenever it is read again, and two changes never
// share one. A change without a change LSN is told by its row (snapshots) or by its position.
// Escaped for JSON.
char* write_change_id(char* out, const Change& change, std::string_view op);
// At least as many bytes as that needs.
size_t change_id_bytes_bound(const Change& change);

// True if the update moves the row to another key, as far as both keys are known.
bool changes_key(const Change& update);

}  // namespace dstream::core
