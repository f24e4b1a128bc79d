// ALTER TABLE, CREATE INDEX, DROP INDEX.
#pragma once

#include <string>
#include <string_view>

#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/catalog.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {

// Also indexes. REQUIRES: inside of as_statement().
void alter_table(SqlSession* session, const Statement& statement, std::string_view text);
// sp_rename of a column.
void rename_column(SqlSession* session, const TablePtr& table, std::string_view from,
                   const std::string& to, std::string_view text);

// Shared with definition.cc.
void add_key(Database* database, const std::string& table_name, const KeySpec& spec,
             TableDefinition* definition);
void add_constraints(SqlSession* session, Database* database, int32_t table_id,
                     const std::string& table_name, const TableSpec& spec,
                     TableDefinition* definition);
void add_columns(SqlSession* session, Database* database, const std::string& table_name,
                 const TableSpec& spec, TableDefinition* definition);

}  // namespace dstream::standin::sql
