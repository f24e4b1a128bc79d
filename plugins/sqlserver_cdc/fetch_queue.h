// What the stream has asked for: who may answer it, and which answers still count.
//
// The first reader answers everything. Helpers answer pages, and a page that a helper could not
// answer from what its server shows is kept for the first one. With a failure everything asked for
// is forgotten: an answer to an older request, from a reader that was busy meanwhile, is dropped.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {

// Guarded by whoever owns it.
class FetchQueue {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // A request in the hands of a reader.
  struct Task {
    FetchRequest request;
    uint64_t generation = 0;
    Time since;  // when it was asked for
  };

  // `now` only says how long pages wait.
  void submit(FetchRequest request, Time now);

  // For the first reader: in the order asked, pages behind everything else. Of pages it leaves as
  // many as there are helpers with nothing to do.
  std::optional<Task> next_for_first(size_t helpers_idle);
  std::optional<Task> next_for_helper();
  // Pages that a helper may take.
  size_t pages_waiting() const { return pages_.size(); }
  // Since when the oldest of them waits. REQUIRES: pages_waiting() > 0.
  Time oldest_page() const { return pages_.front().since; }

  void answer(const Task& task, FetchAnswer answer);
  // A helper cannot answer a page: the first reader does.
  void hand_back(Task task);
  // Everything asked for is forgotten. False if it was already, by a failure since the task was
  // taken: then this failure tells nothing new.
  bool fail(const Task& task, const SourceError& error);
  // Likewise, whatever was being done.
  void fail(const SourceError& error);

  bool has_failed() const { return failure_.has_value(); }
  // Throws what failed, if anything has.
  void throw_failure() const;
  // The next answer, nullptr if there is none. Throws the failure behind the last answer, once.
  std::unique_ptr<FetchAnswer> take();

 private:
  // What a SourceError is made from in the thread that throws it; exceptions stay in theirs.
  struct Failure {
    dstream_status status = DSTREAM_FATAL;
    std::string message;
    int32_t vendor_code = 0;
    std::string sqlstate;
    SourceError error() const { return {status, message, vendor_code, sqlstate}; }
  };

  std::deque<Task> requests_;  // the first reader's: all but pages
  std::deque<Task> returned_;  // pages that helpers handed back
  std::deque<Task> pages_;
  std::deque<std::unique_ptr<FetchAnswer>> answers_;
  std::optional<Failure> failure_;  // comes behind the answers
  uint64_t generation_ = 0;         // failures so far
};

}  // namespace dstream::sqlserver
