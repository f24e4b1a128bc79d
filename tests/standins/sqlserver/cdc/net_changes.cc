// cdc.fn_cdc_get_net_changes_<instance>: one row for every key that changed between two LSNs.
#include "tests/standins/sqlserver/cdc/net_changes.h"

#include <map>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/functions.h"

namespace dstream::standin::cdc {
namespace {

constexpr size_t kLsnColumn = 0, kOperationColumn = 3, kMaskColumn = 4;
constexpr int32_t kMerge = 5;  // insert or update

// What happened to one key.
struct Net {
  int64_t first = 0, last = 0;  // operations
  std::vector<SqlValue> row;    // the last one's
  std::string mask;             // of all updates together
};

void join_masks(const std::string& mask, std::string* all) {
  all->resize(std::max(all->size(), mask.size()));
  for (size_t i = 0; i < mask.size(); ++i) {
    (*all)[i] = static_cast<char>(static_cast<unsigned char>((*all)[i]) |
                                  static_cast<unsigned char>(mask[i]));
  }
}

// 0 for a row that came and went.
int64_t net_operation(const Net& net) {
  if (net.last == kDelete) {
    return net.first == kInsert ? 0 : kDelete;
  }
  return net.first == kInsert ? kInsert : kUpdateAfter;
}

// In the order of the last changes.
std::vector<Net> collect(const CaptureInstance& instance, const sql::KeyRange& range) {
  const AppendRelation changes(instance.changes());
  const size_t width = changes.columns().size();
  std::vector<size_t> key_columns;
  const CaptureInstance::Columns columns = instance.columns();
  for (const KeyColumn& key : instance.key_columns) {
    for (size_t i = 0; i < columns->size(); ++i) {
      if ((*columns)[i].column_id == key.column_id) {
        key_columns.push_back(kLeadingColumns + i);
      }
    }
  }
  std::vector<int> needed(width);
  for (size_t i = 0; i < width; ++i) {
    needed[i] = static_cast<int>(i);
  }
  sql::ScanRequest request;
  request.range = range;
  request.needed = needed;
  request.view.dirty = true;  // as the real function's NOLOCK
  const std::unique_ptr<sql::Cursor> cursor = changes.open(request);
  std::map<std::string, std::pair<size_t, Net>> by_key;
  std::vector<SqlValue> row(width);
  for (size_t place = 0; cursor->next(row.data()); ++place) {
    const int64_t operation = row[kOperationColumn].number;
    if (operation == kUpdateBefore) {
      continue;
    }
    std::string key;
    for (const size_t column : key_columns) {
      sql::append_key(changes.columns()[column].type, row[column], false, &key);
    }
    auto& [last_place, net] = by_key[key];
    net.first = net.first == 0 ? operation : net.first;
    net.last = operation;
    net.row = row;
    join_masks(row[kMaskColumn].text, &net.mask);
    last_place = place;
  }
  std::map<size_t, Net> ordered;
  for (auto& [key, entry] : by_key) {
    ordered.emplace(entry.first, std::move(entry.second));
  }
  std::vector<Net> result;
  for (auto& [place, net] : ordered) {
    result.push_back(std::move(net));
  }
  return result;
}

}  // namespace

std::shared_ptr<const sql::Relation> net_changes(const CaptureInstance& instance,
                                                 const sql::KeyRange& range, NetFilter filter) {
  const std::vector<ResultColumn> all = instance.change_columns();
  const auto trailing = static_cast<std::ptrdiff_t>(instance.trailing_columns());
  std::vector<ResultColumn> columns = {all[kLsnColumn], all[kOperationColumn], all[kMaskColumn]};
  columns.insert(columns.end(), all.begin() + kLeadingColumns, all.end() - trailing);
  for (ResultColumn& column : columns) {
    column.type.nullable = true;
  }
  std::vector<std::vector<SqlValue>> rows;
  for (const Net& net : collect(instance, range)) {
    int64_t operation = net_operation(net);
    if (operation == 0) {
      continue;
    }
    const bool has_mask = filter == NetFilter::kAllWithMask && operation == kUpdateAfter;
    if (filter == NetFilter::kAllWithMerge && operation != kDelete) {
      operation = kMerge;
    }
    std::vector<SqlValue> row = {net.row[kLsnColumn], SqlValue::of_number(operation),
                                 has_mask ? SqlValue::of_text(net.mask) : SqlValue{}};
    row.insert(row.end(), net.row.begin() + kLeadingColumns, net.row.end() - trailing);
    rows.push_back(std::move(row));
  }
  return std::make_shared<sql::RowsRelation>(std::move(columns), std::move(rows));
}

}  // namespace dstream::standin::cdc
