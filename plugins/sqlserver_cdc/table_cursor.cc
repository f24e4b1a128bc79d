#include "plugins/sqlserver_cdc/table_cursor.h"

#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

bool is(const ChangeRow& row, Operation operation) {
  return row.key.operation == static_cast<int32_t>(operation);
}

// A page from `first` to `last`, the one before ended with `before`: what the next should reach.
//
// A page never reaches beyond a scope that is not kAll. So that many short transactions are not as
// many pages, a transaction is one only if it began before this page.
PageScope scope_after(const ChangeKey& before, const ChangeKey& first, const ChangeKey& last) {
  if (first.commit != last.commit) {
    return PageScope::kAll;
  }
  if (first.command == last.command) {
    return PageScope::kCommand;
  }
  return before.commit == first.commit ? PageScope::kTransaction : PageScope::kAll;
}

bool same_change(const ChangeKey& a, const ChangeKey& b) {
  return a.commit == b.commit && a.command == b.command && a.sequence == b.sequence;
}

[[noreturn]] void refuse(const std::string& table, const ChangeKey& key, const std::string& what) {
  throw SourceError(DSTREAM_FATAL, "The change table of " + table + " holds " + what +
                                       " at commit LSN " + key.commit.text() + ", change LSN " +
                                       key.sequence.text() + ". Nothing was skipped.");
}

}  // namespace

void TableCursor::start(const ChangeKey& after) {
  chunks_.clear();
  row_ = 0;
  has_before_ = false;
  before_chunk_.reset();
  head_ = {};
  end_ = after;
  next_scope_ = PageScope::kAll;
  complete_ = false;
  buffered_bytes_ = 0;
  buffered_rows_ = 0;
  state_ = State::kNeedsPage;
}

void TableCursor::add(PageAnswer page) {
  complete_ = page.complete;
  buffered_bytes_ += page.bytes;
  buffered_rows_ += page.rows;
  next_scope_ = PageScope::kAll;
  if (!page.chunks.empty()) {
    const ChangeKey before = end_;
    end_ = page.chunks.back()->rows.back().key;
    next_scope_ = scope_after(before, page.chunks.front()->rows.front().key, end_);
  }
  if (page.ended == PageScope::kCommand) {
    end_ = ChangeKey::end_of_command(end_.commit, end_.command);
    next_scope_ = PageScope::kTransaction;
  } else if (page.ended == PageScope::kTransaction) {
    end_ = ChangeKey::end_of(end_.commit);
    next_scope_ = PageScope::kAll;
  }
  for (ChunkPointer& chunk : page.chunks) {
    chunks_.push_back(std::move(chunk));
  }
  if (state_ == State::kNeedsPage) {
    find_head();
  }
}

const ChangeRow* TableCursor::row() {
  if (!chunks_.empty() && row_ == chunks_.front()->rows.size()) {
    if (has_before_) {
      before_chunk_ = chunks_.front();
    }
    chunks_.pop_front();
    row_ = 0;
  }
  return chunks_.empty() ? nullptr : &chunks_.front()->rows[row_];
}

void TableCursor::take_row() {
  --buffered_rows_;
  if (++row_ == chunks_.front()->rows.size()) {
    buffered_bytes_ -= chunks_.front()->arena.held();
  }
}

void TableCursor::advance() { find_head(); }

void TableCursor::find_head() {
  const ChangeRow* next = row();
  if (next != nullptr && !has_before_ && is(*next, Operation::kUpdateBefore)) {
    has_before_ = true;
    before_ = *next;
    before_bytes_ = chunks_.front()->row_bytes();
    take_row();
    next = row();
  }
  if (next != nullptr) {
    set_head(*next);
    take_row();
    state_ = State::kReady;
    return;
  }
  if (complete_ && has_before_) {
    refuse(table_, before_.key, "an update without its after image");
  }
  state_ = complete_ ? State::kFinished : State::kNeedsPage;
  head_.chunk.reset();
  head_.before_chunk.reset();
}

void TableCursor::set_head(const ChangeRow& next) {
  if (head_.chunk != chunks_.front()) {
    head_.chunk = chunks_.front();
  }
  head_.key = next.key;
  head_.bytes = head_.chunk->row_bytes();
  head_.before = nullptr;
  head_.after = nullptr;
  head_.before_chunk.reset();
  if (has_before_) {
    if (!is(next, Operation::kUpdateAfter) || !same_change(before_.key, next.key)) {
      refuse(table_, before_.key, "an update without its after image");
    }
    head_.op = DSTREAM_OP_UPDATE;
    head_.before = before_.values;
    head_.after = next.values;
    head_.bytes += before_bytes_;
    head_.before_chunk = std::move(before_chunk_);
    has_before_ = false;
  } else if (is(next, Operation::kDelete)) {
    head_.op = DSTREAM_OP_DELETE;
    head_.before = next.values;
  } else if (is(next, Operation::kInsert)) {
    head_.op = DSTREAM_OP_INSERT;
    head_.after = next.values;
  } else if (is(next, Operation::kUpdateAfter)) {
    // Its before image is missing; the change itself is whole.
    head_.op = DSTREAM_OP_UPDATE;
    head_.after = next.values;
  } else {
    refuse(table_, next.key, "operation " + std::to_string(next.key.operation));
  }
}

}  // namespace dstream::sqlserver
