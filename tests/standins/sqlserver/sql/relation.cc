#include "tests/standins/sqlserver/sql/relation.h"

#include "tests/standins/sqlserver/sql/catalog.h"
#include "tests/standins/sqlserver/sql/error.h"

namespace dstream::standin::sql {
namespace {

constexpr size_t kFetchRows = 256;

class RowsCursor final : public Cursor {
 public:
  RowsCursor(std::shared_ptr<const std::vector<std::vector<SqlValue>>> rows,
             std::span<const int> needed)
      : rows_(std::move(rows)), needed_(needed.begin(), needed.end()) {}

  bool next(SqlValue* values) override {
    if (at_ >= rows_->size()) {
      return false;
    }
    const std::vector<SqlValue>& row = (*rows_)[at_++];
    for (size_t i = 0; i < needed_.size(); ++i) {
      if (needed_[i] >= 0) {
        values[needed_[i]] = row[i];
      }
    }
    return true;
  }

 private:
  std::shared_ptr<const std::vector<std::vector<SqlValue>>> rows_;
  std::vector<int> needed_;
  size_t at_ = 0;
};

// Reads a table in blocks, so that no lock is held while a client is slow.
class TableCursor final : public Cursor {
 public:
  TableCursor(TablePtr table, DefinitionPtr definition, const ScanRequest& request)
      : table_(std::move(table)), definition_(std::move(definition)), request_(request) {
    by_physical_.assign(definition_->format->size(), -1);
    for (size_t i = 0; i < definition_->columns.size(); ++i) {
      if (request.needed[i] >= 0) {
        by_physical_[definition_->columns[i].physical] = request.needed[i];
      }
    }
  }

  bool next(SqlValue* values) override {
    while (at_ >= block_.size()) {
      if (is_done_) {
        return false;
      }
      fill();
    }
    const FetchedRow& row = block_[at_++];
    definition_->format->decode(*row.data, by_physical_, values);
    return true;
  }

  const FetchedRow* current() const override { return &block_[at_ - 1]; }

 private:
  void fill() {
    block_.clear();
    at_ = 0;
    if (request_.out != nullptr && request_.out->cancelled()) {
      throw Cancelled{};
    }
    ReadView view = request_.view;
    uint64_t blocker = 0;
    if (request_.for_update) {
      view.sequence = kUncommitted - 1;
    }
    is_done_ =
        !table_->store()->fetch(view, request_.ordering, &request_.range, request_.descending,
                                block_rows_, &block_, request_.for_update ? &blocker : nullptr);
    block_rows_ = kFetchRows;
    if (blocker != 0 && block_.empty()) {
      wait_for_row(view);
    }
  }

  // The row in the way is the first of the range: wait until a fetch of one row gets past it.
  void wait_for_row(const ReadView& view) {
    request_.wait([&]() -> uint64_t {
      uint64_t blocker = 0;
      KeyRange range = request_.range;
      std::vector<FetchedRow> ignored;
      table_->store()->fetch(view, request_.ordering, &range, request_.descending, 1, &ignored,
                             &blocker);
      return ignored.empty() ? blocker : 0;
    });
  }

  TablePtr table_;
  DefinitionPtr definition_;
  ScanRequest request_;
  std::vector<int> by_physical_;
  std::vector<FetchedRow> block_;
  size_t at_ = 0;
  size_t block_rows_ = 16;  // the first block is small: most scans by key want one row
  bool is_done_ = false;
};

}  // namespace

const std::vector<Ordering>& Relation::orderings() const {
  static const std::vector<Ordering> kNone;
  return kNone;
}

std::unique_ptr<Cursor> RowsRelation::open(const ScanRequest& request) const {
  return std::make_unique<RowsCursor>(rows_, request.needed);
}

TableRelation::TableRelation(TablePtr table)
    : table_(std::move(table)),
      definition_(table_->definition()),
      columns_(definition_->result_columns()) {
  orderings_.resize(store_uniqueness(*definition_).size());
  for (const Index& index : definition_->indexes) {
    Ordering& ordering = orderings_[index.store_index];
    ordering.is_unique = index.unique;
    for (const Index::Part& part : index.parts) {
      ordering.parts.push_back({part.column, part.descending});
    }
  }
}

std::unique_ptr<Cursor> TableRelation::open(const ScanRequest& request) const {
  return std::make_unique<TableCursor>(table_, definition_, request);
}

}  // namespace dstream::standin::sql
