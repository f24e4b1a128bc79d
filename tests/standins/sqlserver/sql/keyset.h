// What lets a client change rows through a cursor: the rows of one table, known by its primary key
// and read anew whenever they are fetched.
//
// Thread rule: as the session's.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/protocol/values.h"
#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {

class Keyset {
 public:
  using Row = std::vector<SqlValue>;  // all columns of the table

  struct Assignment {
    std::string column;  // folded
    SqlType type;
    SqlValue value;
    bool use_default = false;
  };

  // Nothing if the query is more than columns of one table with a primary key: joins, groups,
  // expressions. Such a result is a copy that cannot be changed.
  static std::optional<Keyset> of(SqlSession* session, const Query& query);

  // The query with all columns of the table instead of those asked for.
  QueryPtr query() const { return query_; }
  const std::vector<ResultColumn>& columns() const { return columns_; }  // asked for
  const std::vector<ColumnSource>& sources() const { return sources_; }
  const std::vector<std::vector<std::string>>& tables() const { return tables_; }
  // What was asked for, of a row.
  std::vector<SqlValue> visible(const Row& row) const;

  // The row of that key as it is now; nothing if it has gone.
  std::optional<Row> read(SqlSession* session, const Row& row) const;
  // Changes the row. Throws 16934 if it is not what `row` says any more, 16947 if it has gone.
  // Returns it as it is then.
  Row update(SqlSession* session, const Row& row, const std::vector<Assignment>& values) const;
  void remove(SqlSession* session, const Row& row) const;
  Row insert(SqlSession* session, const std::vector<Assignment>& values) const;
  bool same_key(const Row& a, const Row& b) const;
  // Throws 208 unless `name` is the table's, or empty.
  void check_table(const Name& name) const;

 private:
  std::vector<Row> run(SqlSession* session, const std::string& sql, Variables variables) const;
  Variables key_variables(const Row& row) const;
  std::string by_key() const;  // " WHERE [id] = @key0"
  Row change(SqlSession* session, const std::string& sql, Variables variables,
             const Row& row) const;

  QueryPtr query_;
  Name name_;
  std::string table_;                        // quoted
  std::string all_columns_;                  // quoted, as they were at first
  std::vector<std::string> key_names_;       // quoted
  std::vector<size_t> key_places_, places_;  // of the key and of what was asked for, in a Row
  std::vector<SqlType> key_types_;
  size_t width_ = 0;
  std::vector<ResultColumn> columns_;
  std::vector<ColumnSource> sources_;
  std::vector<std::vector<std::string>> tables_;
};

struct CapturedResult {
  std::vector<ResultColumn> columns;
  std::vector<std::vector<SqlValue>> rows;
};
// What `work` would send the client. Its errors are thrown, not sent.
CapturedResult captured(SqlSession* session, const std::function<void()>& work);

}  // namespace dstream::standin::sql
