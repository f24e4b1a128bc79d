// Names of tables: how configuration, messages and positions spell them, and how SQL quotes them.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

namespace dstream::sqlserver {

// [name] with ] doubled: safe inside any statement, whatever the name holds.
std::string quote_identifier(std::string_view name);

// N'text' with ' doubled, for T-SQL shown to an operator.
std::string quote_literal(std::string_view text);

struct TableName {
  std::string schema;
  std::string table;

  auto operator<=>(const TableName&) const = default;

  // "dbo.Persons"; a part that is not a plain identifier is bracketed: "dbo.[a.b]". parse() of the
  // text gives the same name. Positions order tables by the bytes of (schema, table).
  std::string text() const;
  std::string quoted() const;  // [dbo].[Persons]

  // "dbo.Persons", "[dbo].[Persons]", "\"dbo\".\"Persons\"", in any mix. A missing schema, an empty
  // part, more than two parts or a part over 128 characters gives nothing.
  static std::optional<TableName> parse(std::string_view text);
};

// True if a case-insensitive server would take them for one table.
bool same_name(const TableName& a, const TableName& b);

}  // namespace dstream::sqlserver
