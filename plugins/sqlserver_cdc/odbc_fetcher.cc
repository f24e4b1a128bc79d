#include "plugins/sqlserver_cdc/odbc_fetcher.h"

#include <new>
#include <utility>

#include "plugins/sqlserver_cdc/change_queries.h"

namespace dstream::sqlserver {

OdbcFetcher::OdbcFetcher(OdbcConnection target, Options options, Position position, LogLine log,
                         std::shared_ptr<SlabPool> pool, StopSignal& signal)
    : target_(std::move(target)),
      options_(std::move(options)),
      position_(std::move(position)),
      log_(std::move(log)),
      pool_(std::move(pool)),
      signal_(signal),
      thread_([this] { run(); }) {}

OdbcFetcher::~OdbcFetcher() {
  std::shared_ptr<Connection> running;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    running = connection_;
  }
  wake_.notify_all();
  if (running != nullptr) {
    running->cancel();
  }
  thread_.join();
}

const Catalog* OdbcFetcher::catalog() {
  const std::lock_guard lock(mutex_);
  if (failure_) {
    throw failure_->error();
  }
  return catalog_.get();
}

void OdbcFetcher::set_groups(std::vector<std::vector<uint32_t>> groups) {
  {
    const std::lock_guard lock(mutex_);
    groups_ = std::move(groups);
    have_groups_ = true;
  }
  wake_.notify_all();
}

void OdbcFetcher::submit(FetchRequest request) {
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
  }
  wake_.notify_all();
}

std::unique_ptr<FetchAnswer> OdbcFetcher::take() {
  const std::lock_guard lock(mutex_);
  if (!answers_.empty()) {
    std::unique_ptr<FetchAnswer> answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  if (failure_) {
    const Failure failure = *std::exchange(failure_, std::nullopt);
    throw failure.error();
  }
  return nullptr;
}

void OdbcFetcher::run() noexcept {
  try {
    connect();
    serve();
  } catch (const SourceError& error) {
    fail(error);
  } catch (const std::bad_alloc&) {
    fail({DSTREAM_REOPEN, "Out of memory."});
  } catch (const std::exception& error) {
    fail({DSTREAM_FATAL, error.what()});
  }
  const std::lock_guard lock(mutex_);
  connection_.reset();
}

void OdbcFetcher::connect() {
  auto connection =
      std::make_shared<Connection>(target_, options_.login_timeout, options_.query_timeout);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return;
    }
    connection_ = connection;
  }
  auto catalog = std::make_unique<Catalog>(load_catalog(*connection, options_, position_, log_));
  {
    const std::lock_guard lock(mutex_);
    catalog_ = std::move(catalog);
  }
  signal_.notify();
}

std::optional<FetchRequest> OdbcFetcher::next_request() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || (have_groups_ && !requests_.empty()); });
  if (stopping_) {
    return std::nullopt;
  }
  FetchRequest request = std::move(requests_.front());
  requests_.pop_front();
  return request;
}

void OdbcFetcher::serve() {
  std::optional<ChangeQueries> queries;
  while (const std::optional<FetchRequest> request = next_request()) {
    if (!queries) {
      queries.emplace(*connection_, *catalog_, groups_, pool_, options_.value_bytes_max);
    }
    try {
      auto answer = std::make_unique<FetchAnswer>(queries->run(*request));
      {
        const std::lock_guard lock(mutex_);
        answers_.push_back(std::move(answer));
      }
      signal_.notify();
    } catch (const SourceError& error) {
      // Whether the connection can go on is the host's decision, by the status: it asks again, or
      // closes and opens.
      fail(error);
    }
  }
}

void OdbcFetcher::fail(const SourceError& error) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = Failure{error.status, error.what(), error.vendor_code, error.sqlstate};
    requests_.clear();
  }
  signal_.notify();
}

}  // namespace dstream::sqlserver
