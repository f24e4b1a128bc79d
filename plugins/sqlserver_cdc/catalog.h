// What the server says about the tables to read: capture instances, columns, keys.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/options.h"
#include "plugins/sqlserver_cdc/position.h"
#include "plugins/sqlserver_cdc/statements.h"

namespace dstream::sqlserver {

// A line for the log: level and sentence.
using LogLine = std::function<void(dstream_log_level, const std::string&)>;

struct CatalogTable {
  CaptureInstance instance;
  std::vector<std::string> superseded;  // older capture instances of the table
  Millis poll_interval{};
  Millis max_poll_interval{};
  std::string foreign{};  // why its position is worthless, if it is: see history.h
};

struct Catalog {
  std::string database;
  std::vector<CatalogTable> tables;  // sorted by name, one for each configured table
};

// Reads what is needed to start, and checks it.
//
// Of two capture instances of a table the newest is taken that still has everything after
// `position`. Without a position: the newest if the table is copied first, else the one that
// reaches back furthest.
//
// Throws SourceError, each with what to do:
//   CONFIG       CDC is not enabled in the database; a table does not exist, is not captured, or
//                has no capture instance of the name given
//   UNSUPPORTED  a captured column has a type that cannot be carried yet
// A capture job that does not seem to run is a warning: changes may still be waiting to be read.
Catalog load_catalog(Connection& connection, const Options& options, const Position& position,
                     const LogLine& log);

}  // namespace dstream::sqlserver
