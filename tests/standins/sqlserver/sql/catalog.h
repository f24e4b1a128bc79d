// Databases, schemas, tables and their definitions.
//
// A table's definition is immutable; ALTER TABLE replaces it. Whoever works with a table takes the
// definition once and keeps it for the statement.
//
// Thread rule: Database and Table are [any-thread]; definitions are immutable.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/relation.h"
#include "tests/standins/sqlserver/sql/storage.h"
#include "tests/standins/sqlserver/sql/undo_history.h"
#include "tests/standins/sqlserver/sql/user_types.h"

namespace dstream::standin::sql {

struct Column {
  std::string name;
  SqlType type;
  int32_t user_type_id = 0;  // of an alias type or sysname, 0 for other types of the system
  int32_t id = 0;            // column_id, never used again after a DROP COLUMN
  size_t physical = 0;       // place in the stored row
  bool identity = false;
  int64_t identity_seed = 1, identity_increment = 1;
  ExpressionPtr default_value;
  std::string default_text, default_name;
  int32_t default_id = 0;
  ExpressionPtr computed;  // not stored unless persisted; evaluated when read
  std::string computed_text;
  bool persisted = false;
  bool row_guid = false;
  bool is_row_version() const { return type.id == TypeId::kRowVersion; }
};

struct Index {
  std::string name;
  int32_t id = 0;         // index_id: 1 clustered, 2... others
  int32_t object_id = 0;  // of the constraint, 0 if it is none
  bool primary = false;
  bool unique = false;
  bool clustered = false;
  bool is_constraint = false;
  struct Part {
    size_t column = 0;  // place in TableDefinition::columns
    bool descending = false;
  };
  std::vector<Part> parts;
  size_t store_index = 0;  // in TableStore
};

struct ForeignKey {
  std::string name;
  int32_t object_id = 0;
  std::vector<size_t> columns;
  int32_t referenced_table = 0;
  std::vector<std::string> referenced_columns;
  ReferentialAction on_delete = ReferentialAction::kNoAction;
  ReferentialAction on_update = ReferentialAction::kNoAction;
};

struct Check {
  std::string name;
  int32_t object_id = 0;
  ExpressionPtr condition;
  std::string text;
};

struct TableDefinition {
  std::vector<Column> columns;
  std::vector<Index> indexes;
  std::vector<ForeignKey> foreign_keys;
  std::vector<Check> checks;
  std::shared_ptr<const RowFormat> format;
  int32_t last_column_id = 0;

  std::optional<size_t> find_column(std::string_view name) const;
  const Index* primary_key() const;
  const Index* clustered_index() const;  // nullptr for a heap
  // Values of all columns, in their order, to the key of a store index without row id.
  std::string key(const Index& index, const std::vector<SqlValue>& values) const;
  std::vector<std::string> keys(const std::vector<SqlValue>& values) const;
  std::vector<ResultColumn> result_columns() const;
};
using DefinitionPtr = std::shared_ptr<const TableDefinition>;

enum class TableLock : uint8_t { kNone, kShared, kIntent, kExclusive };

class Table {
 public:
  Table(int32_t object_id, std::string schema, std::string name, DefinitionPtr definition);

  int32_t object_id() const { return object_id_; }
  const std::string& schema() const { return schema_; }
  const std::string& name() const { return name_; }
  std::string full_name() const { return schema_ + "." + name_; }
  DefinitionPtr definition() const;
  void set_definition(DefinitionPtr definition);
  const std::shared_ptr<TableStore>& store() const { return store_; }
  void set_name(std::string name) { name_ = std::move(name); }

  int64_t create_ticks = 0;
  std::atomic<int64_t> modify_ticks{0};
  bool is_temporary = false;            // #t and table variables: not in the catalog
  bool is_system = false;               // cdc.*: no user changes
  std::atomic<bool> is_tracked{false};  // changes are logged
  std::atomic<int64_t> next_identity{1};
  std::atomic<bool> identity_used{false};
  Database* database = nullptr;

  // Returns the id of a transaction that holds an incompatible lock, or 0 and the lock is taken
  // (for a transaction) until release().
  uint64_t try_lock(uint64_t transaction, TableLock mode);
  void release(uint64_t transaction);

 private:
  const int32_t object_id_;
  const std::string schema_;
  std::string name_;
  mutable std::mutex mutex_;  // guards definition_ and holders_
  DefinitionPtr definition_;
  std::map<uint64_t, TableLock> holders_;
  std::shared_ptr<TableStore> store_;
};
using TablePtr = std::shared_ptr<Table>;

// The fill of a new definition: format, ids of indexes and their stores.
std::vector<bool> store_uniqueness(const TableDefinition& definition);

class TableRelation final : public Relation {
 public:
  explicit TableRelation(TablePtr table);
  const std::vector<ResultColumn>& columns() const override { return columns_; }
  const std::vector<Ordering>& orderings() const override { return orderings_; }
  std::unique_ptr<Cursor> open(const ScanRequest& request) const override;
  TablePtr base_table() const override { return table_; }
  const DefinitionPtr& definition() const { return definition_; }

 private:
  TablePtr table_;
  DefinitionPtr definition_;
  std::vector<ResultColumn> columns_;
  std::vector<Ordering> orderings_;  // by store index
};

struct Schema {
  int32_t id = 0;
  std::string name;
};

class Engine;

class Database {
 public:
  Database(std::string name, int32_t id);

  const std::string& name() const { return name_; }
  int32_t id() const { return id_; }
  int64_t create_ticks = 0;
  bool is_system = false;  // master, tempdb, model, msdb
  std::atomic<bool> is_cdc_enabled{false};

  std::optional<Schema> find_schema(std::string_view name) const;
  std::optional<Schema> find_schema(int32_t id) const;
  std::vector<Schema> schemas() const;
  Schema add_schema(const std::string& name);
  void remove_schema(std::string_view name);

  TablePtr find_table(std::string_view schema, std::string_view name) const;
  TablePtr find_table(int32_t object_id) const;
  std::vector<TablePtr> tables() const;  // by object id
  void add_table(TablePtr table);
  void remove_table(const Table& table);
  void rename_table(const TablePtr& table, const std::string& name);

  int32_t new_object_id();
  // Object ids given out so far are not given again, also after a restart.
  int32_t last_object_id() const { return last_object_id_.load(); }
  void set_last_object_id(int32_t id) { last_object_id_.store(id); }
  // Names of constraints are made from the object id, as SQL Server does.
  static std::string generated_name(std::string_view prefix, std::string_view table, int32_t id);
  uint64_t next_row_version() { return row_version_.fetch_add(1) + 1; }
  uint64_t last_row_version() const { return row_version_.load(); }
  void set_last_row_version(uint64_t value) { row_version_.store(value); }

  // Places in this database's log. They are those of TransactionManager until the database is
  // brought back to an earlier point, and fall behind by what was taken back each time.
  uint64_t log_record(uint64_t record) const {
    const uint64_t shift = log_shift_.load();
    return record > shift ? record - shift : 0;
  }
  void set_log_shift(uint64_t shift) { log_shift_.store(shift); }
  UndoHistory& undo_history() { return undo_history_; }
  UserTypes& user_types() { return user_types_; }
  const UserTypes& user_types() const { return user_types_; }

 private:
  const std::string name_;
  const int32_t id_;
  mutable std::shared_mutex mutex_;  // guards schemas_ and tables_
  std::map<std::string, Schema> schemas_;
  std::map<std::pair<std::string, std::string>, TablePtr> tables_;  // folded names
  std::map<int32_t, TablePtr> by_id_;
  std::atomic<int32_t> last_object_id_;
  std::atomic<uint64_t> row_version_{2000};
  std::atomic<uint64_t> log_shift_{0};
  UndoHistory undo_history_;
  UserTypes user_types_;
};

}  // namespace dstream::standin::sql
