// INSERT, UPDATE, DELETE, TRUNCATE, SELECT INTO.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/catalog.h"
#include "tests/standins/sqlserver/sql/references.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {

// Returns the number of rows. REQUIRES: not inside of as_statement().
int64_t execute_change(SqlSession* session, const Statement& statement);
int64_t execute_select_into(SqlSession* session, const Statement& statement);

// Writes rows of one table in one statement: defaults, conversions, constraints, indexes, and the
// log for tracked tables.
class TableWriter {
 public:
  TableWriter(SqlSession* session, TablePtr table, std::string_view verb);

  const TableDefinition& definition() const { return *definition_; }
  const TablePtr& table() const { return table_; }

  // One value for each of the columns given (places in definition().columns), with their types.
  // Missing ones get their defaults. Returns the stored values of all columns.
  const std::vector<SqlValue>& insert(const std::vector<size_t>& columns,
                                      const std::vector<SqlType>& types,
                                      const std::vector<SqlValue>& values,
                                      const std::vector<bool>& use_default);

  struct Update {
    std::string key;  // of the row in the store
    RowBytes before;
    std::vector<SqlValue> old_values, new_values;
    bool moves = false;        // an indexed column changed
    bool key_changed = false;  // a unique key changed
    RowBytes after;
  };
  // Converts one assigned value to what the column stores.
  SqlValue stored(size_t column, const SqlType& type, const SqlValue& value) const;
  void check_large_values(const std::vector<SqlValue>* before,
                          const std::vector<SqlValue>& after) const;
  void update(std::vector<Update>* updates);
  void remove(const std::string& key, const RowBytes& before, const std::vector<SqlValue>& values);
  // Behind the last row of a statement that updates or removes: does to the rows that refer to what
  // is gone as their foreign keys say, in their tables' logs too. Throws 547.
  void finish();

  // All columns of a stored row, computed ones too.
  std::vector<SqlValue> decode(const RowBytes& row) const;
  // Computed columns and constraints over complete values.
  void compute(std::vector<SqlValue>* values) const;

 private:
  void check_nulls(const std::vector<SqlValue>& values) const;
  void check_conditions(const std::vector<SqlValue>& values) const;
  // ", column 'x'" if the condition is about one column alone.
  std::string checked_column(const Check& check) const;
  void check_parents(const std::vector<SqlValue>& values) const;
  // For finish(): the values by which others may refer to a row that was removed or changed.
  void keep_gone(const std::vector<SqlValue>& old_values, const std::vector<SqlValue>* new_values);
  void cascade(const Reference& reference, const std::vector<GoneRow>& gone);
  void check_children(const Reference& reference, const std::vector<GoneRow>& gone) const;
  RowBytes encode(const std::vector<SqlValue>& values) const;
  void store_row(const RowBytes& data, const std::vector<SqlValue>& values);
  void prepare(Update* update) const;
  uint64_t next_record();
  void log(ChangeKind kind, bool key_changed, RowBytes before, RowBytes after, uint64_t record,
           uint64_t insert_record, int32_t command);
  [[noreturn]] void duplicate(size_t store_index, const std::vector<SqlValue>& values) const;
  SqlValue next_identity(const Column& column);
  void take_identity(const Column& column, const SqlValue& value);
  std::string qualified_name() const;
  BoundValue default_of(size_t column);
  SqlValue default_value(size_t column);  // NULL without one

  SqlSession* session_;
  TablePtr table_;
  DefinitionPtr definition_;
  std::string verb_;  // "INSERT", "UPDATE": for messages
  bool is_logged_ = false;
  int32_t command_ = 0;
  std::vector<std::optional<BoundValue>> defaults_;
  std::vector<SqlValue> values_;
  std::optional<std::vector<Reference>> references_;  // to the table, once a row is gone
  std::vector<GoneRow> gone_;
  // Scope of computed columns and CHECK: the table's own columns.
  mutable Scope scope_;
  std::vector<std::pair<size_t, BoundValue>> computed_;
  std::vector<std::pair<const Check*, BoundCondition>> checks_;
};

}  // namespace dstream::standin::sql
