#include "tests/standins/sqlserver/sql/lateral_function.h"

namespace dstream::standin::sql {
namespace {

// Keeps the rows alive that it reads.
class OwningCursor final : public Cursor {
 public:
  OwningCursor(std::shared_ptr<const Relation> relation, const ScanRequest& request)
      : relation_(std::move(relation)), cursor_(relation_->open(request)) {}
  bool next(SqlValue* values) override { return cursor_->next(values); }

 private:
  std::shared_ptr<const Relation> relation_;
  std::unique_ptr<Cursor> cursor_;
};

}  // namespace

std::unique_ptr<Cursor> LateralFunction::open(const ScanRequest& request) const {
  std::vector<SqlValue> values;
  for (const BoundValue& argument : arguments_) {
    values.push_back(argument.evaluate(*request.context));
  }
  return std::make_unique<OwningCursor>(call_(values), request);
}

}  // namespace dstream::standin::sql
