#include "tests/standins/sqlserver/sql/undo_history.h"

#include <algorithm>

#include "tests/standins/sqlserver/sql/storage.h"

namespace dstream::standin::sql {

void UndoHistory::add(Step step) {
  bytes_ += step.bytes;
  steps_.push_back(std::move(step));
  while (bytes_ > bytes_max_.load() && !steps_.empty()) {
    floor_ = steps_.front().extent.last;
    bytes_ -= steps_.front().bytes;
    steps_.pop_front();
  }
}

void UndoHistory::add_row(const Extent& extent, Row row) {
  Step step;
  step.extent = extent;
  step.bytes = sizeof(Step) + row.key.size() + (row.before == nullptr ? 0 : row.before->size());
  for (size_t i = 0; row.keys != nullptr && i < row.keys->size(); ++i) {
    step.bytes += sizeof(std::string) + (*row.keys)[i].size();
  }
  step.row = std::move(row);
  add(std::move(step));
}

void UndoHistory::add_action(const Extent& extent, size_t bytes, std::function<void()> undo) {
  Step step;
  step.extent = extent;
  step.bytes = sizeof(Step) + bytes;
  step.undo = std::move(undo);
  add(std::move(step));
}

void UndoHistory::restart(uint64_t record) {
  steps_.clear();
  bytes_ = 0;
  floor_ = record;
}

uint64_t UndoHistory::settled(uint64_t record) const {
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    if (step->extent.first <= record) {
      return std::max(record, step->extent.last);
    }
  }
  return std::max(record, floor_);
}

UndoHistory::Touched UndoHistory::undo_above(uint64_t record, uint64_t sequence) {
  Touched touched;
  while (!steps_.empty() && steps_.back().extent.first > record) {
    Step step = std::move(steps_.back());
    steps_.pop_back();
    bytes_ -= step.bytes;
    if (step.undo) {
      step.undo();
      continue;
    }
    step.row.store->put_back(step.row.key, step.row.keys.get(), std::move(step.row.before),
                             sequence);
    touched.emplace_back(std::move(step.row.store), std::move(step.row.key));
  }
  return touched;
}

}  // namespace dstream::standin::sql
