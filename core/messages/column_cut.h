// A copy of a record whose largest columns can be cut, one after the other.
//
// Keys are never cut. Text is cut between two characters, bytes anywhere; of a JSON or XML document
// a part is worth nothing, so that it goes as a whole and is ABSENT.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/messages/encoder.h"
#include "dstream/abi.h"

namespace dstream::core {

class ColumnCut {
 public:
  ColumnCut(const dstream_record& record, const MessageSettings& settings);

  // Takes about `bytes` from the largest column that is left. False if there is none.
  bool take(uint64_t bytes);
  // Bytes of all that may be cut, as they are now.
  uint64_t left() const;
  // The record with what was cut, and a header that names each column and the bytes it had:
  // "Notes:123456,Photo:99887"; its text is in `arena`. Valid until the next call and as long as
  // this object.
  const dstream_record& record(Arena& arena);

 private:
  struct Column {
    uint32_t index;
    bool is_document;  // all or nothing
    uint64_t original_bytes = 0;
    bool cut = false;
  };
  uint64_t bytes_of(const Column& column) const;
  void shorten(std::vector<dstream_value>& row, const Column& column, uint64_t bytes) const;

  const dstream_record& original_;
  dstream_record record_;
  std::vector<dstream_value> before_;
  std::vector<dstream_value> after_;
  std::vector<Column> columns_;
  std::vector<dstream_field> headers_;
};

}  // namespace dstream::core
