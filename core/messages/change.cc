#include "core/messages/change.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "core/messages/abi_text.h"
#include "core/messages/hash.h"
#include "core/messages/json_text.h"
#include "core/messages/row_text.h"

namespace dstream::core {
namespace {

constexpr size_t kPositionTextBytesMax = 64;

char* write_hash(char* out, uint64_t hash) {
  for (int shift = 60; shift >= 0; shift -= 4) {
    *out++ = "0123456789abcdef"[hash >> shift & 15];
  }
  return out;
}

void append_value(const dstream_value& value, std::string* bytes) {
  bytes->push_back(static_cast<char>(value.type));
  if (is_variable(value.type)) {
    bytes->append(std::to_string(value.size)).push_back(':');
    bytes->append(value.as.data != nullptr ? text_of(value) : std::string_view());
  } else if (value.type != DSTREAM_NULL && value.type != DSTREAM_ABSENT) {
    bytes->append(reinterpret_cast<const char*>(&value.as), sizeof value.as);
  }
}

// Tells a row from the other rows of all tables: by its key, or by all of it if it has none.
uint64_t row_hash(const Change& change) {
  std::string bytes = change.plan.database + "." + change.plan.full_name();
  bytes.push_back('\0');
  const dstream_value* row = change.key_row();
  if (row != nullptr && !change.plan.key.empty()) {
    for (uint32_t i : change.plan.key) {
      append_value(row[i], &bytes);
    }
  } else if (row != nullptr) {
    for (size_t i = 0; i < change.plan.columns.size(); ++i) {
      append_value(row[i], &bytes);
    }
  }
  return stable_hash(bytes);
}

// Tells a change of a table's definition from others of the same transaction, also when the
// position of its record is another one.
uint64_t definition_hash(const Change& change) {
  std::string bytes = change.plan.database + "." + change.plan.full_name();
  bytes.push_back('\0');
  bytes.append(change.facts.ddl);
  return stable_hash(bytes);
}

bool is_plain_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
}

// The middle of an id where the source gives no change LSN.
char* write_stand_in(char* out, const Change& change) {
  const std::string_view position = text_of(change.record.position);
  if (change.op == DSTREAM_OP_SCHEMA) {
    return write_hash(out, definition_hash(change));
  }
  if (change.op == DSTREAM_OP_SNAPSHOT || position.empty()) {
    return write_hash(out, row_hash(change));
  }
  if (position.size() <= kPositionTextBytesMax && is_plain_text(position)) {
    return write_raw(out, position);
  }
  return write_hash(out, stable_hash(position));
}

bool same_value(const dstream_value& a, const dstream_value& b) {
  if (a.type != b.type) {
    return false;
  }
  if (is_variable(a.type)) {
    return a.size == b.size && (a.size == 0 || std::memcmp(a.as.data, b.as.data, a.size) == 0);
  }
  switch (a.type) {
    case DSTREAM_NULL:
      return true;
    case DSTREAM_TIMESTAMP:
    case DSTREAM_TIMESTAMP_TZ:
      return a.as.time.seconds == b.as.time.seconds && a.as.time.nanos == b.as.time.nanos &&
             (a.type == DSTREAM_TIMESTAMP || a.as.time.offset_min == b.as.time.offset_min);
    case DSTREAM_UUID:
      return std::memcmp(a.as.uuid, b.as.uuid, sizeof a.as.uuid) == 0;
    default:
      return a.as.u64 == b.as.u64;
  }
}

}  // namespace

ChangeFacts read_facts(const dstream_record& record) {
  ChangeFacts facts;
  for (uint32_t i = 0; i < record.header_count; ++i) {
    const dstream_field& header = record.headers[i];
    if (header.name == nullptr) {
      continue;
    }
    if (std::strcmp(header.name, "commit_lsn") == 0) {
      facts.commit_lsn = text_of(header.value);
    } else if (std::strcmp(header.name, "change_lsn") == 0) {
      facts.change_lsn = text_of(header.value);
    } else if (std::strcmp(header.name, "sequence") == 0) {
      facts.sequence = text_of(header.value);
    } else if (std::strcmp(header.name, "snapshot") == 0) {
      facts.snapshot = text_of(header.value);
    } else if (std::strcmp(header.name, "ddl") == 0) {
      facts.ddl = text_of(header.value);
    } else {
      ++facts.other_headers;
    }
  }
  return facts;
}

bool is_fact(const char* header_name) {
  for (const char* fact : {"commit_lsn", "change_lsn", "sequence", "snapshot", "ddl"}) {
    if (header_name == nullptr || std::strcmp(header_name, fact) == 0) {
      return true;
    }
  }
  return false;
}

bool is_small_number(std::string_view text) {
  return !text.empty() && text.size() <= 15 && (text[0] != '0' || text.size() == 1) &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

const char* op_name(dstream_op op) {
  switch (op) {
    case DSTREAM_OP_SNAPSHOT:
      return "snapshot";
    case DSTREAM_OP_INSERT:
      return "insert";
    case DSTREAM_OP_UPDATE:
      return "update";
    case DSTREAM_OP_DELETE:
      return "delete";
    case DSTREAM_OP_TRUNCATE:
      return "truncate";
    case DSTREAM_OP_SCHEMA:
      return "schema";
    default:
      return nullptr;
  }
}

char* write_change_id(char* out, const Change& change, std::string_view op) {
  bool replaced = false;
  out = write_escaped(out, change.facts.commit_lsn, &replaced);
  *out++ = ':';
  if (!change.facts.change_lsn.empty()) {
    out = write_escaped(out, change.facts.change_lsn, &replaced);
  } else {
    out = write_stand_in(out, change);
  }
  *out++ = ':';
  out = write_raw(out, op);
  const std::string_view usual = usual_sequence(change.record.op);
  if (!change.facts.sequence.empty() && change.facts.sequence != usual) {
    *out++ = ':';
    out = write_escaped(out, change.facts.sequence, &replaced);
  }
  return out;
}

size_t change_id_bytes_bound(const Change& change) {
  constexpr size_t kOpBytesMax = 16;
  return kEscapeGrowthMax * (change.facts.commit_lsn.size() + change.facts.change_lsn.size() +
                             change.facts.sequence.size()) +
         kPositionTextBytesMax + kOpBytesMax + kSlackBytes;
}

bool changes_key(const Change& update) {
  if (update.before == nullptr || update.after == nullptr) {
    return false;
  }
  bool changed = false;
  for (uint32_t i : update.plan.key) {
    if (update.before[i].type == DSTREAM_ABSENT || update.after[i].type == DSTREAM_ABSENT) {
      return false;
    }
    changed = changed || !same_value(update.before[i], update.after[i]);
  }
  return changed;
}

}  // namespace dstream::core
