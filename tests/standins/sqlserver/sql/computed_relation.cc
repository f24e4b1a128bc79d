#include "tests/standins/sqlserver/sql/computed_relation.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/binder.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {
namespace {

using Computed = std::vector<std::pair<size_t, BoundValue>>;

class ComputedCursor final : public Cursor {
 public:
  ComputedCursor(std::unique_ptr<Cursor> inner, SqlSession* session, const Computed& computed,
                 size_t width, std::span<const int> needed)
      : inner_(std::move(inner)),
        session_(session),
        computed_(computed),
        row_(width),
        needed_(needed.begin(), needed.end()) {}

  bool next(SqlValue* values) override {
    if (!inner_->next(row_.data())) {
      return false;
    }
    for (const auto& [column, bound] : computed_) {
      row_[column] = bound.evaluate({session_, row_.data(), nullptr, nullptr});
    }
    for (size_t i = 0; i < needed_.size(); ++i) {
      if (needed_[i] >= 0) {
        values[needed_[i]] = row_[i];
      }
    }
    return true;
  }

  const FetchedRow* current() const override { return inner_->current(); }

 private:
  std::unique_ptr<Cursor> inner_;
  SqlSession* session_;
  const Computed& computed_;
  std::vector<SqlValue> row_;
  std::vector<int> needed_;
};

class ComputedRelation final : public Relation {
 public:
  ComputedRelation(SqlSession* session, const TablePtr& table) : session_(session), table_(table) {
    Source source;
    source.alias = table->name();
    source.columns = table_.columns();
    scope_.add(std::move(source));
    Binder binder(session, &scope_);
    const std::vector<Column>& columns = table_.definition()->columns;
    for (size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].computed != nullptr) {
        computed_.emplace_back(i, binder.value(columns[i].computed));
      }
      all_.push_back(static_cast<int>(i));
    }
  }

  const std::vector<ResultColumn>& columns() const override { return table_.columns(); }
  const std::vector<Ordering>& orderings() const override { return table_.orderings(); }
  TablePtr base_table() const override { return table_.base_table(); }

  std::unique_ptr<Cursor> open(const ScanRequest& request) const override {
    ScanRequest inner = request;
    inner.needed = all_;
    return std::make_unique<ComputedCursor>(table_.open(inner), session_, computed_, all_.size(),
                                            request.needed);
  }

 private:
  SqlSession* session_;
  TableRelation table_;
  Scope scope_;
  Computed computed_;
  std::vector<int> all_;
};

}  // namespace

std::shared_ptr<const Relation> make_table_relation(SqlSession* session, const TablePtr& table) {
  const DefinitionPtr definition = table->definition();
  const bool has_computed =
      std::any_of(definition->columns.begin(), definition->columns.end(),
                  [](const Column& column) { return column.computed != nullptr; });
  if (has_computed) {
    return std::make_shared<ComputedRelation>(session, table);
  }
  return std::make_shared<TableRelation>(table);
}

}  // namespace dstream::standin::sql
