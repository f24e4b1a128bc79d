// The parts of a probe that tell what is new, and what has become of the capture instances.
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "plugins/sqlserver_cdc/change_queries.h"
#include "plugins/sqlserver_cdc/fetched_values.h"
#include "plugins/sqlserver_cdc/instances.h"

namespace dstream::sqlserver {
namespace {

constexpr size_t kStatementBytesMax = DSTREAM_MAX_VALUE;  // more than the server takes by default
constexpr size_t kInstanceRows = 256;                     // of one block; any number may come

}  // namespace

void refuse_dropped(const CaptureInstance& instance) {
  throw SourceError(DSTREAM_REOPEN, "Capture instance " + instance.name + " of " +
                                        instance.description.table.text() + " was dropped.");
}

size_t ChangeQueries::read_newest(Statement& statement, ProbeAnswer& answer) {
  size_t seen = 0;
  BlockReader reader(statement, {&kIntColumn, &kLsnColumn}, answer.tables.size(), buffers_);
  while (const size_t rows = reader.next()) {
    for (size_t row = 0; row < rows; ++row) {
      const int32_t index = int_at(reader.column(0), row, -1);
      if (index < 0 || static_cast<size_t>(index) >= answer.tables.size()) {
        throw SourceError(DSTREAM_FATAL,
                          statement.doing() + " failed: a table that nobody asked for.");
      }
      answer.tables[static_cast<size_t>(index)].newest =
          lsn_or_zero_at(reader.column(1), row, statement.doing());
    }
    seen += rows;
  }
  return seen;
}

void ChangeQueries::read_definitions(Statement& statement, ProbeAnswer& answer) {
  std::vector<std::pair<int32_t, Lsn>> newest;
  BlockReader reader(statement, {&kIntColumn, &kLsnColumn}, kInstanceRows, buffers_);
  while (const size_t rows = reader.next()) {
    for (size_t row = 0; row < rows; ++row) {
      newest.emplace_back(int_at(reader.column(0), row, 0),
                          lsn_or_zero_at(reader.column(1), row, statement.doing()));
    }
  }
  std::sort(newest.begin(), newest.end());
  const std::vector<uint32_t>& group = groups_[answer.group];
  for (size_t i = 0; i < group.size(); ++i) {
    const int32_t object_id = catalog_.tables[group[i]].instance.object_id;
    const auto at = std::lower_bound(newest.begin(), newest.end(), std::pair(object_id, Lsn{}));
    if (at != newest.end() && at->first == object_id) {
      answer.tables[i].newest_definition = at->second;
    }
  }
}

void ChangeQueries::read_instances(Statement& statement, ProbeAnswer& answer) {
  std::vector<InstanceRow> instances;
  instances.reserve(instances_.size());
  {
    BlockReader reader(statement, {&kIntColumn, &kLsnColumn, &kIntColumn}, kInstanceRows, buffers_);
    while (const size_t rows = reader.next()) {
      for (size_t row = 0; row < rows; ++row) {
        instances.push_back({int_at(reader.column(0), row, 0), int_at(reader.column(2), row, 0),
                             lsn_or_zero_at(reader.column(1), row, statement.doing())});
      }
    }
  }
  if (instances != instances_) {
    note_instances(std::move(instances));
  }
  const std::vector<uint32_t>& group = groups_[answer.group];
  for (size_t i = 0; i < group.size(); ++i) {
    const CaptureInstance& read = catalog_.tables[group[i]].instance;
    const std::optional<InstanceBounds>& bounds = bounds_[group[i]];
    if (!bounds) {
      refuse_dropped(read);
    }
    TableProbe& probe = answer.tables[i];
    probe.low = bounds->start;
    if (!read.is_final) {
      probe.successor = bounds->successor;
    }
    probe.older_gone = bounds->is_oldest;
  }
}

// They seldom change: what they mean for each table is kept until they do.
void ChangeQueries::note_instances(std::vector<InstanceRow> rows) {
  const std::map<int64_t, InstanceBounds> bounds = bounds_of(rows);
  for (size_t i = 0; i < bounds_.size(); ++i) {
    const auto at = bounds.find(catalog_.tables[i].instance.object_id);
    bounds_[i] = at == bounds.end() ? std::nullopt : std::optional(at->second);
  }
  instances_ = std::move(rows);
}

void ChangeQueries::read_names(Statement& statement, ProbeAnswer& answer) {
  std::map<int64_t, TableName> names;
  while (statement.next_row()) {
    int64_t object_id = 0;
    statement.get_int(1, &object_id);
    TableName& name = names[object_id];
    statement.get_text(2, &name.schema);
    statement.get_text(3, &name.table);
  }
  const std::vector<uint32_t>& group = groups_[answer.group];
  for (size_t i = 0; i < group.size(); ++i) {
    const CaptureInstance& read = catalog_.tables[group[i]].instance;
    // NULL where the login may not see the table.
    const TableName& name = names[read.object_id];
    if (!name.table.empty() && name != read.description.table) {
      answer.tables[i].renamed_to = name.text();
    }
  }
  answer.has_names = true;
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
