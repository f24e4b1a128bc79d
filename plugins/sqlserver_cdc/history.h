// Whether a stored position is of the history of the database that is read.
//
// A database that was restored to an earlier time gives LSNs again. Once its new transactions have
// passed a stored position nothing about LSNs shows that, and everything that happened between the
// two histories would be skipped silently (I5). When a transaction ended does not come again: a
// position holds the time of its transaction, and cdc.lsn_time_mapping must have it with that time.
//
// Asked once, when the source opens: a database cannot be restored, nor a replica take over, under
// an open connection.
#pragma once

#include <map>
#include <string>

#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/position.h"

namespace dstream::sqlserver {

class History {
 public:
  explicit History(Connection& connection) : connection_(connection) {}

  // What an operator is told if `entry` is of another history; empty if it is of this one, or if
  // nobody can tell: nothing was read yet, its time is not known, or cleanup has removed its
  // transaction (then what follows it decides, as ever).
  //
  // Throws SourceError(REOPEN) for a position that a readable secondary has not reached yet.
  const std::string& why_foreign(const PositionEntry& entry);

 private:
  std::string look(Lsn commit, int64_t time_ms);
  bool is_secondary();

  Connection& connection_;
  std::map<Lsn, std::string> answers_;
};

}  // namespace dstream::sqlserver
