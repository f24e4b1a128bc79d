// Pages of tables that have values of no fixed size.
#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include "plugins/sqlserver_cdc/change_queries.h"

namespace dstream::sqlserver {
namespace {

// Rows of a chunk, and the memory after which a chunk and a page end: a page is given on sooner,
// and the stream asks for fewer rows next.
constexpr size_t kChunkRowsMax = 64;
constexpr size_t kChunkBytes = 256 << 10;
constexpr size_t kPageBytes = 4 << 20;

constexpr int32_t kBefore = 3;  // the images of an update
constexpr int32_t kAfter = 4;

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

bool same_value(const dstream_value& a, const dstream_value& b) {
  if (a.type != b.type) {
    return false;
  }
  switch (a.type) {
    case DSTREAM_NULL:
    case DSTREAM_ABSENT:
      return true;
    case DSTREAM_TIMESTAMP:
    case DSTREAM_TIMESTAMP_TZ:
      return a.as.time.seconds == b.as.time.seconds && a.as.time.nanos == b.as.time.nanos &&
             a.as.time.offset_min == b.as.time.offset_min;
    case DSTREAM_UUID:
      return std::memcmp(a.as.uuid, b.as.uuid, sizeof a.as.uuid) == 0;
    case DSTREAM_BOOL:
    case DSTREAM_INT64:
    case DSTREAM_FLOAT64:
    case DSTREAM_DATE:
    case DSTREAM_TIME:
      return a.as.i64 == b.as.i64;
    default:
      return a.size == b.size && std::memcmp(a.as.data, b.as.data, a.size) == 0;
  }
}

bool is_whole_in_updates(const ColumnType& type) {
  return type.large == Large::kNo || type.large == Large::kVariant;
}

// What the two images of an update tell about the order of the mask.
void learn_order(const std::vector<CapturedColumn>& columns, const ChangeRow& before,
                 const ChangeRow& after, std::string_view mask, MaskOrderLearner& learner) {
  for (size_t i = 0; i < columns.size(); ++i) {
    const bool is_there =
        is_whole_in_updates(columns[i].type) ||
        (before.values[i].type > DSTREAM_ABSENT && after.values[i].type > DSTREAM_ABSENT);
    const bool is_changed = is_there && !same_value(before.values[i], after.values[i]);
    if (is_changed) {
      learner.see_changed(mask, i);
    }
  }
}

// NULL that stands for "not logged" becomes ABSENT.
void settle(const std::vector<CapturedColumn>& columns, int32_t operation, dstream_value* values,
            std::string_view mask, MaskOrder order) {
  for (size_t i = 0; i < columns.size(); ++i) {
    const ColumnType& type = columns[i].type;
    if (type.large != Large::kNo && values[i].type == DSTREAM_NULL &&
        is_not_logged(type.large, operation, mask, i, order)) {
      values[i].type = DSTREAM_ABSENT;
    }
  }
}

}  // namespace

void ChangeQueries::ask_mask_order() {
  try {
    Statement statement(connection_, "SELECT sys.fn_cdc_is_bit_set(1, 0x0100)", {},
                        "Looking at update masks");
    int64_t is_set = 0;
    if (statement.next_row() && statement.get_int(1, &is_set)) {
      mask_order_->assume(is_set != 0 ? MaskOrder::kFirstByteLowest : MaskOrder::kLastByteLowest);
    }
    read_to_the_end(statement);
  } catch (const SourceError&) {
    if (connection_.dead()) {
      throw;
    }
    // A login that may not call it: what values do not decide is taken as Microsoft documents it.
  }
}

uint32_t ChangeQueries::large_rows_max(const PageRequest& asked) const {
  const size_t own = row_bytes_[asked.table];
  // Slabs are never quite full, and rows differ.
  const size_t rows = kPageBytes * 3 / 4 / std::max<size_t>(own == 0 ? asked.row_bytes : own, 1);
  return static_cast<uint32_t>(std::clamp<size_t>(rows, 1, std::numeric_limits<int32_t>::max()));
}

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
      // A chunk behind a full one will be full as well; the only one of a quiet table stays small.
      const size_t row_bytes = std::min(row_bytes_[request.table], kChunkBytes);
      const size_t expected = answer.chunks.empty() ? row_bytes : kChunkBytes;
      chunk = decode_large_rows(statement, reader, table, request, expected, last, &more);
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
                                              size_t expected, ChangeKey& last, bool* more) {
  const CaptureInstance& instance = table.instance;
  const std::vector<CapturedColumn>& columns = instance.description.columns;
  const std::vector<size_t> fetched = fetched_columns(instance);
  const KeyColumns key_columns(reader, instance);
  const size_t mask_column = key_columns.count();
  const size_t row_size = columns.size() * sizeof(dstream_value);
  // One row more than a chunk has: the two images of an update stay together.
  constexpr size_t kRowsMax = kChunkRowsMax + 1;
  const size_t fixed = kRowsMax * row_size;
  auto chunk =
      std::make_shared<Chunk>(pool_, std::max(fixed + 64, std::min(fixed + expected, kChunkBytes)));
  auto* values = static_cast<dstream_value*>(chunk->arena.allocate(fixed));
  chunk->rows.reserve(kRowsMax);
  dstream_value* before = nullptr;  // of an update whose other image comes next
  std::string before_mask;
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
    }
    chunk->rows.push_back({key, values});
    if (before != nullptr) {
      if (key.operation == kAfter) {
        learn_order(columns, *(chunk->rows.end() - 2), chunk->rows.back(), mask, *mask_order_);
      }
      settle(columns, kBefore, before, before_mask, mask_order_->order());
      before = nullptr;
    }
    if (key.operation == kBefore) {
      before = values;
      before_mask = mask;
    } else {
      settle(columns, key.operation, values, mask, mask_order_->order());
    }
    values += columns.size();
    *more = reader.next() > 0;
  } while (*more &&
           (before != nullptr || (chunk->rows.size() < kChunkRowsMax &&
                                  chunk->arena.used() + row_bytes_[request.table] < kChunkBytes)));
  if (before != nullptr) {
    settle(columns, kBefore, before, before_mask, mask_order_->order());
  }
  row_bytes_[request.table] = chunk->arena.used() / chunk->rows.size();
  return chunk;
}

}  // namespace dstream::sqlserver
