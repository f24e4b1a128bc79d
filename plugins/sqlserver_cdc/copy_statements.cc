#include "plugins/sqlserver_cdc/copy_statements.h"

namespace dstream::sqlserver {
namespace {

std::string list(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

// k1 >= ? AND (k1 > ? OR (k2 > ?)): the first comparison alone bounds a seek.
std::string beyond(const CopySource& source, size_t at, const char* sign) {
  const std::string strict = source.key[at] + ' ' + sign[0] + ' ' + source.parameters[at];
  const std::string loose = source.key[at] + ' ' + sign[0] + "= " + source.parameters[at];
  if (at + 1 == source.key.size()) {
    return sign[1] == '=' ? loose : strict;
  }
  return loose + " AND (" + strict + " OR (" + beyond(source, at + 1, sign) + "))";
}

// The parameters of beyond(), in their order.
void add_values(const CopyKey& key, std::vector<BindValue>* values) {
  for (size_t i = 0; i < key.size(); ++i) {
    values->push_back(BindValue::of(key[i]));
    if (i + 1 < key.size()) {
      values->push_back(BindValue::of(key[i]));
    }
  }
}

std::string where(const CopySource& source, bool after, bool upto) {
  std::string out;
  if (after) {
    out += " WHERE (" + beyond(source, 0, ">") + ')';
  }
  if (upto) {
    out += (after ? " AND (" : " WHERE (") + beyond(source, 0, "<=") + ')';
  }
  return out;
}

}  // namespace

std::string chunk_statement(const CopySource& source, bool after, bool upto) {
  return "SELECT TOP (?) " + list(source.names) + " FROM " + source.table + " AS c" +
         where(source, after, upto) + " ORDER BY " + list(source.key) +
         ";\nSELECT @@ROWCOUNT, CONVERT(nvarchar(27), SYSDATETIME(), 121),"
         " DATEDIFF(second, '20000101', SYSUTCDATETIME());";
}

std::vector<BindValue> chunk_values(const ChunkRequest& request) {
  std::vector<BindValue> values{BindValue::of(static_cast<int32_t>(request.rows))};
  add_values(request.after, &values);
  add_values(request.upto, &values);
  return values;
}

std::string whole_statement(const CopySource& source) {
  return "SELECT " + list(source.names) + " FROM " + source.table +
         " AS c;\nSELECT @@ROWCOUNT, CONVERT(nvarchar(27), SYSDATETIME(), 121),"
         " DATEDIFF(second, '20000101', SYSUTCDATETIME());";
}

std::string boundary_statement(const CopySource& source, bool after) {
  return "SELECT " + list(source.key) + " FROM " + source.table + " AS c" +
         where(source, after, false) + " ORDER BY " + list(source.key) +
         " OFFSET ? ROWS FETCH NEXT 1 ROWS ONLY;";
}

std::vector<BindValue> boundary_values(const BoundaryRequest& request) {
  std::vector<BindValue> values;
  add_values(request.after, &values);
  values.push_back(BindValue::of(static_cast<int32_t>(request.rows) - 1));
  return values;
}

}  // namespace dstream::sqlserver
