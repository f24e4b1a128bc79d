#include "plugins/sqlserver_cdc/copy_pool.h"

#include <algorithm>
#include <new>
#include <utility>

#include "plugins/sqlserver_cdc/copy_queries.h"

namespace dstream::sqlserver {
namespace {

uint32_t table_of(const CopyRequest& request) {
  return std::visit([](const auto& asked) { return asked.table; }, request);
}

bool is_whole(const CopyRequest& request) {
  const auto* chunk = std::get_if<ChunkRequest>(&request);
  return chunk != nullptr && chunk->whole;
}

}  // namespace

CopyPool::CopyPool(OdbcConnection target, const Options& options, const Catalog& catalog,
                   LogLine log, std::shared_ptr<SlabPool> slabs, StopSignal& signal)
    : target_(std::move(target)),
      options_(options),
      catalog_(catalog),
      log_(std::move(log)),
      slabs_(std::move(slabs)),
      signal_(signal) {}

CopyPool::~CopyPool() {
  std::vector<std::shared_ptr<Connection>> running;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (const auto& worker : workers_) {
      running.push_back(worker->connection);
    }
  }
  wake_.notify_all();
  for (const auto& connection : running) {
    if (connection != nullptr) {
      connection->cancel();
    }
  }
  for (const auto& worker : workers_) {
    worker->thread.join();
  }
}

void CopyPool::submit(CopyRequest request) {
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
    if (requests_.size() > idle_ && workers_.size() < options_.copy_connections()) {
      workers_.push_back(std::make_unique<Worker>());
      Worker& worker = *workers_.back();
      worker.thread = std::thread([this, &worker] { run(worker); });
    }
  }
  wake_.notify_all();
}

std::unique_ptr<CopyAnswer> CopyPool::take() {
  const std::lock_guard lock(mutex_);
  if (failure_ != nullptr) {
    const std::unique_ptr<SourceError> failure = std::exchange(failure_, nullptr);
    throw SourceError(*failure);
  }
  if (answers_.empty()) {
    return nullptr;
  }
  std::unique_ptr<CopyAnswer> answer = std::move(answers_.front());
  answers_.pop_front();
  return answer;
}

void CopyPool::run(Worker& worker) noexcept {
  try {
    serve(worker);
  } catch (const SourceError& error) {
    fail(error);
  } catch (const std::bad_alloc&) {
    fail({DSTREAM_REOPEN, "Out of memory."});
  } catch (const std::exception& error) {
    fail({DSTREAM_FATAL, error.what()});
  }
  const std::lock_guard lock(mutex_);
  worker.connection.reset();
}

std::shared_ptr<Connection> CopyPool::connect(Worker& worker) {
  auto connection =
      std::make_shared<Connection>(target_, options_.login_timeout, options_.query_timeout);
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    return nullptr;
  }
  worker.connection = connection;
  return connection;
}

void CopyPool::say_how(const CopyQueries& queries) {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(said_how_, true)) {
      return;
    }
  }
  if (queries.takes_locks()) {
    log_(DSTREAM_LOG_WARN,
         "Database " + catalog_.database +
             " keeps no row versions, so copying tables locks each row for the moment of its "
             "reading. To copy without locks: ALTER DATABASE " +
             quote_identifier(catalog_.database) + " SET ALLOW_SNAPSHOT_ISOLATION ON;");
  }
}

void CopyPool::serve(Worker& worker) {
  const std::shared_ptr<Connection> connection = connect(worker);
  if (connection == nullptr) {
    return;
  }
  CopyQueries queries(*connection, catalog_, slabs_, options_.value_bytes_max);
  say_how(queries);
  while (const std::optional<uint64_t> now = generation()) {
    while (const std::optional<CopyRequest> request =
               next_request(queries.open_table(), worker, *now)) {
      answer(queries, *request, *now, worker);
    }
    queries.forget_open_table();
  }
}

void CopyPool::answer(CopyQueries& queries, const CopyRequest& request, uint64_t generation,
                      const Worker& worker) {
  try {
    auto answer = std::make_unique<CopyAnswer>(queries.run(request));
    const std::lock_guard lock(mutex_);
    if (!queries.open_table()) {
      std::erase_if(owners_, [&](const auto& owner) { return owner.second == &worker; });
    }
    if (generation == generation_) {
      answers_.push_back(std::move(answer));
    }
  } catch (const SourceError& error) {
    fail(error);
  }
  wake_.notify_all();
  signal_.notify();
}

std::optional<uint64_t> CopyPool::generation() {
  const std::lock_guard lock(mutex_);
  return stopping_ ? std::nullopt : std::optional(generation_);
}

std::optional<CopyRequest> CopyPool::next_request(std::optional<uint32_t> open_table,
                                                  const Worker& worker, uint64_t generation) {
  const auto may_answer = [&](const CopyRequest& each) {
    if (open_table) {
      return is_whole(each) && table_of(each) == *open_table;
    }
    const auto owner = owners_.find(table_of(each));
    return !is_whole(each) || owner == owners_.end() || owner->second == &worker;
  };
  std::unique_lock lock(mutex_);
  while (!stopping_ && generation == generation_) {
    const auto at = std::find_if(requests_.begin(), requests_.end(), may_answer);
    if (at != requests_.end()) {
      CopyRequest request = std::move(*at);
      requests_.erase(at);
      if (is_whole(request)) {
        owners_[table_of(request)] = &worker;
      }
      return request;
    }
    ++idle_;
    wake_.wait(lock);
    --idle_;
  }
  return std::nullopt;
}

void CopyPool::fail(const SourceError& error) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_ == nullptr) {
      failure_ = std::make_unique<SourceError>(error);
    }
    ++generation_;
    requests_.clear();
    answers_.clear();
    owners_.clear();
  }
  wake_.notify_all();
  signal_.notify();
}

}  // namespace dstream::sqlserver
