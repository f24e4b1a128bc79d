#include "tests/standins/sqlserver/cdc/capture_instance.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/text.h"

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
template <bool kHasCommandId>
void change_key(std::string_view token, std::string* key) {
  key->push_back('\1');
  key->append(token.substr(kStartLsnAt, kLsnBytes));
  if constexpr (kHasCommandId) {
    append_number_key(read_int(token, token.size() - sizeof(int32_t)), key);
  }
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

std::vector<ResultColumn> make_columns(const std::vector<CapturedColumn>& captured,
                                       bool has_command_id) {
  std::vector<ResultColumn> columns = {
      view_column("__$start_lsn", sql::binary_type(10), false),
      view_column("__$end_lsn", sql::binary_type(10)),
      view_column("__$seqval", sql::binary_type(10), false),
      view_column("__$operation", sql::int_type(), false),
      view_column("__$update_mask", sql::varbinary_type(kMaskLength))};
  for (const CapturedColumn& column : captured) {
    columns.push_back(view_column(column.name, column.type));
  }
  if (has_command_id) {
    columns.push_back(view_column("__$command_id", sql::int_type()));
  }
  return columns;
}

sql::Ordering change_ordering(size_t captured, bool has_command_id) {
  if (!has_command_id) {
    return {{{0, false}, {2, false}, {3, false}}, true};
  }
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
  std::string mask;
};

CaptureInstance::CaptureInstance(std::string name, sql::TablePtr table, int32_t object_id,
                                 std::vector<CapturedColumn> columns, bool has_command_id)
    : name_(std::move(name)),
      folded_name_(sql::fold_name(name_)),
      table_(std::move(table)),
      object_id_(object_id),
      has_command_id_(has_command_id),
      columns_(std::make_shared<const std::vector<CapturedColumn>>(std::move(columns))),
      changes_(
          std::make_shared<AppendTable>(make_columns(*columns_, has_command_id),
                                        change_ordering(columns_->size(), has_command_id),
                                        has_command_id ? change_key<true> : change_key<false>)),
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
    if (physical < after.size() && !(*columns_)[i].is_dropped &&
        bytes(before[physical], (*columns_)[i]) != bytes(after[physical], (*columns_)[i])) {
      mask[i / 8] = static_cast<char>(static_cast<unsigned char>(mask[i / 8]) | (1U << (i % 8)));
    }
  }
  return mask;
}

bool CaptureInstance::is_left_out(const CapturedColumn& column, size_t place, const PendingRow& row,
                                  const Assumptions& assumptions) const {
  if (column.is_computed || column.is_dropped) {
    return true;
  }
  if (column.is_legacy_large) {
    return row.operation == kDelete || row.operation == kUpdateBefore;
  }
  const bool may_be_left_out =
      row.operation == kUpdateBefore ||
      (row.operation == kUpdateAfter && assumptions.unchanged_large_is_null != 0);
  return column.is_large && may_be_left_out &&
         !is_bit_set(row.mask, static_cast<int64_t>(place) + 1);
}

// Written by the transaction that altered the column, before it did; or an ALTER that the change
// table does not follow.
bool CaptureInstance::is_altered(const CapturedColumn& column, const sql::RowFormat& format) {
  const SqlType& from = format.type(column.physical);
  const SqlType& to = column.type;
  return from.id != TypeId::kRowVersion &&
         std::tie(from.id, from.length, from.precision, from.scale) !=
             std::tie(to.id, to.length, to.precision, to.scale);
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

void CaptureInstance::append_trailer(int32_t command, std::string* out) const {
  if (has_command_id_) {
    put_u8(out, sizeof(int32_t));
    put(out, command);
  }
}

void CaptureInstance::encode(const std::string& commit_lsn, const PendingRow& row,
                             const Assumptions& assumptions, RowBatch* rows) const {
  const sql::RowChange& change = *row.change;
  std::string* out = &rows->bytes;
  append_header(commit_lsn, lsn_of_record(row.record), row.operation,
                sent_mask(row.mask, assumptions), out);
  const std::string& bytes = row.uses_after ? *change.after : *change.before;
  std::vector<std::string_view> values;
  change.format->split(bytes, &values);
  for (size_t i = 0; i < columns_->size(); ++i) {
    const CapturedColumn& column = (*columns_)[i];
    if (is_left_out(column, i, row, assumptions) || column.physical >= values.size()) {
      append_value(column.type, SqlValue{}, out);
    } else if (values[column.physical].empty()) {
      append_value(column.type, change.format->missing(column.physical), out);
    } else if (is_altered(column, *change.format)) {
      std::vector<SqlValue> decoded;
      change.format->decode_all(bytes, &decoded);
      append_value(column.type,
                   sql::convert_value(decoded[column.physical],
                                      change.format->type(column.physical), column.type),
                   out);
    } else {
      out->append(values[column.physical]);
    }
  }
  append_trailer(row.command, out);
  rows->finish_row();
}

namespace {

// Records of the halves of key changes, which a log has in another order than the rows.
class SplitRecords {
 public:
  SplitRecords(const std::vector<sql::RowChange>& changes, const Assumptions& assumptions)
      : shares_(assumptions.key_change_shares_seqval != 0),
        deletes_first_(assumptions.key_change_deletes_first != 0) {
    for (const sql::RowChange& change : changes) {
      if (change.key_changed) {
        std::vector<uint64_t>& records = of_command_[change.command].records;
        records.push_back(change.log_record);
        records.push_back(change.insert_record);
      }
    }
    for (auto& [command, split] : of_command_) {
      std::sort(split.records.begin(), split.records.end());
    }
  }

  // Of the next key change in the order of the constructor's: (delete, insert).
  std::pair<uint64_t, uint64_t> next(const sql::RowChange& change) {
    Split& split = of_command_[change.command];
    const size_t place = split.next++, rows = split.records.size() / 2;
    if (rows == 1 && shares_) {
      return {change.log_record, change.log_record};
    }
    if (!deletes_first_) {
      return {change.log_record, change.insert_record};
    }
    return {split.records[place], split.records[rows + place]};
  }

 private:
  struct Split {
    std::vector<uint64_t> records;
    size_t next = 0;
  };
  const bool shares_, deletes_first_;
  std::map<int32_t, Split> of_command_;
};

}  // namespace

std::vector<CaptureInstance::PendingRow> CaptureInstance::pending_rows(
    const std::vector<sql::RowChange>& changes, const Assumptions& assumptions) const {
  std::vector<PendingRow> pending;
  std::vector<std::string_view> before, after;
  SplitRecords records(changes, assumptions);
  for (const sql::RowChange& change : changes) {
    if (change.table != table_) {
      continue;
    }
    const auto add = [&](Operation operation, bool uses_after, uint64_t record, int32_t command,
                         const std::string& mask) {
      pending.push_back({command, record, operation, &change, uses_after, mask});
    };
    if (change.kind == sql::ChangeKind::kInsert) {
      add(kInsert, true, change.log_record, change.command, all_mask_);
    } else if (change.kind == sql::ChangeKind::kDelete) {
      add(kDelete, false, change.log_record, change.command, all_mask_);
    } else if (change.key_changed) {
      const auto [delete_record, insert_record] = records.next(change);
      add(kDelete, false, delete_record, change.command, all_mask_);
      add(kInsert, true, insert_record, change.command + 1, all_mask_);
    } else {
      change.format->split(*change.before, &before);
      change.format->split(*change.after, &after);
      const std::string mask = changed_mask(*change.format, before, after);
      if (assumptions.uncaptured_update_has_rows != 0 ||
          mask.find_first_not_of('\0') != std::string::npos) {
        add(kUpdateBefore, false, change.log_record, change.command, mask);
        add(kUpdateAfter, true, change.log_record, change.command, mask);
      }
    }
  }
  const auto key = [this](const PendingRow& row) {
    return std::tuple(has_command_id_ ? row.command : 0, row.record, row.operation);
  };
  std::stable_sort(pending.begin(), pending.end(),
                   [&](const PendingRow& a, const PendingRow& b) { return key(a) < key(b); });
  return pending;
}

void CaptureInstance::append_changes(const std::string& commit_lsn,
                                     const std::vector<sql::RowChange>& changes,
                                     const Assumptions& assumptions, RowBatch* rows) const {
  int32_t last_command = 0, own_command = 0;
  for (PendingRow& row : pending_rows(changes, assumptions)) {
    own_command += row.command != last_command ? 1 : 0;
    last_command = row.command;
    if (assumptions.command_id_spans_tables == 0) {
      row.command = own_command;
    }
    encode(commit_lsn, row, assumptions, rows);
  }
}

void CaptureInstance::append_row(const std::string& commit_lsn, int32_t command,
                                 const std::string& seqval, Operation operation,
                                 const std::vector<SqlValue>& values,
                                 const Assumptions& assumptions, RowBatch* rows) const {
  std::string* out = &rows->bytes;
  append_header(commit_lsn, seqval, operation, sent_mask(all_mask_, assumptions), out);
  const Columns captured = columns();
  for (size_t i = 0; i < captured->size(); ++i) {
    append_value((*captured)[i].type, values[i], out);
  }
  append_trailer(command, out);
  rows->finish_row();
}

std::function<void()> CaptureInstance::alter_column(int32_t column_id, const SqlType& type,
                                                    const std::string& alias) {
  std::vector<CapturedColumn> altered = *columns_;
  const auto it = std::find_if(
      altered.begin(), altered.end(),
      [column_id](const CapturedColumn& column) { return column.column_id == column_id; });
  if (it == altered.end()) {
    return [] {};
  }
  const Columns columns_before = this->columns();
  const AppendTable::Snapshot before = changes_->snapshot();
  const SqlType from = it->type;
  it->type = type;
  it->type.nullable = true;
  it->source_type = sql::type_name(type.id);
  it->alias = alias;
  it->is_large = sql::is_large(type);
  const size_t place = kLeadingColumns + static_cast<size_t>(it - altered.begin());
  const std::vector<ResultColumn> columns = make_columns(altered, has_command_id_);
  changes_->rewrite(columns, [&](const std::vector<SqlValue>& values, std::string* out) {
    std::vector<SqlValue> converted = values;
    converted[place] = sql::convert_value(values[place], from, columns[place].type);
    const sql::Family family = sql::family_of(type.id);
    const bool has_length = family == sql::Family::kText || family == sql::Family::kBytes;
    if (has_length && converted[place].text.size() < values[place].text.size()) {
      throw sql::SqlError(2628, 16, 1,
                          "String or binary data would be truncated in table 'cdc." + name_ +
                              "_CT', column '" + columns[place].name + "'. Truncated value: '" +
                              converted[place].text + "'.");
    }
    encode_row(columns, converted, out);
  });
  const std::lock_guard lock(columns_mutex_);
  columns_ = std::make_shared<const std::vector<CapturedColumn>>(std::move(altered));
  return [this, columns_before, before] {
    changes_->restore(before);
    const std::lock_guard again(columns_mutex_);
    columns_ = columns_before;
  };
}

std::function<void()> CaptureInstance::drop_column(int32_t column_id) {
  const std::lock_guard lock(columns_mutex_);
  std::vector<CapturedColumn> altered = *columns_;
  for (CapturedColumn& column : altered) {
    column.is_dropped = column.is_dropped || column.column_id == column_id;
  }
  const Columns before = std::exchange(
      columns_, std::make_shared<const std::vector<CapturedColumn>>(std::move(altered)));
  return [this, before] {
    const std::lock_guard again(columns_mutex_);
    columns_ = before;
  };
}

bool is_bit_set(std::string_view mask, int64_t ordinal) {
  if (ordinal < 1 || static_cast<size_t>((ordinal - 1) / 8) >= mask.size()) {
    return false;
  }
  const auto bit = static_cast<size_t>(ordinal - 1);
  return (static_cast<unsigned char>(mask[bit / 8]) >> (bit % 8) & 1) != 0;
}

std::string sent_mask(std::string_view mask, const Assumptions& assumptions) {
  std::string sent(mask);
  const auto bytes_min =
      static_cast<size_t>(std::clamp<int64_t>(assumptions.update_mask_bytes_min, 0, kMaskLength));
  sent.resize(std::max(sent.size(), bytes_min));
  if (assumptions.update_mask_is_reversed != 0) {
    std::reverse(sent.begin(), sent.end());
  }
  return sent;
}

std::string mask_of_sent(std::string_view sent, const Assumptions& assumptions) {
  std::string mask(sent);
  if (assumptions.update_mask_is_reversed != 0) {
    std::reverse(mask.begin(), mask.end());
  }
  return mask;
}

}  // namespace dstream::standin::cdc
