#include "plugins/sqlserver_cdc/large_values.h"

#include <algorithm>
#include <cstring>
#include <tuple>

#include "plugins/sqlserver_cdc/utf16.h"
#include "plugins/sqlserver_cdc/variant_json.h"

namespace dstream::sqlserver {
namespace {

constexpr size_t kFirstPiece = 16 << 10;
constexpr size_t kTerminator = sizeof(SQLWCHAR);
// Never part of a text, so that it shows where the driver stopped writing.
constexpr uint8_t kUnwritten = 0xFF;
constexpr size_t kMarked = 16;

// How many bytes of a piece the driver filled. It may leave a few at the end where a character
// would not fit; behind what it wrote stands a terminator.
size_t filled_text(const uint8_t* piece, size_t room) {
  size_t end = room;
  const size_t earliest = room > kMarked ? room - kMarked : 0;
  while (end > earliest && piece[end - 1] == kUnwritten && piece[end - 2] == kUnwritten) {
    end -= 2;
  }
  return end - kTerminator;
}

bool is_truncation(const std::vector<Diagnostic>& diagnostics) {
  return std::all_of(diagnostics.begin(), diagnostics.end(), [](const Diagnostic& each) {
    return each.sqlstate == "01004" || is_information(each);
  });
}

}  // namespace

bool is_not_logged(Large kind, int32_t operation, std::string_view mask, size_t index,
                   MaskOrder order) {
  constexpr int32_t kDelete = 1;
  constexpr int32_t kBefore = 3;
  constexpr int32_t kAfter = 4;
  if (kind == Large::kVariant) {
    return false;
  }
  if (kind == Large::kText && (operation == kDelete || operation == kBefore)) {
    return true;
  }
  return (operation == kBefore || operation == kAfter) && !is_changed(mask, index, order);
}

bool LargeValueReader::read_piece(Statement& statement, SQLUSMALLINT column, const ColumnType& type,
                                  const std::string& name, Memory room, size_t* size,
                                  bool* is_cut) {
  const bool is_text = type.c_type == SQL_C_WCHAR;
  const size_t most = room.size - (is_text ? kTerminator : 0);
  if (is_text) {
    std::memset(room.start + room.size - kMarked, kUnwritten, kMarked);
  }
  SQLLEN left = 0;
  const SQLRETURN result =
      statement.get_data(column, type.c_type, room.start, static_cast<SQLLEN>(room.size), &left);
  *size = 0;
  *is_cut = result == SQL_SUCCESS_WITH_INFO &&
            is_truncation(diagnostics_of(SQL_HANDLE_STMT, statement.handle())) &&
            (left == SQL_NO_TOTAL || left > static_cast<SQLLEN>(most));
  if (*is_cut) {
    *size = is_text ? filled_text(room.start, room.size) : room.size;
    return true;
  }
  statement.check(result);
  if (result == SQL_NO_DATA) {
    return true;  // the piece before was the last, and just fitted
  }
  if (left == SQL_NULL_DATA) {
    return false;
  }
  if (left < 0 || static_cast<size_t>(left) > most) {
    throw SourceError(DSTREAM_FATAL, statement.doing() + " failed: the driver does not know " +
                                         "how long the value of column " + name + " is.");
  }
  *size = static_cast<size_t>(left);
  return true;
}

std::optional<LargeValueReader::Memory> LargeValueReader::gather(Statement& statement,
                                                                 SQLUSMALLINT column,
                                                                 const ColumnType& type,
                                                                 const std::string& name,
                                                                 Memory first) {
  Memory value{first.start, 0};
  Memory room = first;
  for (bool is_cut = true; is_cut;) {
    if (room.start == nullptr) {
      const size_t wanted = std::max(kFirstPiece, value.size * 2);
      bytes_.resize(std::max(bytes_.size(), value.size + wanted));
      value.start = bytes_.data();
      room = {bytes_.data() + value.size, (bytes_.size() - value.size) / 2 * 2};
    }
    size_t size = 0;
    if (!read_piece(statement, column, type, name, room, &size, &is_cut)) {
      return std::nullopt;
    }
    value.size += size;
    if (value.size > value_bytes_max_) {
      throw SourceError(DSTREAM_CONFIG,
                        "value_bytes_max: " + statement.doing() + " failed: column " + name +
                            " holds a value of more than " + std::to_string(value_bytes_max_) +
                            " bytes. Raise value_bytes_max, or leave the column out of the "
                            "capture instance.");
    }
    if (is_cut && value.start == first.start && first.start != nullptr) {
      bytes_.resize(std::max(bytes_.size(), value.size));
      std::memcpy(bytes_.data(), value.start, value.size);
    }
    room = {};
  }
  return value;
}

bool LargeValueReader::read_text(Statement& statement, SQLUSMALLINT column, const std::string& name,
                                 std::string* text) {
  ColumnType type;
  type.c_type = SQL_C_WCHAR;
  text->clear();
  const std::optional<Memory> gathered = gather(statement, column, type, name, {});
  if (!gathered) {
    return false;
  }
  const size_t units = gathered->size / sizeof(SQLWCHAR);
  text->resize(utf8_size_max(units));
  const char* end = utf16_to_utf8(gathered->start, units, text->data());
  text->resize(static_cast<size_t>(end - text->data()));
  return true;
}

dstream_value LargeValueReader::read(Statement& statement, SQLUSMALLINT column,
                                     const ColumnType& type, const std::string& name,
                                     Arena& arena) {
  dstream_value value{};
  const bool is_text = type.c_type == SQL_C_WCHAR;
  Memory first;
  if (!is_text && arena.room() >= kFirstPiece) {
    first = {reinterpret_cast<uint8_t*>(arena.reserve(0)), arena.room()};
  }
  const std::optional<Memory> gathered = gather(statement, column, type, name, first);
  if (!gathered) {
    return value;
  }
  const size_t size = gathered->size;
  char* start = nullptr;
  char* end = nullptr;
  if (is_text) {
    if (size % sizeof(SQLWCHAR) != 0) {
      throw SourceError(DSTREAM_FATAL, statement.doing() + " failed: the value of column " + name +
                                           " ends in half a character.");
    }
    const size_t units = size / sizeof(SQLWCHAR);
    const size_t most = utf8_size_max(units);
    start = arena.reserve(most <= arena.room() ? most : utf8_size_bound(gathered->start, units));
    end = utf16_to_utf8(gathered->start, units, start);
  } else {
    start = arena.reserve(size);
    if (reinterpret_cast<uint8_t*>(start) != gathered->start) {
      std::memcpy(start, gathered->start, size);
    }
    end = start + size;
  }
  arena.use(end);
  if (type.fetch == Fetch::kVariant) {
    std::tie(start, end) = variant_json(start, end, arena);
  }
  value.type = type.type;
  value.size = static_cast<uint32_t>(end - start);
  value.as.data = reinterpret_cast<const uint8_t*>(start);
  return value;
}

}  // namespace dstream::sqlserver
