// Which capture instance each table is read from, over the streams of one source: what changes, and
// which instances nobody here needs any more.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "plugins/sqlserver_cdc/catalog.h"
#include "plugins/sqlserver_cdc/position.h"

namespace dstream::sqlserver {

// [worker]
class InstanceLog {
 public:
  struct Change {
    std::string from;         // the instance that was read before; empty: none, or the same
    std::optional<Lsn> told;  // DDL of this instance that has been told of
  };
  using Superseded = std::vector<std::pair<TableName, std::string>>;  // table, instance

  // A stream begins to read `table`.
  Change read(const CatalogTable& table);
  // The stream that ends has told of DDL up to `lsn`.
  void tell(const TableName& table, Lsn lsn);
  std::vector<TableName> tables() const;
  // Nothing older than what is read of `table` is there any more.
  void forget_older(const TableName& table);
  // A source that is opened goes by its position alone.
  void clear();

  // Older instances wait until what was read from them is durable.
  bool waits_for_commit() const { return !waiting_.empty(); }
  // What can be dropped since `position` is durable; each is named once.
  Superseded committed(const Position& position);
  // Everything that can be dropped, as of now.
  const Superseded& superseded() const { return superseded_; }

 private:
  struct Read {
    std::string instance;
    int32_t object_id = 0;
    std::optional<Lsn> told;
  };
  struct Waiting {
    TableName table;
    std::string instance;
    Lsn until;  // where the instance begins that is read instead
  };

  std::map<TableName, Read> read_;
  std::vector<Waiting> waiting_;
  Superseded superseded_;
  std::set<std::string> named_;
};

}  // namespace dstream::sqlserver
