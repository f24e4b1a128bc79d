// CREATE, ALTER and DROP.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/catalog.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {

// `text` is the statement as written, for those who are told of changes.
void execute_definition(SqlSession* session, const Statement& statement, std::string_view text);

// A table's definition from its parsed form. `database` gives object ids for constraints.
std::shared_ptr<TableDefinition> make_definition(SqlSession* session, Database* database,
                                                 const std::string& table_name,
                                                 const TableSpec& spec);
TablePtr make_table_variable(SqlSession* session, const std::string& name, const TableSpec& spec);
// SELECT INTO.
TablePtr create_table_like(SqlSession* session, const Name& name,
                           const std::vector<ResultColumn>& columns);
// `name`: of the table, as the statement wrote it.
void drop_table(SqlSession* session, const TablePtr& table, const std::string& name,
                std::string_view text);

// Fills in physical places, formats and store indexes after columns and indexes are known.
void settle_definition(TableDefinition* definition);

}  // namespace dstream::standin::sql
