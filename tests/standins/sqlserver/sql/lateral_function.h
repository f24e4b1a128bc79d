// A function in FROM whose arguments are columns of the tables further left: CROSS APPLY f(t.a).
//
// Thread rule: one thread an object.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "tests/standins/sqlserver/sql/binder.h"

namespace dstream::standin::sql {

class LateralFunction final : public Relation {
 public:
  using Call = std::function<std::shared_ptr<const Relation>(std::span<const SqlValue>)>;
  // `arguments` are evaluated on the row in ScanRequest::context each time it is opened.
  LateralFunction(std::vector<ResultColumn> columns, std::vector<BoundValue> arguments, Call call)
      : columns_(std::move(columns)), arguments_(std::move(arguments)), call_(std::move(call)) {}
  const std::vector<ResultColumn>& columns() const override { return columns_; }
  std::unique_ptr<Cursor> open(const ScanRequest& request) const override;

 private:
  std::vector<ResultColumn> columns_;
  std::vector<BoundValue> arguments_;
  Call call_;
};

}  // namespace dstream::standin::sql
