// The part of a probe that tells what has become of the capture instances themselves.
#include <map>
#include <string>

#include "plugins/sqlserver_cdc/change_queries.h"
#include "plugins/sqlserver_cdc/instances.h"

namespace dstream::sqlserver {
namespace {

constexpr size_t kStatementBytesMax = DSTREAM_MAX_VALUE;  // more than the server takes by default

}  // namespace

void refuse_dropped(const CaptureInstance& instance) {
  throw SourceError(DSTREAM_REOPEN, "Capture instance " + instance.name + " of " +
                                        instance.description.table.text() + " was dropped.");
}

void ChangeQueries::read_definitions(Statement& statement, ProbeAnswer& answer) {
  std::map<int64_t, Lsn> newest;
  while (statement.next_row()) {
    int64_t object_id = 0;
    Lsn lsn;
    statement.get_int(1, &object_id);
    statement.get_lsn(2, &lsn);
    newest[object_id] = lsn;
  }
  const std::vector<uint32_t>& group = groups_[answer.group];
  for (size_t i = 0; i < group.size(); ++i) {
    if (const auto at = newest.find(catalog_.tables[group[i]].instance.object_id);
        at != newest.end()) {
      answer.tables[i].newest_definition = at->second;
    }
  }
}

void ChangeQueries::read_instances(Statement& statement, ProbeAnswer& answer) {
  std::vector<InstanceRow> instances;
  std::map<int64_t, TableName> names;
  while (statement.next_row()) {
    InstanceRow& instance = instances.emplace_back();
    statement.get_int(1, &instance.object_id);
    statement.get_lsn(2, &instance.start);
    statement.get_int(3, &instance.source_object_id);
    TableName& name = names[instance.object_id];
    statement.get_text(4, &name.schema);
    statement.get_text(5, &name.table);
  }
  const std::map<int64_t, InstanceBounds> bounds = bounds_of(instances);
  const std::vector<uint32_t>& group = groups_[answer.group];
  for (size_t i = 0; i < group.size(); ++i) {
    const CaptureInstance& read = catalog_.tables[group[i]].instance;
    TableProbe& probe = answer.tables[i];
    const auto at = bounds.find(read.object_id);
    if (at == bounds.end()) {
      refuse_dropped(read);
    }
    probe.low = at->second.start;
    if (!read.is_final) {
      probe.successor = at->second.successor;
    }
    probe.older_gone = at->second.is_oldest;
    // NULL where the login may not see the table.
    const TableName& name = names[read.object_id];
    if (!name.table.empty() && name != read.description.table) {
      probe.renamed_to = name.text();
    }
  }
}

void ChangeQueries::ask_definitions(const ProbeRequest& request, ProbeAnswer& answer) {
  const std::vector<uint32_t>& group = groups_[answer.group];
  LargeValueReader reader(kStatementBytesMax);
  for (size_t i = 0; i < group.size(); ++i) {
    TableProbe& probe = answer.tables[i];
    if (probe.newest_definition <= request.told[i]) {
      continue;
    }
    const CaptureInstance& instance = catalog_.tables[group[i]].instance;
    Statement statement(connection_, definitions_statement(),
                        {BindValue::of(instance.object_id), BindValue::of(request.told[i])},
                        "Reading the DDL of " + instance.description.table.text());
    while (statement.next_row()) {
      Definition definition;
      SQL_TIMESTAMP_STRUCT local{};
      statement.get_lsn(1, &definition.lsn);
      if (statement.get_timestamp(2, &local)) {
        definition.time_ns = utc_ns(local);
      }
      reader.read_text(statement, 3, "ddl_command", &definition.statement);
      probe.definitions.push_back(std::move(definition));
    }
    read_to_the_end(statement);
  }
}

}  // namespace dstream::sqlserver
