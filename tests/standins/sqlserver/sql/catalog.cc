#include "tests/standins/sqlserver/sql/catalog.h"

#include <algorithm>
#include <cstdio>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

// Object ids of a real server look random; these grow by a step that keeps them apart.
constexpr int32_t kFirstObjectId = 901'578'250;
constexpr int32_t kObjectIdStep = 16;

bool compatible(TableLock a, TableLock b) {
  if (a == TableLock::kExclusive || b == TableLock::kExclusive) {
    return false;
  }
  return a == b;  // shared with shared, intent with intent
}

}  // namespace

std::optional<size_t> TableDefinition::find_column(std::string_view name) const {
  const std::string folded = fold_name(name);
  for (size_t i = 0; i < columns.size(); ++i) {
    if (fold_name(columns[i].name) == folded) {
      return i;
    }
  }
  return std::nullopt;
}

const Index* TableDefinition::primary_key() const {
  const auto it = std::find_if(indexes.begin(), indexes.end(),
                               [](const Index& index) { return index.primary; });
  return it == indexes.end() ? nullptr : &*it;
}

const Index* TableDefinition::clustered_index() const {
  const auto it = std::find_if(indexes.begin(), indexes.end(),
                               [](const Index& index) { return index.clustered; });
  return it == indexes.end() ? nullptr : &*it;
}

std::string TableDefinition::key(const Index& index, const std::vector<SqlValue>& values) const {
  std::string bytes;
  for (const Index::Part& part : index.parts) {
    append_key(columns[part.column].type, values[part.column], part.descending, &bytes);
  }
  return bytes;
}

std::vector<std::string> TableDefinition::keys(const std::vector<SqlValue>& values) const {
  std::vector<std::string> result(clustered_index() == nullptr ? indexes.size() + 1
                                                               : indexes.size());
  for (const Index& index : indexes) {
    result[index.store_index] = key(index, values);
  }
  return result;
}

std::vector<ResultColumn> TableDefinition::result_columns() const {
  const Index* primary = primary_key();
  std::vector<ResultColumn> result;
  for (size_t i = 0; i < columns.size(); ++i) {
    ResultColumn column;
    column.name = columns[i].name;
    column.type = columns[i].type;
    column.identity = columns[i].identity;
    column.computed = columns[i].computed != nullptr;
    column.user_type_id = columns[i].user_type_id;
    column.key = primary != nullptr &&
                 std::any_of(primary->parts.begin(), primary->parts.end(),
                             [i](const Index::Part& part) { return part.column == i; });
    result.push_back(std::move(column));
  }
  return result;
}

std::vector<bool> store_uniqueness(const TableDefinition& definition) {
  std::vector<bool> unique(definition.clustered_index() == nullptr ? definition.indexes.size() + 1
                                                                   : definition.indexes.size());
  for (const Index& index : definition.indexes) {
    unique[index.store_index] = index.unique;
  }
  return unique;
}

Table::Table(int32_t object_id, std::string schema, std::string name, DefinitionPtr definition)
    : object_id_(object_id),
      schema_(std::move(schema)),
      name_(std::move(name)),
      definition_(std::move(definition)),
      store_(std::make_shared<TableStore>(store_uniqueness(*definition_))) {
  for (const Column& column : definition_->columns) {
    if (column.identity) {
      next_identity = column.identity_seed;
    }
  }
}

DefinitionPtr Table::definition() const {
  const std::lock_guard lock(mutex_);
  return definition_;
}

void Table::set_definition(DefinitionPtr definition) {
  const std::lock_guard lock(mutex_);
  definition_ = std::move(definition);
}

uint64_t Table::try_lock(uint64_t transaction, TableLock mode) {
  const std::lock_guard lock(mutex_);
  for (const auto& [holder, held] : holders_) {
    if (holder != transaction && !compatible(held, mode)) {
      return holder;
    }
  }
  TableLock& held = holders_[transaction];
  // Shared and intent together keep everybody else's writes out, as SIX does.
  held = held == TableLock::kNone || held == mode ? mode : TableLock::kExclusive;
  return 0;
}

void Table::release(uint64_t transaction) {
  const std::lock_guard lock(mutex_);
  holders_.erase(transaction);
}

Database::Database(std::string name, int32_t id)
    : name_(std::move(name)), id_(id), last_object_id_(kFirstObjectId) {
  schemas_["dbo"] = {1, "dbo"};
  schemas_["guest"] = {2, "guest"};
  schemas_["information_schema"] = {3, "INFORMATION_SCHEMA"};
  schemas_["sys"] = {4, "sys"};
}

std::optional<Schema> Database::find_schema(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto it = schemas_.find(fold_name(name));
  return it == schemas_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<Schema> Database::find_schema(int32_t id) const {
  const std::shared_lock lock(mutex_);
  for (const auto& [folded, schema] : schemas_) {
    if (schema.id == id) {
      return schema;
    }
  }
  return std::nullopt;
}

std::vector<Schema> Database::schemas() const {
  const std::shared_lock lock(mutex_);
  std::vector<Schema> result;
  for (const auto& [folded, schema] : schemas_) {
    result.push_back(schema);
  }
  std::sort(result.begin(), result.end(),
            [](const Schema& a, const Schema& b) { return a.id < b.id; });
  return result;
}

Schema Database::add_schema(const std::string& name) {
  const std::unique_lock lock(mutex_);
  int32_t id = 5;
  for (const auto& [folded, schema] : schemas_) {
    id = std::max(id, schema.id + 1);
  }
  return schemas_[fold_name(name)] = {id, name};
}

void Database::remove_schema(std::string_view name) {
  const std::unique_lock lock(mutex_);
  schemas_.erase(fold_name(name));
}

TablePtr Database::find_table(std::string_view schema, std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto it = tables_.find({fold_name(schema), fold_name(name)});
  return it == tables_.end() ? nullptr : it->second;
}

TablePtr Database::find_table(int32_t object_id) const {
  const std::shared_lock lock(mutex_);
  const auto it = by_id_.find(object_id);
  return it == by_id_.end() ? nullptr : it->second;
}

std::vector<TablePtr> Database::tables() const {
  const std::shared_lock lock(mutex_);
  std::vector<TablePtr> result;
  for (const auto& [id, table] : by_id_) {
    result.push_back(table);
  }
  return result;
}

void Database::add_table(TablePtr table) {
  const std::unique_lock lock(mutex_);
  table->database = this;
  by_id_[table->object_id()] = table;
  tables_[{fold_name(table->schema()), fold_name(table->name())}] = std::move(table);
}

void Database::remove_table(const Table& table) {
  const std::unique_lock lock(mutex_);
  by_id_.erase(table.object_id());
  tables_.erase({fold_name(table.schema()), fold_name(table.name())});
}

void Database::rename_table(const TablePtr& table, const std::string& name) {
  const std::unique_lock lock(mutex_);
  tables_.erase({fold_name(table->schema()), fold_name(table->name())});
  table->set_name(name);
  tables_[{fold_name(table->schema()), fold_name(name)}] = table;
}

int32_t Database::new_object_id() {
  return last_object_id_.fetch_add(kObjectIdStep) + kObjectIdStep;
}

std::string Database::generated_name(std::string_view prefix, std::string_view table, int32_t id) {
  char digits[24];
  std::snprintf(digits, sizeof(digits), "%016X", static_cast<unsigned>(id));
  return std::string(prefix) + "__" + std::string(table.substr(0, 9)) + "__" + digits;
}

}  // namespace dstream::standin::sql
