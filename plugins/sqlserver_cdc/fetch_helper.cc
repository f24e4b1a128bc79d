// The helpers of a fetcher: when a further connection is opened, what it answers, when it is
// closed.
#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "plugins/sqlserver_cdc/change_queries.h"
#include "plugins/sqlserver_cdc/fetch_work.h"

namespace dstream::sqlserver {

void FetchWork::run_helper() noexcept {
  while (wait_until_needed()) {
    help();
    shares_->give_back_of_changes();
  }
  thread_ends();
}

// More pages wait than there are helpers that could take them at once.
bool FetchWork::is_needed() const {
  return queue_.pages_waiting() > helpers_idle_ + helpers_coming_;
}

// True with a share taken; false at the end.
bool FetchWork::wait_until_needed() {
  std::unique_lock lock(mutex_);
  ++helpers_waiting_;
  for (;;) {
    if (stopping_) {
      --helpers_waiting_;
      return false;
    }
    if (!is_needed()) {
      shares_->withdraw_wish_of_changes();
      wake_.wait(lock);
      continue;
    }
    const Clock::time_point now = Clock::now();
    const Clock::time_point due =
        std::max(queue_.oldest_page() + times_.patience, no_helper_before_);
    if (now < due) {
      wake_.wait_until(lock, due);
    } else if (shares_->take_for_changes()) {
      --helpers_waiting_;
      ++helpers_coming_;
      return true;
    } else {
      wake_.wait_until(lock, now + times_.patience);  // copies give one back between two chunks
    }
  }
}

void FetchWork::help() noexcept {
  std::shared_ptr<Connection> connection;
  std::string why;
  try {
    connection = connect();
  } catch (const SourceError& error) {
    why = error.what();
  } catch (const std::exception& error) {
    why = error.what();
  }
  {
    const std::lock_guard lock(mutex_);
    --helpers_coming_;
  }
  if (!why.empty()) {
    cannot_help(why);
  }
  if (connection == nullptr) {
    return;
  }
  try {
    answer_pages(*connection);
  } catch (const std::bad_alloc&) {
    fail({DSTREAM_REOPEN, "Out of memory."});
  } catch (const std::exception& error) {
    fail({DSTREAM_FATAL, error.what()});
  }
  disconnect(std::move(connection));
}

void FetchWork::answer_pages(Connection& connection) {
  ChangeQueries queries(connection, *catalog_, {}, pool_, options_.value_bytes_max, mask_order_);
  while (std::optional<Task> task = next_page()) {
    const Outcome outcome = answer(queries, *std::move(task), false);
    if (outcome == Outcome::kBehind) {
      cannot_help(
          "it was led to a replica that has not got as far as the one that was asked what is new.");
    }
    if (outcome != Outcome::kAnswered) {
      return;  // whatever it was, a new connection has a better chance
    }
  }
}

// Nothing at the end, when there was nothing to do for long, or when copies need the connection.
std::optional<FetchQueue::Task> FetchWork::next_page() {
  std::unique_lock lock(mutex_);
  const Clock::time_point since = Clock::now();
  ++helpers_waiting_;
  ++helpers_idle_;
  std::optional<Task> task;
  while (!stopping_ && !shares_->changes_should_yield()) {
    task = queue_.next_for_helper();
    if (task) {
      break;
    }
    const Clock::time_point now = Clock::now();
    const Clock::time_point until =
        since + (shares_->copies_wish() ? times_.idle_beside_copies : times_.idle);
    if (now >= until) {
      break;
    }
    // Wishes of copies make no noise here: one of them waits a second at most.
    wake_.wait_until(lock, std::min(until, now + times_.idle_beside_copies));
  }
  --helpers_waiting_;
  --helpers_idle_;
  if (!task) {
    wake_.notify_all();  // the first reader may have left a page to this one
  }
  return task;
}

// The first reader goes on alone, or with those helpers that are there.
void FetchWork::cannot_help(const std::string& why) {
  {
    const std::lock_guard lock(mutex_);
    no_helper_before_ = Clock::now() + times_.refused;
    if (stopping_ || std::exchange(said_cannot_help_, true)) {
      return;
    }
  }
  log(DSTREAM_LOG_WARN,
      "Reading goes on with fewer connections than `connections` allows; a further one was of no "
      "use: " +
          why);
}

}  // namespace dstream::sqlserver
