// T-SQL text to the tree of ast.h.
//
// Throws SqlError: 102 or 156 for what no server takes, not_understood() for statements of SQL
// Server that the stand-in does not have.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/ast.h"
#include "tests/standins/sqlserver/sql/types.h"

namespace dstream::standin::sql {

std::shared_ptr<const Batch> parse_batch(std::string_view text, bool quoted_identifier = true);

// The declaration of sp_executesql and its relatives: "@P1 int, @P2 nvarchar(20) OUTPUT".
struct ParameterSpec {
  std::string name;  // with '@'
  TypeSpec type;
  bool output = false;
  ExpressionPtr default_value;
};
std::vector<ParameterSpec> parse_parameters(std::string_view declaration);

// One expression alone: defaults kept as text in the catalog.
ExpressionPtr parse_expression(std::string_view text);

// "db.schema.[name]"; parts may be quoted.
Name parse_name(std::string_view text);

SqlType resolve_type(const TypeSpec& spec, bool in_cast = false);

}  // namespace dstream::standin::sql
