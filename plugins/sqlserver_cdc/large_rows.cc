// Pages of tables that have values of no fixed size.
#include <algorithm>
#include <string_view>

#include "plugins/sqlserver_cdc/change_queries.h"

namespace dstream::sqlserver {
namespace {

// Rows of a chunk, and the memory after which a chunk and a page end: a page is given on sooner,
// and the stream asks for fewer rows next.
constexpr size_t kChunkRowsMax = 64;
constexpr size_t kChunkBytes = 256 << 10;
constexpr size_t kPageBytes = 4 << 20;

std::string_view mask_of(const FetchedColumn& column) {
  const SQLLEN length = column.lengths[0];
  if (length == SQL_NULL_DATA) {
    return {};
  }
  if (length < 0 || static_cast<size_t>(length) > column.type->width) {
    throw BadValue("an update mask was cut");
  }
  return {reinterpret_cast<const char*>(column.values), static_cast<size_t>(length)};
}

}  // namespace

bool ChangeQueries::read_large_rows(Statement& statement, const CatalogTable& table,
                                    const PageRequest& request, PageAnswer& answer) {
  BlockReader reader(statement, result_columns(table.instance), 1, buffers_);
  ChangeKey last = request.after;
  bool more = reader.next() > 0;
  while (more) {
    if (answer.bytes >= kPageBytes) {
      return false;
    }
    ChunkPointer chunk;
    try {
      chunk = decode_large_rows(statement, reader, table, request, last, &more);
    } catch (const BadValue& bad) {
      throw SourceError(DSTREAM_FATAL, statement.doing() + " failed: " + bad.what() + '.');
    }
    answer.bytes += chunk->arena.held();
    answer.rows += chunk->rows.size();
    answer.chunks.push_back(std::move(chunk));
  }
  return true;
}

// The current row and those after it. *more is set to whether there is one after the last.
ChunkPointer ChangeQueries::decode_large_rows(Statement& statement, BlockReader& reader,
                                              const CatalogTable& table, const PageRequest& request,
                                              ChangeKey& last, bool* more) {
  const CaptureInstance& instance = table.instance;
  const std::vector<CapturedColumn>& columns = instance.description.columns;
  const std::vector<size_t> fetched = fetched_columns(instance);
  const KeyColumns key_columns(reader, instance);
  const size_t mask_column = key_columns.count();
  const size_t row_size = columns.size() * sizeof(dstream_value);
  auto chunk = std::make_shared<Chunk>(
      pool_, kChunkRowsMax * row_size + std::min(row_bytes_[request.table], kChunkBytes));
  auto* values = static_cast<dstream_value*>(chunk->arena.allocate(kChunkRowsMax * row_size));
  chunk->rows.reserve(kChunkRowsMax);
  do {
    const ChangeKey key = next_key(key_columns, 0, request, &last);
    const std::string_view mask = mask_of(reader.column(mask_column));
    for (size_t i = 0; i < columns.size(); ++i) {
      values[i] = {};
      values[i].type = DSTREAM_ABSENT;
    }
    size_t at = mask_column + 1;
    for (const size_t index : fetched) {
      const ColumnType& type = columns[index].type;
      dstream_value& value = values[index];
      if (type.large == Large::kNo) {
        decode_column(reader.column(at++), 1, &value, 1, chunk->arena);
        continue;
      }
      value = large_values_.read(statement, static_cast<SQLUSMALLINT>(++at), type,
                                 columns[index].name, chunk->arena);
      if (value.type == DSTREAM_NULL && is_not_logged(type.large, key.operation, mask, index)) {
        value.type = DSTREAM_ABSENT;
      }
    }
    chunk->rows.push_back({key, values});
    values += columns.size();
    *more = reader.next() > 0;
  } while (*more && chunk->rows.size() < kChunkRowsMax && chunk->arena.used() < kChunkBytes);
  row_bytes_[request.table] = chunk->arena.used() / chunk->rows.size();
  return chunk;
}

}  // namespace dstream::sqlserver
