#include "plugins/sqlserver_cdc/instance_log.h"

#include <algorithm>

namespace dstream::sqlserver {

InstanceLog::Change InstanceLog::read(const CatalogTable& table) {
  const TableName& name = table.instance.description.table;
  const int32_t object_id = table.instance.object_id;
  Read& known = read_[name];
  Change change;
  if (known.object_id == object_id) {
    change.told = known.told;
  } else {
    change.from = known.instance;
  }
  known = {table.instance.name, object_id, change.told};
  // A table's list is that of the newest catalog: an instance may have been dropped.
  std::erase_if(waiting_, [&name](const Waiting& other) { return other.table == name; });
  std::erase_if(superseded_, [&](const auto& other) {
    return other.first == name && std::find(table.superseded.begin(), table.superseded.end(),
                                            other.second) == table.superseded.end();
  });
  for (const std::string& older : table.superseded) {
    waiting_.push_back({name, older, table.instance.start});
  }
  return change;
}

void InstanceLog::tell(const TableName& table, Lsn lsn) { read_[table].told = lsn; }

std::vector<TableName> InstanceLog::tables() const {
  std::vector<TableName> all;
  for (const auto& [name, known] : read_) {
    all.push_back(name);
  }
  return all;
}

void InstanceLog::forget_older(const TableName& table) {
  std::erase_if(waiting_, [&table](const Waiting& other) { return other.table == table; });
  std::erase_if(superseded_, [&table](const auto& other) { return other.first == table; });
}

void InstanceLog::clear() {
  read_.clear();
  waiting_.clear();
  superseded_.clear();
}

InstanceLog::Superseded InstanceLog::committed(const Position& position) {
  Superseded fresh;
  std::erase_if(waiting_, [&](const Waiting& waiting) {
    const PositionEntry* entry = position.find(waiting.table);
    // Just before it is not enough: the record that announces the newer one may not have left, and
    // without an older one nothing says that it has to.
    const bool durable = entry != nullptr && !waiting.until.is_zero() &&
                         entry->key_of(waiting.table).commit >= waiting.until;
    if (durable) {
      const std::pair<TableName, std::string> pair(waiting.table, waiting.instance);
      if (std::find(superseded_.begin(), superseded_.end(), pair) == superseded_.end()) {
        superseded_.push_back(pair);
      }
      if (named_.insert(waiting.instance).second) {
        fresh.push_back(pair);
      }
    }
    return durable;
  });
  return fresh;
}

}  // namespace dstream::sqlserver
