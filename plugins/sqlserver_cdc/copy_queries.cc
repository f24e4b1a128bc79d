#include "plugins/sqlserver_cdc/copy_queries.h"

#include <algorithm>

#include "plugins/sqlserver_cdc/copy_key.h"

namespace dstream::sqlserver {
namespace {

// Memory after which a chunk with large values ends: the stream asks for fewer rows next.
constexpr size_t kLargeChunkBytes = 4 << 20;
constexpr int64_t kSecondsTo2000 = 946'684'800;
constexpr int32_t kLockTimeout = 1222;
constexpr int32_t kDeadlockVictim = 1205;

std::string doing(const CatalogTable& table) {
  return "Copying " + table.instance.description.table.text();
}

// What follows the rows: proof that all of them arrived, and when they were read.
void finish(Statement& statement, size_t rows, ChunkAnswer& answer) {
  int64_t sent = -1;
  int64_t seconds = 0;
  if (!statement.next_result() || !statement.next_row()) {
    throw SourceError(DSTREAM_RETRY, statement.doing() + " failed: the answer was cut short.");
  }
  statement.get_int(1, &sent);
  statement.get_text(2, &answer.read_at);
  statement.get_int(3, &seconds);
  read_to_the_end(statement);
  if (sent != static_cast<int64_t>(rows)) {
    throw SourceError(DSTREAM_RETRY, statement.doing() + " failed: " + std::to_string(rows) +
                                         " rows arrived of " + std::to_string(sent) +
                                         " sent. They are read again.");
  }
  answer.read_time_ns = (kSecondsTo2000 + seconds) * 1'000'000'000;
}

}  // namespace

bool can_copy_by_key(const TableDescription& description) {
  return !description.key.empty() &&
         std::all_of(description.key.begin(), description.key.end(), [&](uint32_t index) {
           const CapturedColumn& column = description.columns[index];
           return !column.nullable && can_be_key_type(column.type);
         });
}

std::vector<std::string> key_columns(const TableDescription& description) {
  std::vector<std::string> columns;
  if (can_copy_by_key(description)) {
    for (const uint32_t index : description.key) {
      const CapturedColumn& column = description.columns[index];
      columns.push_back(column.name + ' ' + column.type.source_type +
                        (column.collation.empty() ? "" : ' ' + column.collation));
    }
  }
  return columns;
}

// The one statement that reads a table without a key, between two requests.
struct CopyQueries::OpenTable {
  uint32_t table = 0;
  uint64_t id = 0;
  std::unique_ptr<Statement> statement;
  BlockBuffers buffers;
  std::unique_ptr<BlockReader> reader;
  size_t rows = 0;
};

CopyQueries::CopyQueries(Connection& connection, const Catalog& catalog,
                         std::shared_ptr<SlabPool> pool, size_t value_bytes_max)
    : connection_(connection),
      catalog_(catalog),
      pool_(std::move(pool)),
      large_values_(value_bytes_max) {
  int64_t allowed = 0;
  int64_t versioned = 0;
  {
    Statement statement(connection_,
                        "SELECT snapshot_isolation_state, is_read_committed_snapshot_on"
                        " FROM sys.databases WHERE name = DB_NAME()",
                        {}, "Looking at the isolation of the database");
    if (statement.next_row()) {
      statement.get_int(1, &allowed);
      statement.get_int(2, &versioned);
    }
    read_to_the_end(statement);
  }
  takes_locks_ = allowed != 1 && versioned == 0 && !connection_.read_only();
  const char* isolation = allowed == 1 ? "SET TRANSACTION ISOLATION LEVEL SNAPSHOT;" : "";
  // A writer that keeps a row locked must not keep the stream waiting.
  Statement(connection_, std::string(isolation) + "SET LOCK_TIMEOUT 1000;", {},
            "Setting the isolation level");
}

CopyQueries::~CopyQueries() = default;

std::optional<uint32_t> CopyQueries::open_table() const {
  return open_ == nullptr ? std::nullopt : std::optional(open_->table);
}

void CopyQueries::forget_open_table() { open_.reset(); }

bool CopyQueries::has_reached(const CopyRequest& request) {
  const auto* chunk = std::get_if<ChunkRequest>(&request);
  const bool begins = chunk != nullptr && (!chunk->whole || chunk->from_start);
  if (!begins || !connection_.read_only() || chunk->low <= reach_) {
    return true;
  }
  open_.reset();
  Statement statement(connection_, "SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping", {},
                      "Looking at how far the replica is");
  if (statement.next_row()) {
    statement.get_lsn(1, &reach_);
  }
  read_to_the_end(statement);
  return chunk->low <= reach_;
}

CopyAnswer CopyQueries::run(const CopyRequest& request) {
  if (const auto* asked = std::get_if<ChunkRequest>(&request)) {
    try {
      return asked->whole ? whole(*asked) : chunk(*asked);
    } catch (const SourceError& error) {
      const bool passing =
          error.vendor_code == kLockTimeout || error.vendor_code == kDeadlockVictim;
      if (!passing || asked->whole) {
        throw;
      }
      ChunkAnswer answer;
      answer.table = asked->table;
      answer.id = asked->id;
      answer.locked = true;
      return answer;
    }
  }
  if (const auto* asked = std::get_if<BoundaryRequest>(&request)) {
    return boundary(*asked);
  }
  return estimate(std::get<EstimateRequest>(request));
}

const CopySource& CopyQueries::source_of(uint32_t table) {
  const auto at = sources_.find(table);
  return at != sources_.end() ? at->second : sources_.emplace(table, describe(table)).first->second;
}

CopySource CopyQueries::describe(uint32_t table) {
  const TableDescription& description = catalog_.tables[table].instance.description;
  const CaptureInstance& instance = catalog_.tables[table].instance;
  struct Column {
    std::string name;
    std::string collation;
  };
  std::map<int32_t, Column> columns;  // by id: another one may have the name of a captured one
  {
    Statement statement(
        connection_,
        "SELECT column_id, name, collation_name FROM sys.columns"
        " WHERE object_id = ? AND object_id = OBJECT_ID(?)",
        {BindValue::of(instance.source_object_id), BindValue::of(description.table.quoted())},
        doing(catalog_.tables[table]));
    while (statement.next_row()) {
      int64_t id = 0;
      Column column;
      statement.get_int(1, &id);
      statement.get_text(2, &column.name);
      statement.get_text(3, &column.collation);
      columns[static_cast<int32_t>(id)] = std::move(column);
    }
  }
  if (columns.empty()) {
    throw SourceError(DSTREAM_REOPEN, description.table.text() +
                                          " was dropped or renamed while it was being copied.");
  }
  CopySource source;
  source.table = description.table.quoted();
  for (const size_t index : fetched_columns(instance)) {
    const CapturedColumn& captured = description.columns[index];
    const auto column = columns.find(captured.column_id);
    if (column != columns.end()) {  // else dropped since it was captured: ABSENT
      source.columns.push_back(index);
      source.names.push_back(
          select_term(captured.type.select, quote_identifier(column->second.name)));
    }
  }
  if (can_copy_by_key(description)) {
    for (const uint32_t index : description.key) {
      const CapturedColumn& column = description.columns[index];
      const Column& now = columns[column.column_id];
      source.key.push_back("c." + quote_identifier(now.name));
      source.parameters.push_back(key_parameter(column.type, now.collation));
    }
  }
  return source;
}

bool CopyQueries::has_large(uint32_t table) {
  const auto& columns = catalog_.tables[table].instance.description.columns;
  const std::vector<size_t>& read = source_of(table).columns;
  return std::any_of(read.begin(), read.end(),
                     [&](size_t index) { return columns[index].type.large != Large::kNo; });
}

std::vector<const ColumnType*> CopyQueries::result_types(uint32_t table) {
  const auto& columns = catalog_.tables[table].instance.description.columns;
  std::vector<const ColumnType*> types;
  for (const size_t index : source_of(table).columns) {
    if (columns[index].type.large == Large::kNo) {
      types.push_back(&columns[index].type);
    }
  }
  return types;
}

ChunkAnswer CopyQueries::chunk(const ChunkRequest& request) {
  const CopySource& source = source_of(request.table);
  ChunkAnswer answer;
  answer.table = request.table;
  answer.id = request.id;
  Statement statement(connection_,
                      chunk_statement(source, !request.after.empty(), !request.upto.empty()),
                      chunk_values(request), doing(catalog_.tables[request.table]));
  bool whole = false;
  {
    BlockReader reader(statement, result_types(request.table),
                       has_large(request.table) ? 1 : request.rows, buffers_);
    whole = read_rows(statement, reader, request.table, request.rows + 1, answer);
  }
  if (whole) {
    finish(statement, answer.rows, answer);
  }
  answer.complete = whole && answer.rows < request.rows;
  return answer;
}

ChunkAnswer CopyQueries::whole(const ChunkRequest& request) {
  ChunkAnswer answer;
  answer.table = request.table;
  answer.id = request.id;
  if (request.from_start && (open_ == nullptr || open_->id < request.statement)) {
    open_.reset();
    auto open = std::make_unique<OpenTable>();
    open->table = request.table;
    open->id = request.statement;
    open->statement = std::make_unique<Statement>(
        connection_, whole_statement(source_of(request.table)), std::vector<BindValue>{},
        doing(catalog_.tables[request.table]));
    open->reader =
        std::make_unique<BlockReader>(*open->statement, result_types(request.table),
                                      has_large(request.table) ? 1 : request.rows, open->buffers);
    open_ = std::move(open);
  }
  if (open_ == nullptr || open_->id != request.statement) {
    answer.locked = true;  // of a copy that was begun anew, or there was a failure to tell of
    return answer;
  }
  try {
    answer.complete =
        read_rows(*open_->statement, *open_->reader, request.table, request.rows, answer);
    open_->rows += answer.rows;
    if (answer.complete) {
      open_->reader.reset();
      finish(*open_->statement, open_->rows, answer);
      open_.reset();
    }
  } catch (const SourceError&) {
    open_.reset();
    throw;
  }
  return answer;
}

bool CopyQueries::read_rows(Statement& statement, BlockReader& reader, uint32_t table,
                            size_t rows_max, ChunkAnswer& answer) {
  const bool large = has_large(table);
  while (answer.rows < rows_max && (!large || answer.bytes < kLargeChunkBytes)) {
    const size_t rows = reader.next();
    if (rows == 0) {
      return true;
    }
    ChunkPointer chunk;
    try {
      chunk =
          large ? decode_large_row(statement, reader, table) : decode_block(reader, table, rows);
    } catch (const BadValue& bad) {
      throw SourceError(DSTREAM_FATAL, statement.doing() + " failed: " + bad.what() + '.');
    }
    answer.bytes += chunk->arena.held();
    answer.rows += rows;
    answer.chunks.push_back(std::move(chunk));
  }
  return false;
}

ChunkPointer CopyQueries::decode_block(BlockReader& reader, uint32_t table, size_t rows) {
  const auto& columns = catalog_.tables[table].instance.description.columns;
  const std::vector<size_t>& read = source_of(table).columns;
  const size_t values_size = rows * columns.size() * sizeof(dstream_value);
  size_t& row_bytes = row_bytes_[table];
  auto chunk = std::make_shared<Chunk>(pool_, std::max(rows * row_bytes, values_size + 64));
  auto* values = static_cast<dstream_value*>(chunk->arena.allocate(values_size));
  for (size_t i = 0; i < rows * columns.size(); ++i) {
    values[i] = {};
    values[i].type = DSTREAM_ABSENT;
  }
  chunk->rows.resize(rows);
  for (size_t row = 0; row < rows; ++row) {
    chunk->rows[row].values = values + row * columns.size();
  }
  for (size_t i = 0; i < read.size(); ++i) {
    decode_column(reader.column(i), rows, values + read[i], columns.size(), chunk->arena);
  }
  row_bytes = chunk->arena.used() / rows * 17 / 16 + 1;
  return chunk;
}

ChunkPointer CopyQueries::decode_large_row(Statement& statement, BlockReader& reader,
                                           uint32_t table) {
  const auto& columns = catalog_.tables[table].instance.description.columns;
  const size_t values_size = columns.size() * sizeof(dstream_value);
  auto chunk = std::make_shared<Chunk>(pool_, std::max(row_bytes_[table], values_size + 64));
  auto* values = static_cast<dstream_value*>(chunk->arena.allocate(values_size));
  for (size_t i = 0; i < columns.size(); ++i) {
    values[i] = {};
    values[i].type = DSTREAM_ABSENT;
  }
  size_t bound = 0;
  size_t number = 0;
  for (const size_t index : source_of(table).columns) {
    const ColumnType& type = columns[index].type;
    ++number;
    if (type.large == Large::kNo) {
      decode_column(reader.column(bound++), 1, values + index, 1, chunk->arena);
    } else {
      values[index] = large_values_.read(statement, static_cast<SQLUSMALLINT>(number), type,
                                         columns[index].name, chunk->arena);
    }
  }
  chunk->rows.push_back({{}, values});
  row_bytes_[table] = chunk->arena.used();
  return chunk;
}

BoundaryAnswer CopyQueries::boundary(const BoundaryRequest& request) {
  const CatalogTable& table = catalog_.tables[request.table];
  const TableDescription& description = table.instance.description;
  BoundaryAnswer answer;
  answer.table = request.table;
  answer.id = request.id;
  Statement statement(connection_,
                      boundary_statement(source_of(request.table), !request.after.empty()),
                      boundary_values(request), doing(table));
  std::vector<const ColumnType*> types;
  for (const uint32_t index : description.key) {
    types.push_back(&description.columns[index].type);
  }
  BlockReader reader(statement, types, 1, buffers_);
  Arena arena(pool_, SlabPool::kSizeMin);
  while (reader.next() > 0) {
    for (size_t i = 0; i < types.size(); ++i) {
      dstream_value value{};
      decode_column(reader.column(i), 1, &value, 1, arena);
      answer.key.push_back(key_text(value));
    }
  }
  return answer;
}

EstimateAnswer CopyQueries::estimate(const EstimateRequest& request) {
  EstimateAnswer answer;
  answer.table = request.table;
  Statement statement(connection_,
                      "SELECT SUM(rows) FROM sys.partitions WHERE object_id = OBJECT_ID(?)"
                      " AND index_id IN (0, 1)",
                      {BindValue::of(source_of(request.table).table)},
                      doing(catalog_.tables[request.table]));
  int64_t rows = 0;
  if (statement.next_row()) {
    statement.get_int(1, &rows);
  }
  read_to_the_end(statement);
  answer.rows = static_cast<uint64_t>(std::max<int64_t>(rows, 0));
  return answer;
}

}  // namespace dstream::sqlserver
