#include "plugins/sqlserver_cdc/fetch_work.h"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

#include "plugins/sqlserver_cdc/change_queries.h"

namespace dstream::sqlserver {

FetchWork::FetchWork(OdbcConnection target, Options options, Position position, LogLine log,
                     std::shared_ptr<SlabPool> pool, StopSignal& signal,
                     std::shared_ptr<ConnectionShares> shares, FetchTimes times)
    : target_(std::move(target)),
      options_(std::move(options)),
      position_(std::move(position)),
      pool_(std::move(pool)),
      shares_(std::move(shares)),
      times_(times),
      mask_order_(std::make_shared<MaskOrderLearner>()),
      log_(std::move(log)),
      signal_(&signal) {}

std::vector<std::shared_ptr<Connection>> FetchWork::stop() {
  std::vector<std::shared_ptr<Connection>> running;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    running = connections_;
    std::erase_if(running, [](const auto& each) { return each->calls().is_given_up(); });
  }
  wake_.notify_all();
  return running;
}

void FetchWork::cancel(std::shared_ptr<Connection> connection) noexcept {
  connection->cancel();
  connection.reset();  // may be the last to hold it, and so the one that closes it
  thread_ends();
}

void FetchWork::thread_begins() {
  const std::lock_guard lock(mutex_);
  ++threads_;
}

void FetchWork::thread_ends() {
  {
    const std::lock_guard lock(mutex_);
    --threads_;
  }
  wake_.notify_all();
}

bool FetchWork::has_ended(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, limit, [this] { return threads_ == 0; });
}

bool FetchWork::is_silent() {
  const std::lock_guard lock(mutex_);
  return silence_.has_given_up();
}

void FetchWork::watch() {
  if (silence_.look(Clock::now())) {
    throw server_is_silent(target_.target);
  }
}

void FetchWork::leave_behind(std::shared_ptr<void> counted) {
  const std::lock_guard lock(mutex_);
  counted_ = std::move(counted);
  log_ = nullptr;
  signal_ = nullptr;
}

// Under the lock: leave_behind() comes before or after, never meanwhile.
void FetchWork::log(dstream_log_level level, const std::string& line) {
  const std::lock_guard lock(mutex_);
  if (log_) {
    log_(level, line);
  }
}

void FetchWork::notify() {
  const std::lock_guard lock(mutex_);
  if (signal_ != nullptr) {
    signal_->notify();
  }
}

const Catalog* FetchWork::catalog() {
  const std::lock_guard lock(mutex_);
  queue_.throw_failure();
  watch();
  return catalog_.get();
}

void FetchWork::set_groups(std::vector<std::vector<uint32_t>> groups) {
  {
    const std::lock_guard lock(mutex_);
    groups_ = std::move(groups);
    have_groups_ = true;
  }
  wake_.notify_all();
}

bool FetchWork::submit(FetchRequest request) {
  bool wants_helper = false;
  {
    const std::lock_guard lock(mutex_);
    queue_.submit(std::move(request), Clock::now());
    const size_t takers = helpers_waiting_ + (is_first_busy_ ? 0 : 1);
    wants_helper =
        helpers_ + 1 < options_.connections && queue_.pages_waiting() > takers && !stopping_;
    helpers_ += wants_helper ? 1 : 0;
  }
  wake_.notify_all();
  return wants_helper;
}

std::unique_ptr<FetchAnswer> FetchWork::take() {
  const std::lock_guard lock(mutex_);
  watch();
  return queue_.take();
}

std::shared_ptr<Connection> FetchWork::connect() {
  const auto calls = std::make_shared<DriverCalls>();
  {
    const std::lock_guard lock(mutex_);
    silence_.add(calls);
  }
  auto connection =
      std::make_shared<Connection>(target_, options_.login_timeout, options_.query_timeout, calls);
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    return nullptr;
  }
  connections_.push_back(connection);
  return connection;
}

void FetchWork::disconnect(std::shared_ptr<Connection> connection) {
  {
    const std::lock_guard lock(mutex_);
    std::erase(connections_, connection);
  }
  connection.reset();  // without the lock: closing may wait for the server
}

void FetchWork::run_first() noexcept {
  std::shared_ptr<Connection> connection;
  try {
    connection = connect();
    if (connection != nullptr) {
      read_catalog(*connection);
      serve(*connection);
    }
  } catch (const SourceError& error) {
    fail(error);
  } catch (const std::bad_alloc&) {
    fail({DSTREAM_REOPEN, "Out of memory."});
  } catch (const std::exception& error) {
    fail({DSTREAM_FATAL, error.what()});
  }
  disconnect(std::move(connection));
  thread_ends();
}

void FetchWork::read_catalog(Connection& connection) {
  auto catalog = std::make_unique<Catalog>(
      load_catalog(connection, options_, position_,
                   [this](dstream_log_level level, const std::string& line) { log(level, line); }));
  {
    const std::lock_guard lock(mutex_);
    catalog_ = std::move(catalog);
  }
  notify();
}

void FetchWork::serve(Connection& connection) {
  std::optional<ChangeQueries> queries;
  while (std::optional<Task> task = next_request()) {
    if (!queries) {
      queries.emplace(connection, *catalog_, groups_, pool_, options_.value_bytes_max, mask_order_);
    }
    // Whether the connection can go on after a failure is the host's decision, by the status: it
    // asks again, or closes and opens.
    answer(*queries, *std::move(task), true);
  }
}

std::optional<FetchQueue::Task> FetchWork::next_request() {
  std::unique_lock lock(mutex_);
  is_first_busy_ = false;
  for (;;) {
    if (stopping_) {
      return std::nullopt;
    }
    if (have_groups_) {
      if (auto task = queue_.next_for_first(helpers_idle_)) {
        is_first_busy_ = true;
        return task;
      }
    }
    wake_.wait(lock);
  }
}

FetchWork::Outcome FetchWork::answer(ChangeQueries& queries, Task task, bool is_first) {
  Outcome outcome = Outcome::kAnswered;
  try {
    FetchAnswer made = queries.run(task.request);
    const auto* page = std::get_if<PageAnswer>(&made);
    if (page != nullptr && page->behind && is_first) {
      throw SourceError(DSTREAM_RETRY,
                        "The server shows less than it did a moment ago: another replica answers "
                        "behind its address. What is missing is asked for again.");
    }
    const std::lock_guard lock(mutex_);
    if (page != nullptr && page->behind) {
      outcome = Outcome::kBehind;
      queue_.hand_back(std::move(task));
    } else {
      queue_.answer(task, std::move(made));
    }
  } catch (const SourceError& error) {
    outcome = Outcome::kFailed;
    const std::lock_guard lock(mutex_);
    queue_.fail(task, error);
  }
  wake_.notify_all();
  notify();
  return outcome;
}

void FetchWork::fail(const SourceError& error) {
  {
    const std::lock_guard lock(mutex_);
    queue_.fail(error);
  }
  notify();
}

}  // namespace dstream::sqlserver
