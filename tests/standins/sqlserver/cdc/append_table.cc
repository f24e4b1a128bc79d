#include "tests/standins/sqlserver/cdc/append_table.h"

#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "tests/standins/sqlserver/sql/error.h"

namespace dstream::standin::cdc {
namespace {

// A small last segment is copied into the next one, so that a slow trickle makes no long chain.
constexpr size_t kMergeBytesMax = size_t{256} << 10;
constexpr size_t kSegmentBytesMax = size_t{8} << 20;
constexpr size_t kCancelCheckRows = 4096;

class AppendCursor final : public sql::Cursor {
 public:
  AppendCursor(std::vector<AppendTable::Run> runs, std::shared_ptr<const RowLayout> layout,
               const sql::ScanRequest& request)
      : runs_(std::move(runs)),
        layout_(std::move(layout)),
        needed_(request.needed.begin(), request.needed.end()),
        ranges_(layout_->column_count()),
        descending_(request.descending),
        out_(request.out) {
    if (descending_) {
      std::reverse(runs_.begin(), runs_.end());
    }
    start_run();
  }

  bool next_token(std::string_view* token) override {
    while (run_ < runs_.size()) {
      if (left_ > 0) {
        --left_;
        const AppendTable::Run& run = runs_[run_];
        const size_t row = descending_ ? run.first + left_ : run.last - 1 - left_;
        token_ = run.segment->rows.row(row);
        *token = token_;
        if (++since_check_ == kCancelCheckRows) {
          since_check_ = 0;
          if (out_ != nullptr && out_->cancelled()) {
            throw sql::Cancelled{};
          }
        }
        return true;
      }
      ++run_;
      start_run();
    }
    return false;
  }

  void decode(SqlValue* values) override {
    layout_->ranges(token_, ranges_);
    for (size_t i = 0; i < needed_.size(); ++i) {
      if (needed_[i] >= 0) {
        layout_->value(token_, ranges_[i], i, &values[needed_[i]]);
      }
    }
  }

  bool next(SqlValue* values) override {
    std::string_view token;
    if (!next_token(&token)) {
      return false;
    }
    decode(values);
    return true;
  }

 private:
  void start_run() {
    if (run_ < runs_.size()) {
      left_ = runs_[run_].last - runs_[run_].first;
    }
  }

  std::vector<AppendTable::Run> runs_;
  std::shared_ptr<const RowLayout> layout_;
  std::vector<int> needed_;
  std::vector<ByteRange> ranges_;
  bool descending_;
  ResponseWriter* out_;
  size_t run_ = 0;
  size_t left_ = 0;
  size_t since_check_ = 0;
  std::string_view token_;
};

// Cuts a batch at rows, so that no segment grows past its bound.
std::vector<RowBatch> split(RowBatch rows) {
  std::vector<RowBatch> pieces;
  if (rows.bytes.size() <= kSegmentBytesMax) {
    pieces.push_back(std::move(rows));
    return pieces;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string_view row = rows.row(i);
    if (pieces.empty() || pieces.back().bytes.size() + row.size() > kSegmentBytesMax) {
      pieces.emplace_back();
      pieces.back().bytes.reserve(kSegmentBytesMax);
    }
    pieces.back().bytes.append(row);
    pieces.back().finish_row();
  }
  for (RowBatch& piece : pieces) {
    piece.bytes.shrink_to_fit();
  }
  return pieces;
}

}  // namespace

AppendTable::AppendTable(std::vector<ResultColumn> columns, sql::Ordering ordering,
                         KeyOfToken key_of)
    : ordering_(std::move(ordering)), key_of_(std::move(key_of)) {
  state_.layout = std::make_shared<const RowLayout>(columns);
  state_.columns = std::make_shared<const std::vector<ResultColumn>>(std::move(columns));
}

void AppendTable::append(RowBatch rows, uint64_t sequence) {
  if (rows.size() == 0) {
    return;
  }
  std::string first_key, last_key;
  key_of_(rows.row(0), &first_key);
  std::vector<RowBatch> pieces = split(std::move(rows));
  const std::lock_guard lock(mutex_);
  if (!state_.runs.empty()) {
    key_of_(state_.runs.back().segment->rows.row(state_.runs.back().last - 1), &last_key);
  }
  if (first_key <= last_key) {
    // Readers that are past it would never see it: better no stand-in than a wrong one.
    throw std::logic_error("Rows appended to a change table out of order.");
  }
  for (RowBatch& piece : pieces) {
    auto segment = std::make_shared<Segment>();
    size_t skipped = 0;
    Run* const last = state_.runs.empty() ? nullptr : &state_.runs.back();
    const bool merges = last != nullptr && last->last == last->segment->rows.size() &&
                        last->segment->rows.bytes.size() + piece.bytes.size() <= kMergeBytesMax;
    if (merges) {
      *segment = *last->segment;
      skipped = last->first;
      const auto base = static_cast<uint32_t>(segment->rows.bytes.size());
      segment->rows.bytes += piece.bytes;
      for (const uint32_t end : piece.ends) {
        segment->rows.ends.push_back(base + end);
      }
      state_.runs.pop_back();
    } else {
      segment->rows = std::move(piece);
    }
    const size_t count = segment->rows.size();
    segment->steps.emplace_back(count, sequence);
    state_.runs.push_back({std::move(segment), skipped, count});
  }
}

size_t AppendTable::lower_bound(const Run& run, const std::string& key) const {
  size_t low = run.first, high = run.last;
  std::string probe;
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    probe.clear();
    key_of_(run.segment->rows.row(middle), &probe);
    if (probe < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::vector<AppendTable::Run> AppendTable::drop_below(const std::string& key) {
  const std::lock_guard lock(mutex_);
  std::vector<Run> dropped;
  for (Run& run : state_.runs) {
    const size_t first = lower_bound(run, key);
    if (first > run.first) {
      dropped.push_back({run.segment, run.first, first});
    }
    run.first = first;
    if (first < run.last) {
      break;
    }
  }
  std::erase_if(state_.runs, [](const Run& run) { return run.first == run.last; });
  return dropped;
}

void AppendTable::drop_from(const std::string& key) {
  const std::lock_guard lock(mutex_);
  while (!state_.runs.empty()) {
    Run& run = state_.runs.back();
    run.last = lower_bound(run, key);
    if (run.first < run.last) {
      break;
    }
    state_.runs.pop_back();
  }
}

void AppendTable::prepend(std::vector<Run> runs) {
  const std::lock_guard lock(mutex_);
  state_.runs.insert(state_.runs.begin(), std::make_move_iterator(runs.begin()),
                     std::make_move_iterator(runs.end()));
}

void AppendTable::restore(Snapshot snapshot) {
  const std::lock_guard lock(mutex_);
  state_ = std::move(snapshot);
}

void AppendTable::rewrite(
    std::vector<ResultColumn> columns,
    const std::function<void(const std::vector<SqlValue>&, std::string*)>& encode) {
  const std::lock_guard lock(mutex_);
  std::vector<SqlValue> values;
  std::vector<Run> rewritten;  // `encode` may throw: then nothing has happened
  for (const Run& run : state_.runs) {
    auto segment = std::make_shared<Segment>();
    for (size_t i = run.first; i < run.last; ++i) {
      decode_row(*state_.columns, run.segment->rows.row(i), &values);
      encode(values, &segment->rows.bytes);
      segment->rows.finish_row();
    }
    for (const auto& [count, sequence] : run.segment->steps) {
      if (count > run.first) {
        segment->steps.emplace_back(std::min(count, run.last) - run.first, sequence);
      }
    }
    const size_t count = segment->rows.size();
    rewritten.push_back({std::move(segment), 0, count});
  }
  state_.runs = std::move(rewritten);
  state_.layout = std::make_shared<const RowLayout>(columns);
  state_.columns = std::make_shared<const std::vector<ResultColumn>>(std::move(columns));
}

size_t AppendTable::row_count() const {
  const std::lock_guard lock(mutex_);
  size_t count = 0;
  for (const Run& run : state_.runs) {
    count += run.last - run.first;
  }
  return count;
}

size_t AppendTable::byte_count() const {
  const std::lock_guard lock(mutex_);
  size_t bytes = 0;
  for (const Run& run : state_.runs) {
    bytes += run.segment->rows.bytes.size() + run.segment->rows.ends.size() * sizeof(uint32_t);
  }
  return bytes;
}

AppendTable::Snapshot AppendTable::snapshot() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::vector<AppendTable::Run> AppendTable::select(const Snapshot& snapshot, uint64_t sequence,
                                                  const sql::KeyRange& range) const {
  std::vector<Run> result;
  if (!range.end.empty() && range.end <= range.begin) {
    return result;
  }
  for (Run run : snapshot.runs) {
    size_t visible = 0;
    for (const auto& [count, since] : run.segment->steps) {
      if (since > sequence) {
        break;
      }
      visible = count;
    }
    run.last = std::min(run.last, visible);
    if (run.first >= run.last) {
      continue;
    }
    if (!range.begin.empty()) {
      run.first = lower_bound(run, range.begin);
    }
    if (!range.end.empty()) {
      run.last = lower_bound(run, range.end);
    }
    if (run.first < run.last) {
      result.push_back(std::move(run));
    }
  }
  return result;
}

AppendRelation::AppendRelation(std::shared_ptr<const AppendTable> table)
    : table_(std::move(table)), snapshot_(table_->snapshot()), orderings_{table_->ordering()} {}

std::unique_ptr<sql::Cursor> AppendRelation::open(const sql::ScanRequest& request) const {
  const uint64_t sequence = request.view.dirty ? ~uint64_t{0} : request.view.sequence;
  return std::make_unique<AppendCursor>(table_->select(snapshot_, sequence, request.range),
                                        snapshot_.layout, request);
}

}  // namespace dstream::standin::cdc
