// STRING_SPLIT in FROM.
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/table_functions.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Row = std::vector<SqlValue>;

std::shared_ptr<const Relation> split(std::span<const SqlValue> values,
                                      std::span<const SqlType> types) {
  if (values.size() < 2 || values.size() > 3) {
    throw SqlError(values.size() < 2 ? 313 : 8144, 16, 3,
                   values.size() < 2
                       ? "An insufficient number of arguments were supplied for the procedure or "
                         "function string_split."
                       : "Procedure or function string_split has too many arguments specified.");
  }
  const SqlType text = nvarchar_type(kMaxLength);
  const SqlValue separator = convert_value(values[1], types[1], text);
  if (separator.null || utf16_length(separator.text) != 1) {
    throw SqlError(214, 16, 11,
                   "Procedure expects parameter 'separator' of type 'nchar(1)/nvarchar(1)'.");
  }
  const bool numbered = values.size() == 3 && !values[2].null && values[2].number != 0;
  const bool is_text = family_of(types[0].id) == Family::kText;
  const int32_t length = is_large(types[0]) ? kMaxLength
                         : is_text          ? std::max(types[0].length, 1)
                                            : 8000;
  std::vector<ResultColumn> columns = {view_column(
      "value", is_text && is_unicode(types[0].id) ? nvarchar_type(length) : varchar_type(length))};
  if (numbered) {
    columns.push_back(view_column("ordinal", bigint_type(), false));
  }
  std::vector<Row> rows;
  if (!values[0].null) {
    const std::string whole = convert_value(values[0], types[0], text).text;
    for (size_t from = 0; from <= whole.size();) {
      const size_t to = std::min(whole.find(separator.text, from), whole.size());
      Row row = {SqlValue::of_text(whole.substr(from, to - from))};
      if (numbered) {
        row.push_back(SqlValue::of_number(static_cast<int64_t>(rows.size()) + 1));
      }
      rows.push_back(std::move(row));
      from = to + separator.text.size();
    }
  }
  return std::make_shared<RowsRelation>(std::move(columns), std::move(rows));
}

}  // namespace

void add_table_functions(Engine* engine) {
  engine->add_table_function(
      "string_split",
      TableFunction{[](SqlSession&, Database&, std::span<const SqlValue> values,
                       std::span<const SqlType> types) { return split(values, types); }});
}

}  // namespace dstream::standin::sql
