#include "plugins/sqlserver_cdc/position.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <Poco/JSONString.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

constexpr int kVersionMax = 2;
constexpr std::string_view kStart = "{\"v\":1";
constexpr std::string_view kStartWithCopies = "{\"v\":2";
constexpr size_t kNumberSize = 20;  // digits of the longest number written

[[noreturn]] void refuse(const std::string& why) {
  throw SourceError(DSTREAM_CONFIG,
                    "The stored position cannot be read (" + why +
                        "). It was not written by sqlserver-cdc, or is damaged; restore the "
                        "checkpoint, or set a position by hand.");
}

char* put(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

template <class Number>
char* put_number(char* out, Number value) {
  return std::to_chars(out, out + kNumberSize + 1, value).ptr;
}

char* put_lsn(char* out, Lsn lsn) {
  *out++ = '"';
  lsn.format(out);
  out += Lsn::kTextSize;
  *out++ = '"';
  return out;
}

// The transaction: its LSN, and when it ended.
char* put_commit(char* out, Lsn commit, int64_t time_ms) {
  out = put_lsn(put(out, "\"lsn\":"), commit);
  return time_ms == 0 ? out : put_number(put(out, ",\"time\":"), time_ms);
}

// The rest of a key, behind its transaction.
char* put_key(char* out, const ChangeKey& key, std::string_view table_json, uint64_t count,
              uint32_t serial) {
  out = put_number(put(out, ",\"command\":"), key.command);
  out = put_lsn(put(out, ",\"seq\":"), key.sequence);
  out = put_number(put(out, ",\"op\":"), key.operation);
  out = put(put(out, ",\"table\":"), table_json);
  if (count != 0) {
    out = put_number(put(out, ",\"n\":"), count);
  }
  if (serial != 0) {
    out = put_number(put(out, ",\"serial\":"), serial);
  }
  return out;
}

std::string tables_json(const std::vector<TableName>& tables, const CopyPosition& copies) {
  std::string done = "\"tables\":[";
  std::string waiting = "],\"waiting\":[";
  const size_t none = waiting.size();
  for (const TableName& table : tables) {
    const TableCopy* copy = copies.find(table);
    std::string& out = copy != nullptr && copy->waiting() ? waiting : done;
    if (out.back() != '[') {
      out += ',';
    }
    out += json_string(table.text());
  }
  return done + (waiting.size() == none ? std::string() : waiting) + ']';
}

void add_list(const std::vector<std::string>& parts, std::string* out) {
  *out += '[';
  for (const std::string& part : parts) {
    *out += (out->back() == '[' ? "" : ",") + json_string(part);
  }
  *out += ']';
}

std::string copies_json(const CopyPosition& copies) {
  std::string out;
  for (const TableCopy& copy : copies.tables) {
    if (copy.waiting()) {
      continue;
    }
    out += out.empty() ? ",\"snapshot\":[" : ",";
    out += "{\"table\":" + json_string(copy.table.text()) + ",\"after\":";
    add_list(copy.after, &out);
    if (!copy.key.empty()) {
      add_list(copy.key, &(out += ",\"key\":"));
    }
    out += ",\"rows\":" + std::to_string(copy.rows);
    out += copy.truncate ? ",\"truncate\":true}" : "}";
  }
  out += out.empty() ? "" : "]";
  return copies.settling.empty() ? out : out + ",\"settling\":" + json_string(copies.settling);
}

std::string entry_json(const PositionEntry& entry, const CopyPosition& copies) {
  std::string out;
  if (!entry.key.is_beginning()) {
    const std::string table = json_string(entry.last ? entry.last->text() : "");
    out.resize(200 + table.size());
    char* end = put_commit(out.data(), entry.key.commit, entry.time_ms);
    if (!entry.key.is_end_of_transaction()) {
      end = put_key(end, entry.key, table, entry.transaction_count, entry.serial);
    }
    out.resize(static_cast<size_t>(end - out.data()));
    out += ',';
  }
  return out + tables_json(entry.tables, copies);
}

std::string groups_json(const std::vector<PositionEntry>& entries, const CopyPosition& copies) {
  std::string out;
  for (const PositionEntry& entry : entries) {
    out += (out.empty() ? ",\"groups\":[{" : ",{") + entry_json(entry, copies) + '}';
  }
  return out.empty() ? out : out + ']';
}

Lsn read_lsn(const Poco::JSON::Object& object, const char* name) {
  const auto lsn = Lsn::parse(object.getValue<std::string>(name));
  if (!lsn) {
    refuse(std::string(name) + " is not an LSN");
  }
  return *lsn;
}

template <class Number>
Number read_number(const Poco::JSON::Object& object, const char* name, Number low, Number high) {
  const Poco::Dynamic::Var value = object.get(name);
  if (!value.isInteger() || value.isBoolean()) {
    refuse(std::string(name) + " is not a number");
  }
  const auto number = value.convert<int64_t>();
  if (number < static_cast<int64_t>(low) || number > static_cast<int64_t>(high)) {
    refuse(std::string(name) + " is out of range");
  }
  return static_cast<Number>(number);
}

TableName read_table(const Poco::Dynamic::Var& value) {
  const auto name =
      value.isString() ? TableName::parse(value.extract<std::string>()) : std::nullopt;
  if (!name) {
    refuse("a table name is not one");
  }
  return *name;
}

std::vector<std::string> read_list(const Poco::JSON::Object& object, const char* name) {
  std::vector<std::string> key;
  const Poco::JSON::Array::Ptr parts = object.getArray(name);
  for (unsigned i = 0; !parts.isNull() && i < parts->size(); ++i) {
    if (!parts->get(i).isString()) {
      refuse("a part of a key is not text");
    }
    key.push_back(parts->get(i).extract<std::string>());
  }
  return key;
}

CopyPosition read_copies(const Poco::JSON::Object& object, CopyPosition waiting) {
  CopyPosition copies = std::move(waiting);
  const Poco::JSON::Array::Ptr begun = object.getArray("snapshot");
  for (unsigned i = 0; !begun.isNull() && i < begun->size(); ++i) {
    const Poco::JSON::Object::Ptr item = begun->getObject(i);
    if (item.isNull()) {
      refuse("a copy is not an object");
    }
    TableCopy copy;
    copy.table = read_table(item->get("table"));
    copy.after = read_list(*item, "after");
    copy.key = read_list(*item, "key");
    copy.rows = static_cast<uint64_t>(
        read_number<int64_t>(*item, "rows", 0, std::numeric_limits<int64_t>::max()));
    copy.truncate = item->optValue<bool>("truncate", false);
    copies.tables.push_back(std::move(copy));
  }
  std::sort(copies.tables.begin(), copies.tables.end(),
            [](const TableCopy& a, const TableCopy& b) { return a.table < b.table; });
  copies.settling = object.optValue<std::string>("settling", "");
  return copies;
}

PositionEntry read_entry(const Poco::JSON::Object& object, CopyPosition* copies) {
  PositionEntry entry;
  const Poco::JSON::Array::Ptr tables = object.getArray("tables");
  if (tables.isNull()) {
    refuse("tables are missing");
  }
  for (const auto& name : *tables) {
    entry.tables.push_back(read_table(name));
  }
  if (const Poco::JSON::Array::Ptr waiting = object.getArray("waiting"); !waiting.isNull()) {
    for (const auto& name : *waiting) {
      entry.tables.push_back(read_table(name));
      copies->tables.push_back({entry.tables.back(), {}, 0, false});
    }
  }
  std::sort(entry.tables.begin(), entry.tables.end());
  if (!object.has("lsn")) {
    return entry;
  }
  entry.key = ChangeKey::end_of(read_lsn(object, "lsn"));
  if (object.has("time")) {
    entry.time_ms = read_number<int64_t>(object, "time", std::numeric_limits<int64_t>::min(),
                                         std::numeric_limits<int64_t>::max());
  }
  if (!object.has("seq")) {
    return entry;
  }
  entry.key.sequence = read_lsn(object, "seq");
  entry.key.command =
      read_number<int32_t>(object, "command", -1, std::numeric_limits<int32_t>::max());
  entry.key.operation = read_number<int32_t>(object, "op", 1, 4);
  entry.last = read_table(object.get("table"));
  constexpr int64_t count_max = std::numeric_limits<int64_t>::max();
  if (object.has("n")) {
    entry.transaction_count =
        static_cast<uint64_t>(read_number<int64_t>(object, "n", 0, count_max));
  }
  if (object.has("serial")) {
    entry.serial = static_cast<uint32_t>(
        read_number<int64_t>(object, "serial", 0, std::numeric_limits<uint32_t>::max()));
  }
  return entry;
}

Position read_position(std::string_view text) {
  Poco::JSON::Parser parser;
  parser.setDepth(8);
  const Poco::Dynamic::Var parsed = parser.parse(std::string(text));
  const auto& object = parsed.extract<Poco::JSON::Object::Ptr>();
  const auto version = read_number<int64_t>(*object, "v", 1, std::numeric_limits<int64_t>::max());
  if (version > kVersionMax) {
    throw SourceError(DSTREAM_UNSUPPORTED, "The stored position has format version " +
                                               std::to_string(version) +
                                               "; this version of sqlserver-cdc reads versions "
                                               "1 and 2.");
  }
  Position position;
  CopyPosition waiting;
  position.entries.push_back(read_entry(*object, &waiting));
  if (const Poco::JSON::Array::Ptr groups = object->getArray("groups"); !groups.isNull()) {
    for (unsigned i = 0; i < groups->size(); ++i) {
      const Poco::JSON::Object::Ptr group = groups->getObject(i);
      if (group.isNull()) {
        refuse("a group is not an object");
      }
      position.entries.push_back(read_entry(*group, &waiting));
    }
  }
  position.copies = read_copies(*object, std::move(waiting));
  return position;
}

}  // namespace

void PositionEntry::add_tables(const std::vector<TableName>& more) {
  tables.insert(tables.end(), more.begin(), more.end());
  std::sort(tables.begin(), tables.end());
}

ChangeKey PositionEntry::key_of(const TableName& table) const {
  if (!last || table <= *last || key.is_end_of_transaction() || key.is_beginning()) {
    return key;
  }
  // Changes with the same key in a later table are still to come. An update's key is that of its
  // after image (4), and its rows begin with the before image (3).
  ChangeKey before = key;
  const auto after = static_cast<int32_t>(Operation::kUpdateAfter);
  before.operation = key.operation == after ? after - 2 : key.operation - 1;
  return before;
}

const TableCopy* CopyPosition::find(const TableName& table) const {
  const auto at = std::lower_bound(
      tables.begin(), tables.end(), table,
      [](const TableCopy& copy, const TableName& name) { return copy.table < name; });
  return at != tables.end() && at->table == table ? &*at : nullptr;
}

const PositionEntry* Position::find(const TableName& table) const {
  for (const PositionEntry& entry : entries) {
    if (std::binary_search(entry.tables.begin(), entry.tables.end(), table)) {
      return &entry;
    }
  }
  return nullptr;
}

Position parse_position(std::string_view text) {
  if (text.empty()) {
    return {};
  }
  if (text.size() > DSTREAM_MAX_POSITION) {
    refuse("it is larger than 64 KiB");
  }
  try {
    return read_position(text);
  } catch (const Poco::Exception& error) {
    refuse(error.displayText());
  }
}

PositionWriter::PositionWriter(const std::vector<TableName>& moving,
                               const std::vector<PositionEntry>& others, const CopyPosition& copies)
    : start_(copies.empty() ? kStart : kStartWithCopies),
      suffix_(',' + tables_json(moving, copies) + groups_json(others, copies) +
              copies_json(copies) + '}') {}

size_t PositionWriter::size_max(size_t name_size) const {
  constexpr size_t fixed = sizeof(
                               "{\"v\":1,\"lsn\":,\"time\":,\"command\":,\"seq\":,\"op\":,"
                               "\"table\":,"
                               "\"n\":,\"serial\":") +
                           2 * (Lsn::kTextSize + 2) + 6 * kNumberSize;
  return fixed + name_size + suffix_.size();
}

void CommitText::set(Lsn commit, int64_t time_ms) {
  if (size_ != 0 && commit_ == commit && time_ms_ == time_ms) {
    return;
  }
  commit_ = commit;
  time_ms_ = time_ms;
  size_ = static_cast<size_t>(put_commit(text_.data(), commit, time_ms) - text_.data());
}

char* PositionWriter::write(char* out, const CommitText& commit, const ChangeKey& key,
                            std::string_view table_json, uint64_t transaction_count,
                            uint32_t serial) const {
  out = put(put(put(out, start_), ","), commit.text());
  return put(put_key(out, key, table_json, transaction_count, serial), suffix_);
}

char* PositionWriter::write_complete(char* out, const CommitText& commit) const {
  return put(put(put(put(out, start_), ","), commit.text()), suffix_);
}

int64_t datetime_ms(int64_t since_1970_ns) {
  constexpr int64_t kTicksPerSecond = 300;
  constexpr int64_t kSecond = 1'000'000'000;
  int64_t seconds = since_1970_ns / kSecond;
  int64_t rest = since_1970_ns % kSecond;
  if (rest < 0) {
    rest += kSecond;
    --seconds;
  }
  const int64_t ticks = (rest * kTicksPerSecond + kSecond / 2) / kSecond;
  return seconds * 1000 + (ticks * 10 + 1) / 3;
}

std::string position_text(const Position& position) {
  if (position.entries.empty()) {
    return {};
  }
  const std::vector<PositionEntry> others(position.entries.begin() + 1, position.entries.end());
  const CopyPosition& copies = position.copies;
  return std::string(copies.empty() ? kStart : kStartWithCopies) + ',' +
         entry_json(position.entries.front(), copies) + groups_json(others, copies) +
         copies_json(copies) + '}';
}

std::string json_string(std::string_view text) { return Poco::toJSON(std::string(text)); }

}  // namespace dstream::sqlserver
