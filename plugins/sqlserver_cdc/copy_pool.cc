#include "plugins/sqlserver_cdc/copy_pool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "plugins/sqlserver_cdc/copy_queries.h"
#include "plugins/sqlserver_cdc/left_behind.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

// What a server that can be reached takes to answer that a statement is cancelled, many times over.
constexpr std::chrono::seconds kEndWait{3};
// A connection with nothing to do is closed then.
constexpr std::chrono::seconds kIdle{10};
// Shares are given back and wished for without a word: how often those who wait for one, or have
// one with nothing to do, look.
constexpr std::chrono::milliseconds kShareLook{20};
constexpr std::chrono::milliseconds kYieldLook{250};
constexpr std::chrono::milliseconds kReplicaLook{100};

std::atomic<int> left_behind{0};  // [any-thread]

uint32_t table_of(const CopyRequest& request) {
  return std::visit([](const auto& asked) { return asked.table; }, request);
}

bool is_whole(const CopyRequest& request) {
  const auto* chunk = std::get_if<ChunkRequest>(&request);
  return chunk != nullptr && chunk->whole;
}

}  // namespace

// What the threads of a pool share with it.
class CopyPool::Work : public std::enable_shared_from_this<CopyPool::Work> {
 public:
  Work(OdbcConnection target, const Options& options, const Catalog& catalog, LogLine log,
       std::shared_ptr<SlabPool> slabs, StopSignal& signal,
       std::shared_ptr<ConnectionShares> shares)
      : target_(std::move(target)),
        options_(options),
        catalog_(catalog),
        slabs_(std::move(slabs)),
        shares_(std::move(shares)),
        log_(std::move(log)),
        signal_(&signal) {}
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  void submit(CopyRequest request);
  std::unique_ptr<CopyAnswer> take();
  void stop();

 private:
  struct Worker {
    std::shared_ptr<Connection> connection;  // guarded by mutex_
  };

  void run(Worker& worker) noexcept;
  // True with a share taken, when something is to be done; false at the end.
  bool wait_for_share();
  void serve(Worker& worker);
  std::shared_ptr<Connection> connect(Worker& worker);
  void say_how(const CopyQueries& queries);
  void wait_for_replica(CopyQueries& queries, const CopyRequest& request);
  // False if it failed and nobody waits for it any more: the connection is of no use then.
  bool answer(CopyQueries& queries, const CopyRequest& request, uint64_t generation,
              const Worker& worker);
  // A request that this worker may answer: a table whose statement is open belongs to its worker.
  // Nothing if there was a failure since `generation`, at the end, if there was nothing to do for a
  // while, or if readers of changes need the connection.
  std::optional<CopyRequest> next_request(std::optional<uint32_t> open_table, const Worker& worker,
                                          uint64_t generation);
  std::optional<uint64_t> generation();  // nothing at the end
  // Everything asked for is forgotten. False, and nothing is done, if it was already, by a failure
  // since `generation`: what failed then was asked for by nobody any more.
  bool fail(const SourceError& error, std::optional<uint64_t> generation = std::nullopt);
  void notify();
  void cancel(const std::shared_ptr<Connection>& connection) noexcept;
  void ended();

  const OdbcConnection target_;
  const Options options_;
  const Catalog catalog_;
  const std::shared_ptr<SlabPool> slabs_;
  const std::shared_ptr<ConnectionShares> shares_;

  std::mutex mutex_;  // guards everything below
  std::condition_variable wake_;
  LogLine log_;  // these two: empty once nobody listens
  StopSignal* signal_;
  bool stopping_ = false;
  std::shared_ptr<LeftBehind> left_behind_;  // if it is
  SilenceWatch silence_;
  bool said_how_ = false;
  size_t running_ = 0;  // threads of workers, and those that cancel
  size_t idle_ = 0;     // workers that wait for a request
  std::deque<CopyRequest> requests_;
  std::deque<std::unique_ptr<CopyAnswer>> answers_;
  std::map<uint32_t, const Worker*> owners_;  // of tables whose statement is open
  std::unique_ptr<SourceError> failure_;
  uint64_t generation_ = 0;  // grows with each failure: answers to older requests are dropped
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

CopyPool::CopyPool(OdbcConnection target, const Options& options, const Catalog& catalog,
                   LogLine log, std::shared_ptr<SlabPool> slabs, StopSignal& signal,
                   std::shared_ptr<ConnectionShares> shares)
    : work_(std::make_shared<Work>(std::move(target), options, catalog, std::move(log),
                                   std::move(slabs), signal, std::move(shares))) {}

CopyPool::~CopyPool() { work_->stop(); }

void CopyPool::submit(CopyRequest request) { work_->submit(std::move(request)); }

std::unique_ptr<CopyAnswer> CopyPool::take() { return work_->take(); }

// Each connection by a thread of its own: one that does not answer keeps nobody else waiting.
void CopyPool::Work::stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  wake_.notify_all();
  for (const auto& worker : workers_) {
    if (worker->connection != nullptr && !worker->connection->calls().is_given_up()) {
      ++running_;
      threads_.emplace_back([work = shared_from_this(), connection = worker->connection] {
        work->cancel(connection);
      });
    }
  }
  const auto all_ended = [this] { return running_ == 0; };
  const auto limit = silence_.has_given_up() ? std::chrono::seconds(0) : kEndWait;
  if (!wake_.wait_for(lock, limit, all_ended) &&
      (left_behind_ = LeftBehind::take(left_behind, kLeftBehindMax)) != nullptr) {
    log_ = nullptr;
    signal_ = nullptr;
    for (std::thread& thread : threads_) {
      thread.detach();
    }
    return;
  }
  wake_.wait(lock, all_ended);
  lock.unlock();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void CopyPool::Work::cancel(const std::shared_ptr<Connection>& connection) noexcept {
  connection->cancel();
  ended();
}

void CopyPool::Work::ended() {
  {
    const std::lock_guard lock(mutex_);
    --running_;
  }
  wake_.notify_all();
}

// Under the lock: leaving behind comes before or after, never meanwhile.
void CopyPool::Work::notify() {
  const std::lock_guard lock(mutex_);
  if (signal_ != nullptr) {
    signal_->notify();
  }
}

void CopyPool::Work::submit(CopyRequest request) {
  {
    const std::lock_guard lock(mutex_);
    if (failure_ != nullptr) {
      return;  // the failure still to be told covers it
    }
    requests_.push_back(std::move(request));
    if (requests_.size() > idle_ && workers_.size() < options_.copy_connections()) {
      workers_.push_back(std::make_unique<Worker>());
      ++running_;
      threads_.emplace_back(
          [work = shared_from_this(), &worker = *workers_.back()] { work->run(worker); });
    }
  }
  wake_.notify_all();
}

std::unique_ptr<CopyAnswer> CopyPool::Work::take() {
  const std::lock_guard lock(mutex_);
  if (failure_ != nullptr) {
    const std::unique_ptr<SourceError> failure = std::exchange(failure_, nullptr);
    throw SourceError(*failure);
  }
  if (silence_.look(std::chrono::steady_clock::now())) {
    throw server_is_silent(target_.target);
  }
  if (answers_.empty()) {
    return nullptr;
  }
  std::unique_ptr<CopyAnswer> answer = std::move(answers_.front());
  answers_.pop_front();
  return answer;
}

void CopyPool::Work::run(Worker& worker) noexcept {
  while (wait_for_share()) {
    try {
      serve(worker);
    } catch (const SourceError& error) {
      fail(error);
    } catch (const std::bad_alloc&) {
      fail({DSTREAM_REOPEN, "Out of memory."});
    } catch (const std::exception& error) {
      fail({DSTREAM_FATAL, error.what()});
    }
    std::shared_ptr<Connection> done;
    {
      const std::lock_guard lock(mutex_);
      done.swap(worker.connection);
      std::erase_if(owners_, [&](const auto& owner) { return owner.second == &worker; });
    }
    done.reset();  // without the lock: closing may wait for the server
    shares_->give_back_of_copies();
  }
  ended();
}

bool CopyPool::Work::wait_for_share() {
  std::unique_lock lock(mutex_);
  ++idle_;
  bool taken = false;
  while (!stopping_ && !taken) {
    if (requests_.empty()) {
      shares_->withdraw_wish_of_copies();
      wake_.wait(lock);
    } else {
      taken = shares_->take_for_copies();
      if (!taken) {
        wake_.wait_for(lock, kShareLook);
      }
    }
  }
  --idle_;
  return taken;
}

std::shared_ptr<Connection> CopyPool::Work::connect(Worker& worker) {
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
  worker.connection = connection;
  return connection;
}

void CopyPool::Work::say_how(const CopyQueries& queries) {
  const std::lock_guard lock(mutex_);
  if (!std::exchange(said_how_, true) && queries.takes_locks() && log_) {
    log_(DSTREAM_LOG_WARN,
         "Database " + catalog_.database +
             " keeps no row versions, so copying tables locks each row for the moment of its "
             "reading. To copy without locks: ALTER DATABASE " +
             quote_identifier(catalog_.database) + " SET ALLOW_SNAPSHOT_ISOLATION ON;");
  }
}

void CopyPool::Work::serve(Worker& worker) {
  const std::shared_ptr<Connection> connection = connect(worker);
  if (connection == nullptr) {
    return;
  }
  CopyQueries queries(*connection, catalog_, slabs_, options_.value_bytes_max);
  say_how(queries);
  while (const std::optional<uint64_t> now = generation()) {
    while (const std::optional<CopyRequest> request =
               next_request(queries.open_table(), worker, *now)) {
      if (!answer(queries, *request, *now, worker)) {
        return;
      }
    }
    if (now == generation()) {
      return;
    }
    queries.forget_open_table();
  }
}

// Behind a listener there may be replicas that are not as far as the one that said what is new.
// Rows from before that would go out in an older state than their changes did (design note 004).
void CopyPool::Work::wait_for_replica(CopyQueries& queries, const CopyRequest& request) {
  while (!queries.has_reached(request)) {
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, kReplicaLook, [this] { return stopping_; })) {
      throw SourceError(DSTREAM_CANCELLED, "The source was asked to stop.");
    }
  }
}

bool CopyPool::Work::answer(CopyQueries& queries, const CopyRequest& request, uint64_t generation,
                            const Worker& worker) {
  bool counts = true;
  try {
    wait_for_replica(queries, request);
    auto answer = std::make_unique<CopyAnswer>(queries.run(request));
    const std::lock_guard lock(mutex_);
    if (!queries.open_table()) {
      std::erase_if(owners_, [&](const auto& owner) { return owner.second == &worker; });
    }
    if (generation == generation_) {
      answers_.push_back(std::move(answer));
    }
  } catch (const SourceError& error) {
    counts = fail(error, generation);
  }
  wake_.notify_all();
  notify();
  return counts;
}

std::optional<uint64_t> CopyPool::Work::generation() {
  const std::lock_guard lock(mutex_);
  return stopping_ ? std::nullopt : std::optional(generation_);
}

std::optional<CopyRequest> CopyPool::Work::next_request(std::optional<uint32_t> open_table,
                                                        const Worker& worker, uint64_t generation) {
  const auto may_answer = [&](const CopyRequest& each) {
    if (open_table) {
      return is_whole(each) && table_of(each) == *open_table;
    }
    const auto owner = owners_.find(table_of(each));
    return !is_whole(each) || owner == owners_.end() || owner->second == &worker;
  };
  std::unique_lock lock(mutex_);
  const auto idle_until = std::chrono::steady_clock::now() + kIdle;
  while (!stopping_ && generation == generation_) {
    if (!open_table && shares_->copies_should_yield()) {
      break;
    }
    const auto at = std::find_if(requests_.begin(), requests_.end(), may_answer);
    if (at != requests_.end()) {
      CopyRequest request = std::move(*at);
      requests_.erase(at);
      if (is_whole(request)) {
        owners_[table_of(request)] = &worker;
      }
      return request;
    }
    const auto now = std::chrono::steady_clock::now();
    if (now >= idle_until && !open_table) {
      break;
    }
    ++idle_;
    if (open_table) {
      wake_.wait(lock);
    } else {
      wake_.wait_until(lock, std::min(idle_until, now + kYieldLook));
    }
    --idle_;
  }
  return std::nullopt;
}

bool CopyPool::Work::fail(const SourceError& error, std::optional<uint64_t> generation) {
  {
    const std::lock_guard lock(mutex_);
    if (generation && *generation != generation_) {
      return false;
    }
    if (failure_ == nullptr) {
      failure_ = std::make_unique<SourceError>(error);
    }
    ++generation_;
    requests_.clear();
    answers_.clear();
    owners_.clear();
  }
  wake_.notify_all();
  notify();
  return true;
}

}  // namespace dstream::sqlserver
