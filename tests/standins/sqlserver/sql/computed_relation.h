// A table in FROM with its computed columns, which are not stored but evaluated as rows are read.
#pragma once

#include <memory>

#include "tests/standins/sqlserver/sql/catalog.h"

namespace dstream::standin::sql {

class SqlSession;

// The plain relation if the table has no computed columns.
std::shared_ptr<const Relation> make_table_relation(SqlSession* session, const TablePtr& table);

}  // namespace dstream::standin::sql
