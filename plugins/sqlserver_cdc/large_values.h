// Values of no fixed size: (max) types, text, ntext, image, xml, CLR types. They are not bound but
// asked for piece by piece, behind the bound columns of each row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dstream/abi.h"
#include "plugins/sqlserver_cdc/column_types.h"
#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/row_memory.h"
#include "plugins/sqlserver_cdc/update_mask.h"

namespace dstream::sqlserver {

// True if NULL means "not logged" in this image rather than NULL. Change tables hold no (max) value
// that an update left alone, and never a text, ntext or image before a change.
bool is_not_logged(Large kind, int32_t operation, std::string_view mask, size_t index,
                   MaskOrder order);

// Reads large values of the rows of one statement. Keeps its memory from value to value.
class LargeValueReader {
 public:
  // No value may be larger than `value_bytes_max` as it comes over the wire.
  explicit LargeValueReader(size_t value_bytes_max) : value_bytes_max_(value_bytes_max) {}

  // The value of `column` (from 1) in the current row, each column once and in ascending order.
  // Text becomes UTF-8 in `arena`, bytes that fit are written there by the driver. Throws
  // SourceError: CONFIG if the value is too large, and what Statement::check() throws.
  dstream_value read(Statement& statement, SQLUSMALLINT column, const ColumnType& type,
                     const std::string& name, Arena& arena);
  // Likewise, of an nvarchar(max) that is no row's. False: NULL, and `text` is empty.
  bool read_text(Statement& statement, SQLUSMALLINT column, const std::string& name,
                 std::string* text);

 private:
  struct Memory {
    uint8_t* start = nullptr;
    size_t size = 0;
  };

  // The value is in `first` if it fitted there, else in bytes_, where it ends up piece by piece;
  // nullopt: NULL.
  std::optional<Memory> gather(Statement& statement, SQLUSMALLINT column, const ColumnType& type,
                               const std::string& name, Memory first);
  // Takes a piece into `room`, and its bytes into *size. False: NULL. *is_cut: the value goes
  // on.
  static bool read_piece(Statement& statement, SQLUSMALLINT column, const ColumnType& type,
                         const std::string& name, Memory room, size_t* size, bool* is_cut);

  const size_t value_bytes_max_;
  std::vector<uint8_t> bytes_;
};

}  // namespace dstream::sqlserver
