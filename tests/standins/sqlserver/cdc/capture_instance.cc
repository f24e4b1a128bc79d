#include "tests/standins/sqlserver/cdc/capture_instance.h"

#include <algorithm>
#include <map>

#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"

namespace dstream::standin::cdc {
namespace {

using sql::view_column;

constexpr int32_t kMaskLength = 128;

// Where the key columns lie in a change row's token: fixed, because all before them is NOT NULL or
// always NULL, and __$command_id is last.
constexpr size_t kStartLsnAt = 1 + 2;
constexpr size_t kSeqvalAt = kStartLsnAt + kLsnBytes + 2 + 2;
constexpr size_t kOperationAt = kSeqvalAt + kLsnBytes;

void append_number_key(int64_t number, std::string* key) {
  key->push_back('\1');
  const uint64_t bits = static_cast<uint64_t>(number) ^ (uint64_t{1} << 63);
  for (int shift = 56; shift >= 0; shift -= 8) {
    key->push_back(static_cast<char>(bits >> shift));
  }
}

int32_t read_int(std::string_view token, size_t at) {
  int32_t value = 0;
  std::copy_n(token.data() + at, sizeof(value), reinterpret_cast<char*>(&value));
  return value;
}

// (start_lsn, command_id, seqval, operation) as append_key() would write it.
void change_key(std::string_view token, std::string* key) {
  key->push_back('\1');
  key->append(token.substr(kStartLsnAt, kLsnBytes));
  append_number_key(read_int(token, token.size() - sizeof(int32_t)), key);
  key->push_back('\1');
  key->append(token.substr(kSeqvalAt, kLsnBytes));
  append_number_key(read_int(token, kOperationAt), key);
}

std::string full_mask(size_t columns) {
  std::string mask((columns + 7) / 8, '\0');
  for (size_t i = 0; i < columns; ++i) {
    mask[i / 8] = static_cast<char>(static_cast<unsigned char>(mask[i / 8]) | (1U << (i % 8)));
  }
  return mask;
}

std::vector<ResultColumn> make_columns(const std::vector<CapturedColumn>& captured) {
  std::vector<ResultColumn> columns = {
      view_column("__$start_lsn", sql::binary_type(10), false),
      view_column("__$end_lsn", sql::binary_type(10)),
      view_column("__$seqval", sql::binary_type(10), false),
      view_column("__$operation", sql::int_type(), false),
      view_column("__$update_mask", sql::varbinary_type(kMaskLength))};
  for (const CapturedColumn& column : captured) {
    columns.push_back(view_column(column.name, column.type));
  }
  columns.push_back(view_column("__$command_id", sql::int_type()));
  return columns;
}

sql::Ordering change_ordering(size_t captured) {
  return {{{0, false}, {kLeadingColumns + captured, false}, {2, false}, {3, false}}, true};
}

}  // namespace

// A row before it is written: sorted by command, seqval and operation first.
struct CaptureInstance::PendingRow {
  int32_t command = 0;
  uint64_t record = 0;
  Operation operation = kInsert;
  const sql::RowChange* change = nullptr;
  bool uses_after = true;
  const std::string* mask = nullptr;
};

CaptureInstance::CaptureInstance(std::string name, sql::TablePtr table, int32_t object_id,
                                 std::vector<CapturedColumn> columns)
    : name_(std::move(name)),
      table_(std::move(table)),
      object_id_(object_id),
      columns_(std::make_shared<const std::vector<CapturedColumn>>(std::move(columns))),
      changes_(std::make_shared<AppendTable>(make_columns(*columns_),
                                             change_ordering(columns_->size()), change_key)),
      all_mask_(full_mask(columns_->size())) {}

CaptureInstance::Columns CaptureInstance::columns() const {
  const std::lock_guard lock(columns_mutex_);
  return columns_;
}

std::vector<ResultColumn> CaptureInstance::change_columns() const {
  return *changes_->snapshot().columns;
}

std::string CaptureInstance::changed_mask(const sql::RowFormat& format,
                                          const std::vector<std::string_view>& before,
                                          const std::vector<std::string_view>& after) const {
  std::string mask((columns_->size() + 7) / 8, '\0');
  std::string missing;
  // A row from before its column was added is compared with what it stands for.
  const auto bytes = [&](std::string_view value, const CapturedColumn& column) {
    if (!value.empty() || column.physical >= format.size()) {
      return value;
    }
    missing.clear();
    append_value(column.type, format.missing(column.physical), &missing);
    return std::string_view(missing);
  };
  for (size_t i = 0; i < columns_->size(); ++i) {
    const size_t physical = (*columns_)[i].physical;
    if (physical < after.size() &&
        bytes(before[physical], (*columns_)[i]) != bytes(after[physical], (*columns_)[i])) {
      mask[i / 8] = static_cast<char>(static_cast<unsigned char>(mask[i / 8]) | (1U << (i % 8)));
    }
  }
  return mask;
}

bool CaptureInstance::is_left_out(const CapturedColumn& column, size_t place, Operation operation,
                                  const std::string& mask) const {
  if (column.is_computed) {
    return true;
  }
  if (column.is_legacy_large) {
    return operation == kDelete || operation == kUpdateBefore;
  }
  return column.is_large && (operation == kUpdateBefore || operation == kUpdateAfter) &&
         !is_bit_set(mask, static_cast<int64_t>(place) + 1);
}

void CaptureInstance::append_header(const std::string& commit_lsn, const std::string& seqval,
                                    Operation operation, const std::string& mask,
                                    std::string* out) const {
  put_u8(out, kRowToken);
  put_u16(out, kLsnBytes);
  out->append(commit_lsn);
  put_u16(out, 0xFFFF);  // __$end_lsn is always NULL
  put_u16(out, kLsnBytes);
  out->append(seqval);
  put(out, static_cast<int32_t>(operation));
  put_u16(out, static_cast<uint16_t>(mask.size()));
  out->append(mask);
}

void CaptureInstance::encode(const std::string& commit_lsn, const PendingRow& row,
                             RowBatch* rows) const {
  const sql::RowChange& change = *row.change;
  std::string* out = &rows->bytes;
  append_header(commit_lsn, lsn_of_record(row.record), row.operation, *row.mask, out);
  std::vector<std::string_view> values;
  change.format->split(row.uses_after ? *change.after : *change.before, &values);
  for (size_t i = 0; i < columns_->size(); ++i) {
    const CapturedColumn& column = (*columns_)[i];
    if (is_left_out(column, i, row.operation, *row.mask) || column.physical >= values.size()) {
      append_value(column.type, SqlValue{}, out);
    } else if (values[column.physical].empty()) {
      append_value(column.type, change.format->missing(column.physical), out);
    } else {
      out->append(values[column.physical]);
    }
  }
  put_u8(out, sizeof(int32_t));
  put(out, row.command);
  rows->finish_row();
}

namespace {

// Records of the halves of a statement's key changes: a log has all deletes before all inserts.
class SplitRecords {
 public:
  explicit SplitRecords(const std::vector<sql::RowChange>& changes) {
    for (const sql::RowChange& change : changes) {
      if (is_split(change)) {
        std::vector<uint64_t>& records = of_command_[change.command].records;
        records.push_back(change.log_record);
        records.push_back(change.insert_record);
      }
    }
    for (auto& [command, split] : of_command_) {
      std::sort(split.records.begin(), split.records.end());
    }
  }

  // Of the next change in the order of the constructor's: (delete, insert).
  std::pair<uint64_t, uint64_t> next(const sql::RowChange& change) {
    if (!is_split(change)) {
      return {change.log_record, change.insert_record};
    }
    Split& split = of_command_[change.command];
    const size_t place = split.next++;
    return {split.records[place], split.records[split.records.size() / 2 + place]};
  }

 private:
  struct Split {
    std::vector<uint64_t> records;
    size_t next = 0;
  };
  // A single row's halves share one record.
  static bool is_split(const sql::RowChange& change) {
    return change.key_changed && change.insert_record != change.log_record;
  }
  std::map<int32_t, Split> of_command_;
};

}  // namespace

void CaptureInstance::append_changes(const std::string& commit_lsn,
                                     const std::vector<sql::RowChange>& changes,
                                     RowBatch* rows) const {
  std::vector<PendingRow> pending;
  std::vector<std::unique_ptr<std::string>> masks;
  std::vector<std::string_view> before, after;
  SplitRecords records(changes);
  for (const sql::RowChange& change : changes) {
    if (change.table != table_) {
      continue;
    }
    const auto add = [&](Operation operation, bool uses_after, uint64_t record, int32_t command,
                         const std::string* mask) {
      pending.push_back({command, record, operation, &change, uses_after, mask});
    };
    if (change.kind == sql::ChangeKind::kInsert) {
      add(kInsert, true, change.log_record, change.command, &all_mask_);
    } else if (change.kind == sql::ChangeKind::kDelete) {
      add(kDelete, false, change.log_record, change.command, &all_mask_);
    } else if (change.key_changed) {
      const auto [delete_record, insert_record] = records.next(change);
      add(kDelete, false, delete_record, change.command, &all_mask_);
      add(kInsert, true, insert_record, change.command + 1, &all_mask_);
    } else {
      change.format->split(*change.before, &before);
      change.format->split(*change.after, &after);
      masks.push_back(std::make_unique<std::string>(changed_mask(*change.format, before, after)));
      // An update that touches no captured column leaves no rows.
      if (masks.back()->find_first_not_of('\0') != std::string::npos) {
        add(kUpdateBefore, false, change.log_record, change.command, masks.back().get());
        add(kUpdateAfter, true, change.log_record, change.command, masks.back().get());
      }
    }
  }
  std::stable_sort(pending.begin(), pending.end(), [](const PendingRow& a, const PendingRow& b) {
    return std::tie(a.command, a.record, a.operation) < std::tie(b.command, b.record, b.operation);
  });
  for (const PendingRow& row : pending) {
    encode(commit_lsn, row, rows);
  }
}

void CaptureInstance::append_row(const std::string& commit_lsn, int32_t command,
                                 const std::string& seqval, Operation operation,
                                 const std::vector<SqlValue>& values, RowBatch* rows) const {
  std::string* out = &rows->bytes;
  append_header(commit_lsn, seqval, operation, all_mask_, out);
  const Columns captured = columns();
  for (size_t i = 0; i < captured->size(); ++i) {
    append_value((*captured)[i].type, values[i], out);
  }
  put_u8(out, sizeof(int32_t));
  put(out, command);
  rows->finish_row();
}

void CaptureInstance::alter_column(int32_t column_id, const SqlType& type) {
  std::vector<CapturedColumn> altered = *columns_;
  const auto it = std::find_if(
      altered.begin(), altered.end(),
      [column_id](const CapturedColumn& column) { return column.column_id == column_id; });
  if (it == altered.end()) {
    return;
  }
  const SqlType from = it->type;
  it->type = type;
  it->type.nullable = true;
  it->source_type = sql::type_name(type.id);
  it->is_large = sql::is_large(type);
  const size_t place = kLeadingColumns + static_cast<size_t>(it - altered.begin());
  const std::vector<ResultColumn> columns = make_columns(altered);
  changes_->rewrite(columns, [&](const std::vector<SqlValue>& values, std::string* out) {
    std::vector<SqlValue> converted = values;
    converted[place] = sql::convert_value(values[place], from, columns[place].type);
    encode_row(columns, converted, out);
  });
  const std::lock_guard lock(columns_mutex_);
  columns_ = std::make_shared<const std::vector<CapturedColumn>>(std::move(altered));
}

bool is_bit_set(std::string_view mask, int64_t ordinal) {
  if (ordinal < 1 || static_cast<size_t>((ordinal - 1) / 8) >= mask.size()) {
    return false;
  }
  const auto bit = static_cast<size_t>(ordinal - 1);
  return (static_cast<unsigned char>(mask[bit / 8]) >> (bit % 8) & 1) != 0;
}

}  // namespace dstream::standin::cdc
