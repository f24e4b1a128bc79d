// Walks the pages of one table change by change, and makes one update of operations 3 and 4.
#pragma once

#include <deque>
#include <string>

#include "plugins/sqlserver_cdc/change_fetcher.h"

namespace dstream::sqlserver {

// One change. Values live in the chunks; the update's key is that of its after image.
struct Change {
  ChangeKey key;
  dstream_op op = DSTREAM_OP_INSERT;
  const dstream_value* before = nullptr;
  const dstream_value* after = nullptr;
  ChunkPointer chunk;         // holds `after`, or `before` of a delete
  ChunkPointer before_chunk;  // holds `before` of an update whose rows lie in two chunks
  size_t bytes = 0;           // share of the chunks' memory
};

class TableCursor {
 public:
  enum class State {
    kReady,      // head() is the next change
    kNeedsPage,  // the next change, or its second half, is not here yet
    kFinished    // nothing more up to the bound
  };

  // `table` is for messages.
  explicit TableCursor(std::string table) : table_(std::move(table)) {}

  // Forgets all pages and begins after `after`, with pages still to come.
  void start(const ChangeKey& after);
  // Adds the page that follows the last one. May throw as advance() does.
  void add(PageAnswer page);

  State state() const { return state_; }
  // REQUIRES: state() == kReady.
  const Change& head() const { return head_; }
  // Moves to the next change. Throws SourceError(FATAL) if the change table holds something that
  // cannot be: an update without its after image, an unknown operation.
  void advance();

  // Where the next page begins: the key of the last row that arrived, or the end of its command or
  // its transaction, if it was the last one there.
  const ChangeKey& end() const { return end_; }
  // How far the next page should reach.
  PageScope next_scope() const { return next_scope_; }
  bool complete() const { return complete_; }
  size_t buffered_bytes() const { return buffered_bytes_; }
  size_t buffered_rows() const { return buffered_rows_; }

 private:
  const ChangeRow* row();  // the next row not yet taken, nullptr if none is here
  void take_row();
  void find_head();
  void set_head(const ChangeRow& row);

  std::string table_;
  State state_ = State::kFinished;
  Change head_;
  std::deque<ChunkPointer> chunks_;
  size_t row_ = 0;  // in the first chunk
  // An update's first row, waiting for the second; its chunk is kept if the second is elsewhere.
  bool has_before_ = false;
  ChangeRow before_;
  size_t before_bytes_ = 0;
  ChunkPointer before_chunk_;
  ChangeKey end_;
  PageScope next_scope_ = PageScope::kAll;
  bool complete_ = true;
  size_t buffered_bytes_ = 0;
  size_t buffered_rows_ = 0;
};

}  // namespace dstream::sqlserver
