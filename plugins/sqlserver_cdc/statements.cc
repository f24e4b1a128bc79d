#include "plugins/sqlserver_cdc/statements.h"

#include <algorithm>

namespace dstream::sqlserver {
namespace {

// Branches of one UNION ALL. Plans of a few hundred compile fast and are cached.
constexpr size_t kProbePart = 200;

std::string selected_columns(const CaptureInstance& instance) {
  std::string out = "c.[__$start_lsn], ";
  if (instance.has_command_id) {
    out += "c.[__$command_id], ";
  }
  out += "c.[__$seqval], c.[__$operation]";
  if (instance.description.has_large()) {
    out += ", c.[__$update_mask]";
  }
  for (const size_t index : fetched_columns(instance)) {
    const CapturedColumn& column = instance.description.columns[index];
    out += ", " + select_term(column.type.select, quote_identifier(column.name));
  }
  return out;
}

std::string order(const CaptureInstance& instance) {
  return std::string(" ORDER BY c.[__$start_lsn], ") +
         (instance.has_command_id ? "c.[__$command_id], " : "") + "c.[__$seqval], c.[__$operation]";
}

constexpr char kInstanceState[] =
    "start_lsn, (SELECT MAX(ddl_lsn) FROM cdc.ddl_history"
    " WHERE object_id = ? AND required_column_update = 1)"
    " FROM cdc.change_tables WHERE object_id = ?;";

constexpr char kAfterSequence[] =
    "c.[__$seqval] > ? OR (c.[__$seqval] = ? AND c.[__$operation] > ?)";

// The rest of a transaction in key order. There are no row comparisons in T-SQL.
std::string after_key(const CaptureInstance& instance, bool null_command) {
  if (!instance.has_command_id) {
    return kAfterSequence;
  }
  // NULL sorts first: rows that have a command id follow all of those without.
  if (null_command) {
    return std::string("c.[__$command_id] IS NOT NULL OR ") + kAfterSequence;
  }
  return "c.[__$command_id] > ? OR (c.[__$command_id] = ? AND c.[__$seqval] > ?)"
         " OR (c.[__$command_id] = ? AND c.[__$seqval] = ? AND c.[__$operation] > ?)";
}

}  // namespace

std::vector<size_t> fetched_columns(const CaptureInstance& instance) {
  const auto& columns = instance.description.columns;
  std::vector<size_t> bound;
  std::vector<size_t> large;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].type.fetch != Fetch::kAbsent) {
      (columns[i].type.large == Large::kNo ? bound : large).push_back(i);
    }
  }
  bound.insert(bound.end(), large.begin(), large.end());
  return bound;
}

std::string CaptureInstance::change_table() const {
  return "[cdc]." + quote_identifier(name + "_CT");
}

size_t probe_parts(size_t instance_count) { return (instance_count + kProbePart - 1) / kProbePart; }

std::string probe_statement(const std::vector<const CaptureInstance*>& instances) {
  std::string sql =
      "SELECT MAX(start_lsn), DATEPART(TZOFFSET, SYSDATETIMEOFFSET()), SYSDATETIME(),"
      " (SELECT TOP (1) tran_end_time FROM cdc.lsn_time_mapping ORDER BY start_lsn DESC)"
      " FROM cdc.lsn_time_mapping;\n";
  for (size_t i = 0; i < instances.size(); ++i) {
    const bool first = i % kProbePart == 0;
    const bool last = i % kProbePart == kProbePart - 1 || i + 1 == instances.size();
    sql += first ? "SELECT " : " UNION ALL SELECT ";
    sql += std::to_string(i) + " AS i, MAX([__$start_lsn]) AS newest FROM " +
           instances[i]->change_table();
    sql += last ? ";\n" : "";
  }
  sql +=
      "SELECT TOP (?) start_lsn, tran_end_time FROM cdc.lsn_time_mapping"
      " WHERE start_lsn >= ? ORDER BY start_lsn;\n"
      "SELECT object_id, MAX(ddl_lsn) FROM cdc.ddl_history GROUP BY object_id;\n"
      "SELECT object_id, start_lsn, source_object_id FROM cdc.change_tables"
      " ORDER BY create_date, object_id;";
  return sql;
}

std::string names_statement() {
  return "\nSELECT object_id, OBJECT_SCHEMA_NAME(source_object_id), OBJECT_NAME(source_object_id)"
         " FROM cdc.change_tables;";
}

PageForm page_form(const CaptureInstance& instance, const ChangeKey& after, PageScope scope) {
  if (after.is_beginning() || after.is_end_of_transaction()) {
    return PageForm::kAfterTransaction;
  }
  // NULL is no command that could be sought.
  if (scope == PageScope::kAll || (instance.has_command_id && after.command < 0)) {
    return PageForm::kInTransaction;
  }
  if (instance.has_command_id && after.is_end_of_command()) {
    return PageForm::kNextCommands;
  }
  return instance.has_command_id && scope == PageScope::kCommand ? PageForm::kInCommand
                                                                 : PageForm::kRestOfTransaction;
}

PageScope scope_of(PageForm form) {
  switch (form) {
    case PageForm::kAfterTransaction:
    case PageForm::kInTransaction:
      return PageScope::kAll;
    case PageForm::kRestOfTransaction:
    case PageForm::kNextCommands:
      return PageScope::kTransaction;
    case PageForm::kInCommand:
      return PageScope::kCommand;
  }
  return PageScope::kAll;
}

std::string page_statement(const CaptureInstance& instance, PageForm form, bool null_command) {
  std::string sql =
      "DECLARE @reach binary(10) = (SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping);\n"
      "SELECT TOP (?) " +
      selected_columns(instance) + " FROM " + instance.change_table() + " AS c WHERE ";
  switch (form) {
    case PageForm::kAfterTransaction:
      sql += "c.[__$start_lsn] > ? AND c.[__$start_lsn] <= ?";
      break;
    case PageForm::kInTransaction:
      sql += "c.[__$start_lsn] >= ? AND c.[__$start_lsn] <= ? AND (c.[__$start_lsn] > ? OR " +
             after_key(instance, null_command) + ")";
      break;
    case PageForm::kRestOfTransaction:
      sql +=
          instance.has_command_id
              ? "c.[__$start_lsn] = ? AND c.[__$command_id] >= ? AND (c.[__$command_id] > ? OR " +
                    std::string(kAfterSequence) + ")"
              : "c.[__$start_lsn] = ? AND c.[__$seqval] >= ?"
                " AND (c.[__$seqval] > ? OR c.[__$operation] > ?)";
      break;
    case PageForm::kNextCommands:
      sql += "c.[__$start_lsn] = ? AND c.[__$command_id] > ?";
      break;
    case PageForm::kInCommand:
      sql +=
          "c.[__$start_lsn] = ? AND c.[__$command_id] = ? AND c.[__$seqval] >= ?"
          " AND (c.[__$seqval] > ? OR c.[__$operation] > ?)";
      break;
  }
  sql += order(instance) + ";\nSELECT @@ROWCOUNT, @reach, " + kInstanceState;
  return sql;
}

std::vector<BindValue> page_values(const CaptureInstance& instance, PageForm form,
                                   const ChangeKey& after, Lsn to, uint32_t rows) {
  const auto lsn = [](Lsn value) { return BindValue::of(value); };
  const auto number = [](int32_t value) { return BindValue::of(value); };
  std::vector<BindValue> values{number(static_cast<int32_t>(rows))};
  const auto add = [&values](std::initializer_list<BindValue> more) {
    values.insert(values.end(), more);
  };
  switch (form) {
    case PageForm::kAfterTransaction:
      add({lsn(after.commit), lsn(to)});
      break;
    case PageForm::kInTransaction:
      add({lsn(after.commit), lsn(to), lsn(after.commit)});
      if (instance.has_command_id && after.command >= 0) {
        add({number(after.command), number(after.command), lsn(after.sequence),
             number(after.command), lsn(after.sequence), number(after.operation)});
      } else {
        add({lsn(after.sequence), lsn(after.sequence), number(after.operation)});
      }
      break;
    case PageForm::kRestOfTransaction:
      add({lsn(after.commit)});
      if (instance.has_command_id) {
        add({number(after.command), number(after.command), lsn(after.sequence), lsn(after.sequence),
             number(after.operation)});
      } else {
        add({lsn(after.sequence), lsn(after.sequence), number(after.operation)});
      }
      break;
    case PageForm::kNextCommands:
      add({lsn(after.commit), number(after.command)});
      break;
    case PageForm::kInCommand:
      add({lsn(after.commit), number(after.command), lsn(after.sequence), lsn(after.sequence),
           number(after.operation)});
      break;
  }
  add({number(instance.object_id), number(instance.object_id)});
  return values;
}

std::string instance_state_statement() { return std::string("SELECT ") + kInstanceState; }

std::string definitions_statement() {
  return "SELECT ddl_lsn, ddl_time, ddl_command FROM cdc.ddl_history"
         " WHERE object_id = ? AND ddl_lsn > ? ORDER BY ddl_lsn;";
}

std::string gap_statement() {
  // Both times are the server's local ones.
  return "SELECT TOP (2) start_lsn, CASE WHEN tran_end_time >= (SELECT create_date FROM"
         " cdc.change_tables WHERE object_id = ?) THEN 1 ELSE 0 END FROM cdc.lsn_time_mapping"
         " WHERE start_lsn >= ? ORDER BY start_lsn;";
}

std::string times_statement() {
  return "SELECT TOP (?) start_lsn, tran_end_time FROM cdc.lsn_time_mapping"
         " WHERE start_lsn >= ? AND start_lsn <= ? ORDER BY start_lsn;";
}

}  // namespace dstream::sqlserver
