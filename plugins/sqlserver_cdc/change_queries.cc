#include "plugins/sqlserver_cdc/change_queries.h"

#include <algorithm>
#include <cstring>

#include "plugins/sqlserver_cdc/fetched_values.h"
#include "plugins/sqlserver_cdc/gap.h"
#include "plugins/sqlserver_cdc/utf16.h"

namespace dstream::sqlserver {
namespace {

// Commit times of one answer: enough for most polls, 100 KB at most.
constexpr int32_t kTimesMax = 4096;

const ColumnType kMaskColumn = {
    Fetch::kBytes, DSTREAM_BYTES, "varbinary(128)", 0, 0, SQL_C_BINARY, 128};
const ColumnType kTimeColumn = {Fetch::kTimestamp,    DSTREAM_TIMESTAMP,           "datetime", 0, 3,
                                SQL_C_TYPE_TIMESTAMP, sizeof(SQL_TIMESTAMP_STRUCT)};

[[noreturn]] void refuse_incomplete(const std::string& doing, const std::string& why) {
  throw SourceError(DSTREAM_RETRY, doing + " failed: " + why + " It is read again.");
}

// Rows that were converted to types that are no longer those of the change table may have lost
// something on their way.
void refuse_altered(const CaptureInstance& instance, const InstanceState& state) {
  if (state.altered > instance.definition) {
    throw SourceError(DSTREAM_REOPEN, "Capture instance " + instance.name + " of " +
                                          instance.description.table.text() +
                                          " was altered; its columns are read again.");
  }
}

struct PageEnd {
  Lsn reach;            // committed maximum, before the rows
  InstanceState state;  // after them
};

// Reads what follows the rows of a page. The server's own count proves that the result was not cut
// short by an error that looked like its end.
PageEnd prove_whole(Statement& statement, const CaptureInstance& instance, size_t rows) {
  if (!statement.next_result() || !statement.next_row()) {
    refuse_dropped(instance);
  }
  int64_t server_rows = -1;
  PageEnd end;
  statement.get_int(1, &server_rows);
  statement.get_lsn(2, &end.reach);
  statement.get_lsn(3, &end.state.low);
  statement.get_lsn(4, &end.state.altered);
  read_to_the_end(statement);
  if (server_rows != static_cast<int64_t>(rows)) {
    refuse_incomplete(statement.doing(), std::to_string(rows) + " rows arrived of " +
                                             std::to_string(server_rows) + " sent.");
  }
  return end;
}

}  // namespace

std::vector<const ColumnType*> result_columns(const CaptureInstance& instance) {
  std::vector<const ColumnType*> types{&kLsnColumn};
  if (instance.has_command_id) {
    types.push_back(&kIntColumn);
  }
  types.push_back(&kLsnColumn);
  types.push_back(&kIntColumn);
  if (instance.description.has_large()) {
    types.push_back(&kMaskColumn);
  }
  for (const size_t index : fetched_columns(instance)) {
    const CapturedColumn& column = instance.description.columns[index];
    if (column.type.large == Large::kNo) {
      types.push_back(column.sent ? &*column.sent : &column.type);
    }
  }
  return types;
}

ChangeQueries::ChangeQueries(Connection& connection, const Catalog& catalog,
                             std::vector<std::vector<uint32_t>> groups,
                             std::shared_ptr<SlabPool> pool, size_t value_bytes_max,
                             std::shared_ptr<MaskOrderLearner> mask_order)
    : connection_(connection),
      catalog_(catalog),
      groups_(std::move(groups)),
      pool_(std::move(pool)),
      large_values_(value_bytes_max),
      mask_order_(std::move(mask_order)) {
  row_bytes_.resize(catalog_.tables.size());
  bounds_.resize(catalog_.tables.size());
  for (const auto& group : groups_) {
    std::vector<const CaptureInstance*> instances;
    instances.reserve(group.size());
    for (const uint32_t index : group) {
      instances.push_back(&catalog_.tables[index].instance);
    }
    probe_statements_.push_back(probe_statement(instances));
  }
}

FetchAnswer ChangeQueries::run(const FetchRequest& request) {
  if (const auto* asked = std::get_if<ProbeRequest>(&request)) {
    return probe(*asked);
  }
  if (const auto* asked = std::get_if<PageRequest>(&request)) {
    return page(*asked);
  }
  if (const auto* asked = std::get_if<TimesRequest>(&request)) {
    return times(*asked);
  }
  if (const auto* asked = std::get_if<SettleRequest>(&request)) {
    return has_settled(*asked);
  }
  return scans();
}

ProbeAnswer ChangeQueries::probe(const ProbeRequest& request) {
  const std::vector<uint32_t>& group = groups_[request.group];
  ProbeAnswer answer;
  answer.group = request.group;
  answer.tables.resize(group.size());
  const std::string& sql = probe_statements_[request.group];
  Statement statement(connection_, request.asks_names ? sql + names_statement() : sql,
                      {BindValue::of(kTimesMax), BindValue::of(request.times_from)},
                      "Looking for changes");
  const auto expect = [&statement](bool there) {
    if (!there) {
      refuse_incomplete(statement.doing(), "a part of the answer is missing.");
    }
  };
  expect(statement.next_row());
  read_bounds(statement, answer);
  read_to_the_end(statement);

  size_t seen = 0;
  for (size_t part = 0; part < probe_parts(group.size()); ++part) {
    expect(statement.next_result());
    seen += read_newest(statement, answer);
  }
  expect(seen == group.size());

  expect(statement.next_result());
  answer.times = read_times(statement, 64);
  answer.times_complete = answer.times.size() < static_cast<size_t>(kTimesMax);
  expect(answer.times_complete || answer.times.back().commit >= request.times_from);

  expect(statement.next_result());
  read_definitions(statement, answer);
  expect(statement.next_result());
  read_instances(statement, answer);
  if (request.asks_names) {
    expect(statement.next_result());
    read_names(statement, answer);
  }
  // Only now: proving that a gap is none needs the connection for itself.
  while (statement.next_result()) {
    read_to_the_end(statement);
  }
  ask_definitions(request, answer);
  for (size_t i = 0; i < group.size(); ++i) {
    try {
      check_gap(catalog_.tables[group[i]], request.complete[i], answer.tables[i].low);
    } catch (const SourceError& error) {
      if (error.status != DSTREAM_DATA_LOSS || !request.reports_gaps) {
        throw;
      }
      answer.tables[i].gap = error.what();
    }
  }
  return answer;
}

void ChangeQueries::read_bounds(Statement& statement, ProbeAnswer& answer) {
  statement.get_lsn(1, &answer.max);
  statement.get_int(2, &server_offset_minutes_);
  answer.utc_offset_ns = server_offset_minutes_ * 60 * 1'000'000'000;
  SQL_TIMESTAMP_STRUCT local{};
  if (statement.get_timestamp(3, &local)) {
    answer.server_time_ns = utc_ns(local);
  }
  if (statement.get_timestamp(4, &local)) {
    answer.newest_time_ns = utc_ns(local);
  }
}

PageAnswer ChangeQueries::page(const PageRequest& asked) {
  const CatalogTable& table = catalog_.tables[asked.table];
  const CaptureInstance& instance = table.instance;
  PageRequest request = asked;
  if (instance.description.has_large()) {
    request.rows = std::min(asked.rows, large_rows_max(asked));
  }
  const PageForm form = page_form(instance, request.after, request.scope);
  if (instance.description.has_large() && mask_order_->is_to_be_asked()) {
    ask_mask_order();
  }
  PageAnswer answer;
  answer.table = request.table;
  PageEnd end;
  bool whole = true;
  try {
    Statement statement(connection_, page_statement(instance, form, request.after.command < 0),
                        page_values(instance, form, request.after, request.to, request.rows),
                        "Reading the changes of " + instance.description.table.text());
    if (instance.description.has_large()) {
      whole = read_large_rows(statement, table, request, answer);
    } else {
      read_rows(statement, table, request, answer);
    }
    if (whole) {
      end = prove_whole(statement, instance, answer.rows);
    }
  } catch (const SourceError& error) {
    if (error.status == DSTREAM_FATAL && !connection_.dead()) {
      refuse_altered(instance, instance_state(instance));  // values that no longer fit
    }
    throw;
  }
  if (!whole) {
    end.state = instance_state(instance);
  }
  if (whole && end.reach < request.to) {
    // Whether more follows cannot be told from here (I5).
    PageAnswer behind;
    behind.table = request.table;
    behind.behind = true;
    return behind;
  }
  refuse_altered(instance, end.state);
  // After the read: cleanup raises the low end point before it deletes.
  check_gap(table, request.after, end.state.low);
  if (whole && answer.rows < request.rows) {
    answer.ended = scope_of(form);
    answer.complete = answer.ended == PageScope::kAll;
  }
  return answer;
}

InstanceState ChangeQueries::instance_state(const CaptureInstance& instance) {
  Statement statement(connection_, instance_state_statement(),
                      {BindValue::of(instance.object_id), BindValue::of(instance.object_id)},
                      "Looking for a gap");
  if (!statement.next_row()) {
    refuse_dropped(instance);
  }
  InstanceState state;
  statement.get_lsn(1, &state.low);
  statement.get_lsn(2, &state.altered);
  read_to_the_end(statement);
  return state;
}

void ChangeQueries::read_rows(Statement& statement, const CatalogTable& table,
                              const PageRequest& request, PageAnswer& answer) {
  BlockReader reader(statement, result_columns(table.instance), request.rows, buffers_);
  ChangeKey last = request.after;
  while (const size_t rows = reader.next()) {
    ChunkPointer chunk;
    try {
      chunk = decode_block(reader, table, rows, request, last);
    } catch (const BadValue& bad) {
      throw SourceError(DSTREAM_FATAL, statement.doing() + " failed: " + bad.what() + '.');
    }
    answer.bytes += chunk->arena.held();
    answer.rows += rows;
    answer.chunks.push_back(std::move(chunk));
  }
  const SQLLEN counted = reader.driver_count();
  if (counted >= 0 && static_cast<size_t>(counted) != answer.rows) {
    refuse_incomplete(statement.doing(), std::to_string(answer.rows) + " rows arrived of " +
                                             std::to_string(counted) + " announced.");
  }
}

ChunkPointer ChangeQueries::decode_block(BlockReader& reader, const CatalogTable& table,
                                         size_t rows, const PageRequest& request, ChangeKey& last) {
  const CaptureInstance& instance = table.instance;
  const std::vector<CapturedColumn>& columns = instance.description.columns;
  const size_t values_size = rows * columns.size() * sizeof(dstream_value);
  size_t& row_bytes = row_bytes_[request.table];
  auto chunk = std::make_shared<Chunk>(pool_, std::max(rows * row_bytes, values_size + 64));
  auto* values = static_cast<dstream_value*>(chunk->arena.allocate(values_size));

  const KeyColumns key_columns(reader, instance);
  chunk->rows.resize(rows);
  for (size_t row = 0; row < rows; ++row) {
    chunk->rows[row] = {next_key(key_columns, row, request, &last), values + row * columns.size()};
  }
  size_t at = key_columns.count();
  for (size_t i = 0; i < columns.size(); ++i) {
    FetchedColumn fetched{&columns[i].type, nullptr, nullptr};
    if (columns[i].type.fetch != Fetch::kAbsent) {
      fetched = reader.column(at++);
    }
    decode_column(fetched, rows, values + i, columns.size(), chunk->arena);
  }
  // A little more than now, so that the next block fits into one slab.
  row_bytes = chunk->arena.used() / rows * 17 / 16 + 1;
  return chunk;
}

ChangeKey ChangeQueries::next_key(const KeyColumns& columns, size_t row, const PageRequest& request,
                                  ChangeKey* last) {
  ChangeKey key;
  key.commit = lsn_at(columns.commit, row, columns.table);
  key.command = columns.has_command ? int_at(columns.command, row, -1) : 0;
  key.sequence = lsn_at(columns.sequence, row, columns.table);
  key.operation = int_at(columns.operation, row, 0);
  if (key <= *last || key.commit > request.to) {
    throw SourceError(DSTREAM_FATAL, "The change table of " + columns.table +
                                         " gave rows out of order at commit LSN " +
                                         key.commit.text() + '.');
  }
  *last = key;
  return key;
}

TimesAnswer ChangeQueries::times(const TimesRequest& request) {
  TimesAnswer answer;
  Statement statement(
      connection_, times_statement(),
      {BindValue::of(kTimesMax), BindValue::of(request.from), BindValue::of(request.to)},
      "Reading commit times");
  answer.times = read_times(statement, static_cast<size_t>(kTimesMax));
  answer.covered = answer.times.size() < static_cast<size_t>(kTimesMax)
                       ? request.to
                       : answer.times.back().commit;
  while (statement.next_result()) {
    read_to_the_end(statement);
  }
  return answer;
}

int64_t ChangeQueries::utc_ns(const SQL_TIMESTAMP_STRUCT& local) const {
  const int64_t seconds = days_from_date(local.year, local.month, local.day) * 86400 +
                          local.hour * int64_t{3600} + local.minute * int64_t{60} + local.second -
                          server_offset_minutes_ * 60;
  return seconds * 1'000'000'000 + static_cast<int64_t>(local.fraction);
}

std::vector<TransactionTime> ChangeQueries::read_times(Statement& statement, size_t expected) {
  std::vector<TransactionTime> times;
  BlockReader reader(statement, {&kLsnColumn, &kTimeColumn}, expected, buffers_);
  while (const size_t rows = reader.next()) {
    const FetchedColumn commit = reader.column(0);
    const FetchedColumn ended = reader.column(1);
    for (size_t row = 0; row < rows; ++row) {
      TransactionTime time;
      time.commit = lsn_at(commit, row, statement.doing());
      SQL_TIMESTAMP_STRUCT local{};
      if (ended.lengths[row] != SQL_NULL_DATA) {
        std::memcpy(&local, ended.values + row * sizeof local, sizeof local);
        time.time_ns = utc_ns(local);
      }
      times.push_back(time);
    }
  }
  return times;
}

void ChangeQueries::check_gap(const CatalogTable& table, const ChangeKey& complete, Lsn low) {
  const std::string gap = find_gap(connection_, table.instance, complete, low);
  if (!gap.empty()) {
    throw SourceError(DSTREAM_DATA_LOSS, gap);
  }
}

}  // namespace dstream::sqlserver
