#include "plugins/sqlserver_cdc/odbc_fetcher.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "plugins/sqlserver_cdc/change_queries.h"

namespace dstream::sqlserver {
namespace {

// What a server that can be reached takes to answer that a statement is cancelled, many times over.
constexpr std::chrono::seconds kEndWait{3};

std::atomic<int> left_behind{0};  // [any-thread]

// Counts a fetcher left behind, if there may be another one.
bool may_leave() {
  int count = left_behind.load();
  while (count < OdbcFetcher::kLeftBehindMax) {
    if (left_behind.compare_exchange_weak(count, count + 1)) {
      return true;
    }
  }
  return false;
}

}  // namespace

// What the threads of a fetcher share with it.
class OdbcFetcher::Work {
 public:
  Work(OdbcConnection target, Options options, Position position, LogLine log,
       std::shared_ptr<SlabPool> pool, StopSignal& signal)
      : target_(std::move(target)),
        options_(std::move(options)),
        position_(std::move(position)),
        pool_(std::move(pool)),
        log_(std::move(log)),
        signal_(&signal) {}
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;
  ~Work() {
    if (is_left_behind_) {
      --left_behind;
    }
  }

  void run() noexcept;
  // What runs ends, if the driver lets it.
  void cancel() noexcept;
  void stop();
  // True once run() and every cancel() are over; waits for that up to kEndWait.
  bool has_ended();
  void leave_behind();

  const Catalog* catalog();
  void set_groups(std::vector<std::vector<uint32_t>> groups);
  void submit(FetchRequest request);
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

  void connect();
  void serve();
  std::optional<FetchRequest> next_request();
  void fail(const SourceError& error);
  void log(dstream_log_level level, const std::string& line);
  void notify();
  void ended();

  const OdbcConnection target_;
  const Options options_;
  const Position position_;
  const std::shared_ptr<SlabPool> pool_;

  std::mutex mutex_;  // guards everything below
  std::condition_variable wake_;
  int threads_ = 2;  // run() and cancel()
  LogLine log_;      // these two: empty once nobody listens
  StopSignal* signal_;
  bool stopping_ = false;
  bool is_left_behind_ = false;
  bool have_groups_ = false;
  std::vector<std::vector<uint32_t>> groups_;
  std::unique_ptr<Catalog> catalog_;  // immutable once set
  std::deque<FetchRequest> requests_;
  std::deque<std::unique_ptr<FetchAnswer>> answers_;
  std::optional<Failure> failure_;  // comes after the answers
  std::shared_ptr<Connection> connection_;
};

OdbcFetcher::OdbcFetcher(OdbcConnection target, Options options, Position position, LogLine log,
                         std::shared_ptr<SlabPool> pool, StopSignal& signal)
    : work_(std::make_shared<Work>(std::move(target), std::move(options), std::move(position),
                                   std::move(log), std::move(pool), signal)),
      thread_([work = work_] { work->run(); }) {}

OdbcFetcher::~OdbcFetcher() {
  work_->stop();
  std::thread canceller([work = work_] { work->cancel(); });
  if (!work_->has_ended() && may_leave()) {
    work_->leave_behind();
    thread_.detach();
    canceller.detach();
    return;
  }
  canceller.join();
  thread_.join();
}

const Catalog* OdbcFetcher::catalog() { return work_->catalog(); }

void OdbcFetcher::set_groups(std::vector<std::vector<uint32_t>> groups) {
  work_->set_groups(std::move(groups));
}

void OdbcFetcher::submit(FetchRequest request) { work_->submit(std::move(request)); }

std::unique_ptr<FetchAnswer> OdbcFetcher::take() { return work_->take(); }

void OdbcFetcher::Work::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
}

void OdbcFetcher::Work::cancel() noexcept {
  std::shared_ptr<Connection> running;
  {
    const std::lock_guard lock(mutex_);
    running = connection_;
  }
  if (running != nullptr) {
    running->cancel();
    running.reset();  // may be the last to hold it, and so the one that closes it
  }
  ended();
}

void OdbcFetcher::Work::ended() {
  {
    const std::lock_guard lock(mutex_);
    --threads_;
  }
  wake_.notify_all();
}

bool OdbcFetcher::Work::has_ended() {
  std::unique_lock lock(mutex_);
  return wake_.wait_for(lock, kEndWait, [this] { return threads_ == 0; });
}

void OdbcFetcher::Work::leave_behind() {
  const std::lock_guard lock(mutex_);
  is_left_behind_ = true;
  log_ = nullptr;
  signal_ = nullptr;
}

// Under the lock: leave_behind() comes before or after, never meanwhile.
void OdbcFetcher::Work::log(dstream_log_level level, const std::string& line) {
  const std::lock_guard lock(mutex_);
  if (log_) {
    log_(level, line);
  }
}

void OdbcFetcher::Work::notify() {
  const std::lock_guard lock(mutex_);
  if (signal_ != nullptr) {
    signal_->notify();
  }
}

const Catalog* OdbcFetcher::Work::catalog() {
  const std::lock_guard lock(mutex_);
  if (failure_) {
    throw failure_->error();
  }
  return catalog_.get();
}

void OdbcFetcher::Work::set_groups(std::vector<std::vector<uint32_t>> groups) {
  {
    const std::lock_guard lock(mutex_);
    groups_ = std::move(groups);
    have_groups_ = true;
  }
  wake_.notify_all();
}

void OdbcFetcher::Work::submit(FetchRequest request) {
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
  }
  wake_.notify_all();
}

std::unique_ptr<FetchAnswer> OdbcFetcher::Work::take() {
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

void OdbcFetcher::Work::run() noexcept {
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
  std::shared_ptr<Connection> done;
  {
    const std::lock_guard lock(mutex_);
    done.swap(connection_);
  }
  done.reset();  // without the lock: closing may wait for the server
  ended();
}

void OdbcFetcher::Work::connect() {
  auto connection =
      std::make_shared<Connection>(target_, options_.login_timeout, options_.query_timeout);
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) {
      return;
    }
    connection_ = connection;
  }
  auto catalog = std::make_unique<Catalog>(
      load_catalog(*connection, options_, position_,
                   [this](dstream_log_level level, const std::string& line) { log(level, line); }));
  {
    const std::lock_guard lock(mutex_);
    catalog_ = std::move(catalog);
  }
  notify();
}

std::optional<FetchRequest> OdbcFetcher::Work::next_request() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || (have_groups_ && !requests_.empty()); });
  if (stopping_) {
    return std::nullopt;
  }
  FetchRequest request = std::move(requests_.front());
  requests_.pop_front();
  return request;
}

void OdbcFetcher::Work::serve() {
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
      notify();
    } catch (const SourceError& error) {
      // Whether the connection can go on is the host's decision, by the status: it asks again, or
      // closes and opens.
      fail(error);
    }
  }
}

void OdbcFetcher::Work::fail(const SourceError& error) {
  {
    const std::lock_guard lock(mutex_);
    failure_ = Failure{error.status, error.what(), error.vendor_code, error.sqlstate};
    requests_.clear();
  }
  notify();
}

}  // namespace dstream::sqlserver
