#include <algorithm>

#include "tests/standins/sqlserver/sql/change.h"
#include "tests/standins/sqlserver/sql/conversion_rules.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/expression_columns.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

std::string value_text(const SqlType& type, const SqlValue& value) {
  if (value.null) {
    return "<NULL>";
  }
  return family_of(type.id) == Family::kBytes || family_of(type.id) == Family::kClr
             ? "0x" + hex(value.text)
             : convert_value(value, type, nvarchar_type(kMaxLength), 121).text;
}

}  // namespace

TableWriter::TableWriter(SqlSession* session, TablePtr table, std::string_view verb)
    : session_(session), table_(std::move(table)), verb_(verb) {
  if (!table_->is_temporary) {
    session_->lock_table(table_, TableLock::kIntent);
  }
  definition_ = table_->definition();
  is_logged_ = table_->is_tracked.load();
  if (is_logged_) {
    command_ = ++session_->statement_transaction().log_command;
  }
  defaults_.resize(definition_->columns.size());
  Source source;
  source.alias = table_->name();
  source.columns = definition_->result_columns();
  scope_.add(std::move(source));
  Binder binder(session_, &scope_);
  for (size_t i = 0; i < definition_->columns.size(); ++i) {
    if (definition_->columns[i].computed != nullptr) {
      computed_.emplace_back(i, binder.value(definition_->columns[i].computed));
    }
  }
  for (const Check& check : definition_->checks) {
    checks_.emplace_back(&check, binder.condition(check.condition));
  }
}

std::string TableWriter::qualified_name() const {
  if (table_->is_temporary) {
    return "tempdb.dbo." + table_->name();
  }
  return table_->database->name() + "." + table_->full_name();
}

BoundValue TableWriter::default_of(size_t column) {
  std::optional<BoundValue>& bound = defaults_[column];
  if (!bound) {
    Scope none;
    const Column& definition = definition_->columns[column];
    bound = Binder(session_, &none).value(definition.default_value);
  }
  return *bound;
}

SqlValue TableWriter::default_value(size_t column) {
  if (definition_->columns[column].default_value == nullptr) {
    return {};
  }
  const BoundValue bound = default_of(column);
  return bound.is_null
             ? SqlValue{}
             : stored(column, bound.type, bound.evaluate({session_, nullptr, nullptr, nullptr}));
}

SqlValue TableWriter::stored(size_t column, const SqlType& type, const SqlValue& value) const {
  const Column& definition = definition_->columns[column];
  if (value.null) {
    return value;
  }
  check_implicit(type, definition.type);
  bool too_long = false;
  SqlValue result = assign_value(value, type, definition.type, &too_long);
  if (too_long) {
    const std::string cut = value_text(definition.type, result);
    throw SqlError(2628, 16, 1,
                   "String or binary data would be truncated in table '" + qualified_name() +
                       "', column '" + definition.name + "'. Truncated value: '" + cut + "'.");
  }
  return result;
}

SqlValue TableWriter::next_identity(const Column& column) {
  table_->identity_used = true;
  const int64_t number = table_->next_identity.fetch_add(column.identity_increment);
  session_->identity = SqlValue::of_text(std::to_string(number));
  return convert_value(SqlValue::of_number(number), bigint_type(), column.type);
}

// A value given with IDENTITY_INSERT moves the counter on.
void TableWriter::take_identity(const Column& column, const SqlValue& value) {
  if (value.null) {
    return;
  }
  const Numeric number = numeric_of(column.type, value);
  const auto given = static_cast<int64_t>(number.units);
  session_->identity = SqlValue::of_text(std::to_string(given));
  int64_t next = table_->next_identity.load();
  const bool ahead = column.identity_increment > 0 ? given >= next : given <= next;
  if (ahead) {
    table_->next_identity = given + column.identity_increment;
    table_->identity_used = true;
  }
}

const std::vector<SqlValue>& TableWriter::insert(const std::vector<size_t>& columns,
                                                 const std::vector<SqlType>& types,
                                                 const std::vector<SqlValue>& values,
                                                 const std::vector<bool>& use_default) {
  const size_t count = definition_->columns.size();
  values_.assign(count, SqlValue{});
  std::vector<bool> given(count, false);
  for (size_t i = 0; i < columns.size(); ++i) {
    if (!use_default[i]) {
      values_[columns[i]] = stored(columns[i], types[i], values[i]);
      given[columns[i]] = true;
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const Column& column = definition_->columns[i];
    if (column.identity) {
      if (given[i]) {
        take_identity(column, values_[i]);
      } else {
        values_[i] = next_identity(column);
      }
    } else if (column.is_row_version()) {
      values_[i] = convert_value(SqlValue::of_number(static_cast<int64_t>(
                                     session_->current_database().next_row_version())),
                                 bigint_type(), binary_type(8));
    } else if (!given[i] && column.default_value != nullptr) {
      values_[i] = default_value(i);
    }
  }
  compute(&values_);
  check_nulls(values_);
  check_conditions(values_);
  check_parents(values_);
  check_large_values(nullptr, values_);
  const RowBytes data = encode(values_);
  store_row(data, values_);
  if (is_logged_) {
    log(ChangeKind::kInsert, false, nullptr, data, next_record(), 0, command_);
  }
  return values_;
}

void TableWriter::compute(std::vector<SqlValue>* values) const {
  if (computed_.empty()) {
    return;
  }
  for (const auto& [column, bound] : computed_) {
    const EvaluationContext context{session_, values->data(), nullptr, nullptr};
    (*values)[column] = bound.evaluate(context);
  }
}

void TableWriter::check_nulls(const std::vector<SqlValue>& values) const {
  for (size_t i = 0; i < values.size(); ++i) {
    const Column& column = definition_->columns[i];
    if (values[i].null && !column.type.nullable && column.computed == nullptr) {
      throw SqlError(515, 16, 2,
                     "Cannot insert the value NULL into column '" + column.name + "', table '" +
                         qualified_name() + "'; column does not allow nulls. " + verb_ + " fails.");
    }
  }
}

std::string TableWriter::checked_column(const Check& check) const {
  const std::set<std::string> names = columns_of(*check.condition);
  if (names.size() != 1) {
    return {};
  }
  const auto column = definition_->find_column(*names.begin());
  return column ? ", column '" + definition_->columns[*column].name + "'" : std::string();
}

void TableWriter::check_conditions(const std::vector<SqlValue>& values) const {
  for (const auto& [check, condition] : checks_) {
    const EvaluationContext context{session_, values.data(), nullptr, nullptr};
    if (condition.evaluate(context) == Truth::kFalse) {
      throw SqlError(547, 16, 0,
                     "The " + verb_ +
                         " statement conflicted with the CHECK constraint "
                         "\"" +
                         check->name + "\". The conflict occurred in database \"" +
                         session_->current_database().name() + "\", table \"" +
                         table_->full_name() + "\"" + checked_column(*check) + ".");
    }
  }
}

RowBytes TableWriter::encode(const std::vector<SqlValue>& values) const {
  std::vector<SqlValue> physical(definition_->format->size());
  for (size_t i = 0; i < values.size(); ++i) {
    const Column& column = definition_->columns[i];
    if (column.computed == nullptr || column.persisted) {
      physical[column.physical] = values[i];
    }
  }
  return definition_->format->encode(physical);
}

std::vector<SqlValue> TableWriter::decode(const RowBytes& row) const {
  std::vector<SqlValue> physical, values;
  definition_->format->decode_all(*row, &physical);
  for (const Column& column : definition_->columns) {
    values.push_back(std::move(physical[column.physical]));
  }
  compute(&values);
  return values;
}

void TableWriter::duplicate(size_t store_index, const std::vector<SqlValue>& values) const {
  for (const Index& index : definition_->indexes) {
    if (index.store_index != store_index) {
      continue;
    }
    std::string key;
    for (const Index::Part& part : index.parts) {
      key += (key.empty() ? "" : ", ") +
             value_text(definition_->columns[part.column].type, values[part.column]);
    }
    if (index.is_constraint) {
      throw SqlError(2627, 14, 1,
                     std::string("Violation of ") + (index.primary ? "PRIMARY KEY" : "UNIQUE KEY") +
                         " constraint '" + index.name +
                         "'. Cannot insert duplicate key in object '" + table_->full_name() +
                         "'. The duplicate key value is (" + key + ").");
    }
    throw SqlError(2601, 14, 1,
                   "Cannot insert duplicate key row in object '" + table_->full_name() +
                       "' with unique index '" + index.name + "'. The duplicate key value is (" +
                       key + ").");
  }
  throw SqlError(2601, 14, 1, "Cannot insert duplicate key row.");
}

void TableWriter::store_row(const RowBytes& data, const std::vector<SqlValue>& values) {
  const std::vector<std::string> keys = definition_->keys(values);
  TableStore::Result result;
  const auto attempt = [&]() -> uint64_t {
    result = table_->store()->insert(&session_->statement_transaction(), data, keys);
    return result.outcome == TableStore::Outcome::kBlocked ? result.blocker : 0;
  };
  if (attempt() != 0) {
    session_->wait(attempt);
  }
  if (result.outcome == TableStore::Outcome::kDuplicate) {
    duplicate(result.index, values);
  }
}

// Change Data Capture takes large values only up to a size that the server is configured for.
void TableWriter::check_large_values(const std::vector<SqlValue>* before,
                                     const std::vector<SqlValue>& after) const {
  CommitListener* const listener = session_->engine().transactions().listener();
  if (!is_logged_ || listener == nullptr) {
    return;
  }
  for (size_t i = 0; i < after.size(); ++i) {
    const Column& column = definition_->columns[i];
    if (!is_large(column.type) || after[i].null ||
        (before != nullptr && !(*before)[i].null && (*before)[i].text == after[i].text)) {
      continue;
    }
    const bool is_wide = column.type.id == TypeId::kNVarChar || column.type.id == TypeId::kNText;
    const auto bytes = static_cast<int64_t>(after[i].text.size());
    listener->writing_large(*table_, column.id, is_wide ? 2 * utf16_length(after[i].text) : bytes);
  }
}

void TableWriter::prepare(Update* update) const {
  const std::vector<SqlValue>& before = update->old_values;
  std::vector<SqlValue>& after = update->new_values;
  for (size_t i = 0; i < after.size(); ++i) {
    if (definition_->columns[i].is_row_version()) {
      after[i] = convert_value(SqlValue::of_number(static_cast<int64_t>(
                                   session_->current_database().next_row_version())),
                               bigint_type(), binary_type(8));
    }
  }
  compute(&after);
  check_nulls(after);
  check_conditions(after);
  check_parents(after);
  check_large_values(&before, after);
  update->after = encode(after);
  // A row from before a column was added or dropped is the same row as with the column's NULL or
  // default, or without its value.
  const bool is_of_now = update->before->size() == update->after->size() &&
                         definition_->columns.size() == definition_->format->size();
  if (!is_of_now && *encode(before) == *update->after) {
    update->after = update->before;
  }
  for (const Index& index : definition_->indexes) {
    // Keys fold case; the bytes below them do not.
    const bool changed = definition_->key(index, before) != definition_->key(index, after);
    update->moves = update->moves || changed;
    update->key_changed = update->key_changed || (changed && index.unique);
  }
}

// Rows whose keys change are all taken out before they are put back, so that `SET id = id + 1`
// meets no key of its own making.
void TableWriter::update(std::vector<Update>* updates) {
  Transaction& transaction = session_->statement_transaction();
  size_t moving_keys = 0;
  for (Update& update : *updates) {
    prepare(&update);
    moving_keys += update.key_changed ? 1 : 0;
  }
  for (Update& update : *updates) {
    if (update.moves) {
      table_->store()->remove(&transaction, update.key);
    } else if (*update.before != *update.after) {
      table_->store()->update(&transaction, update.key, update.after);
    }
  }
  for (Update& update : *updates) {
    if (update.moves) {
      store_row(update.after, update.new_values);
    }
    if (update.key_changed) {
      keep_gone(update.old_values, &update.new_values);
    }
  }
  if (!is_logged_) {
    return;
  }
  for (const Update& update : *updates) {
    if (!update.key_changed && *update.before == *update.after) {
      continue;  // Nothing changed: nothing is logged.
    }
    const uint64_t record = next_record();
    const uint64_t insert_record = update.key_changed ? next_record() : record;
    log(ChangeKind::kUpdate, update.key_changed, update.before, update.after, record, insert_record,
        command_);
  }
  if (moving_keys > 0) {
    transaction.log_command = command_ + 1;  // the inserts' command
  }
}

void TableWriter::remove(const std::string& key, const RowBytes& before,
                         const std::vector<SqlValue>& values) {
  table_->store()->remove(&session_->statement_transaction(), key);
  keep_gone(values, nullptr);
  if (is_logged_) {
    log(ChangeKind::kDelete, false, before, nullptr, next_record(), 0, command_);
  }
}

// A place in the log. The transaction's begin comes before its first change.
uint64_t TableWriter::next_record() {
  Transaction& transaction = session_->statement_transaction();
  TransactionManager& manager = session_->engine().transactions();
  if (transaction.begin_record == 0) {
    transaction.begin_record = manager.next_record();
  }
  return manager.next_record();
}

void TableWriter::log(ChangeKind kind, bool key_changed, RowBytes before, RowBytes after,
                      uint64_t record, uint64_t insert_record, int32_t command) {
  Transaction& transaction = session_->statement_transaction();
  RowChange change;
  change.table = table_;
  change.format = definition_->format;
  change.kind = kind;
  change.key_changed = key_changed;
  change.before = std::move(before);
  change.after = std::move(after);
  change.log_record = record;
  change.insert_record = insert_record;
  change.command = command;
  transaction.log(std::move(change));
}

}  // namespace dstream::standin::sql
