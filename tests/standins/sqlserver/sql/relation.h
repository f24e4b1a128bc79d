// Anything that can stand in FROM: tables, change tables, catalog views, results kept in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"
#include "tests/standins/sqlserver/protocol/row_codec.h"
#include "tests/standins/sqlserver/protocol/values.h"
#include "tests/standins/sqlserver/sql/storage.h"

namespace dstream::standin::sql {

// An order in which a relation can be read without sorting.
struct Ordering {
  struct Part {
    size_t column = 0;
    bool descending = false;
  };
  std::vector<Part> parts;
  bool is_unique = false;
};

struct EvaluationContext;

struct ScanRequest {
  size_t ordering = 0;          // index into orderings(); ignored if there are none
  KeyRange range;               // in the bytes of append_key() over the ordering's parts
  bool descending = false;      // the ordering read backwards
  std::span<const int> needed;  // per column: where to put it, -1 if nobody looks at it
  ReadView view;
  bool for_update = false;  // wait for locked rows, deliver the newest
  ResponseWriter* out = nullptr;
  // The row of the sources further left, for what APPLY makes of it.
  const EvaluationContext* context = nullptr;
  std::function<void(const std::function<uint64_t()>&)> wait;  // for_update: waits for a blocker
};

class Cursor {
 public:
  virtual ~Cursor() = default;
  // Writes the next row's needed columns. False at the end. Throws Cancelled.
  virtual bool next(SqlValue* values) = 0;
  // The next row as a ROW token of the relation's layout. Only where layout() is not null.
  virtual bool next_token(std::string_view* token) {
    static_cast<void>(token);
    return false;
  }
  // Decodes the row next_token() delivered last.
  virtual void decode(SqlValue* values) { static_cast<void>(values); }
  // Names the row just read to TableStore::lock(); only for base tables.
  virtual const FetchedRow* current() const { return nullptr; }
};

class Table;

class Relation {
 public:
  virtual ~Relation() = default;
  virtual const std::vector<ResultColumn>& columns() const = 0;
  virtual const std::vector<Ordering>& orderings() const;
  virtual std::unique_ptr<Cursor> open(const ScanRequest& request) const = 0;
  // Not null if rows are kept as ROW tokens of these columns.
  virtual const RowLayout* layout() const { return nullptr; }
  // The user table behind it, nullptr for everything else.
  virtual std::shared_ptr<Table> base_table() const { return nullptr; }
};

// Rows in memory: catalog views, VALUES, derived tables.
class RowsRelation final : public Relation {
 public:
  using Row = std::vector<SqlValue>;
  RowsRelation(std::vector<ResultColumn> columns, std::vector<Row> rows)
      : columns_(std::move(columns)),
        rows_(std::make_shared<const std::vector<Row>>(std::move(rows))) {}
  const std::vector<ResultColumn>& columns() const override { return columns_; }
  std::unique_ptr<Cursor> open(const ScanRequest& request) const override;

 private:
  std::vector<ResultColumn> columns_;
  std::shared_ptr<const std::vector<Row>> rows_;
};

}  // namespace dstream::standin::sql
