// What the threads of an OdbcFetcher share with it: requests, answers, connections, the end.
//
// run_first() connects, reads the catalog and answers what the queue gives it. run_helper() waits
// until a page has waited for a while, connects, answers pages, and closes its connection when
// there was nothing to do for long, after any failure, and when its server turns out to be behind.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "plugins/sqlserver_cdc/catalog.h"
#include "plugins/sqlserver_cdc/connection_shares.h"
#include "plugins/sqlserver_cdc/fetch_queue.h"
#include "plugins/sqlserver_cdc/stop_signal.h"
#include "plugins/sqlserver_cdc/update_mask.h"

namespace dstream::sqlserver {

class ChangeQueries;

struct FetchTimes {
  // A page waits so long before a connection is opened for it: those there are may be enough.
  std::chrono::milliseconds patience{20};
  // A helper's connection with nothing to do is closed then, or then if copies could use it.
  std::chrono::milliseconds idle{30'000};
  std::chrono::milliseconds idle_beside_copies{1'000};
  // After a helper could not connect, or its server was behind, none tries for so long.
  std::chrono::milliseconds refused{30'000};
};

class FetchWork {
 public:
  FetchWork(OdbcConnection target, Options options, Position position, LogLine log,
            std::shared_ptr<SlabPool> pool, StopSignal& signal,
            std::shared_ptr<ConnectionShares> shares, FetchTimes times);
  FetchWork(const FetchWork&) = delete;
  FetchWork& operator=(const FetchWork&) = delete;

  // Bodies of threads: each ends with stop(), and calls thread_ends() last. Whoever starts it calls
  // thread_begins() first.
  void run_first() noexcept;
  void run_helper() noexcept;
  void cancel(std::shared_ptr<Connection> connection) noexcept;

  // From now on threads end. Returns the connections that have to be cancelled, each by a thread of
  // its own.
  std::vector<std::shared_ptr<Connection>> stop();
  void thread_begins();
  void thread_ends();
  // True once every thread has ended; waits for that for at most `limit`.
  bool has_ended(std::chrono::milliseconds limit);
  // A server has not answered for longer than it may: its thread need not be waited for.
  bool is_silent();
  // Neither log nor signal are used after this. `counted` lives as long as this does.
  void leave_behind(std::shared_ptr<void> counted);

  // These two throw SourceError(REOPEN) as well if a server does not answer any more.
  const Catalog* catalog();
  std::unique_ptr<FetchAnswer> take();
  void set_groups(std::vector<std::vector<uint32_t>> groups);
  // True: a thread for run_helper() would be of use.
  bool submit(FetchRequest request);

 private:
  using Clock = std::chrono::steady_clock;
  using Task = FetchQueue::Task;
  enum class Outcome { kAnswered, kBehind, kFailed };

  std::shared_ptr<Connection> connect();
  void disconnect(std::shared_ptr<Connection> connection);
  void read_catalog(Connection& connection);
  void serve(Connection& connection);
  std::optional<Task> next_request();
  bool wait_until_needed();
  bool is_needed() const;
  void help() noexcept;
  void answer_pages(Connection& connection);
  std::optional<Task> next_page();
  Outcome answer(ChangeQueries& queries, Task task, bool is_first);
  void fail(const SourceError& error);
  void watch();
  void cannot_help(const std::string& why);
  void log(dstream_log_level level, const std::string& line);
  void notify();

  const OdbcConnection target_;
  const Options options_;
  const Position position_;
  const std::shared_ptr<SlabPool> pool_;
  const std::shared_ptr<ConnectionShares> shares_;
  const FetchTimes times_;
  const std::shared_ptr<MaskOrderLearner> mask_order_;

  std::mutex mutex_;  // guards everything below
  std::condition_variable wake_;
  int threads_ = 0;  // begun and not ended
  LogLine log_;      // these two: empty once nobody listens
  StopSignal* signal_;
  std::shared_ptr<void> counted_;
  bool stopping_ = false;
  bool have_groups_ = false;
  bool said_cannot_help_ = false;
  std::vector<std::vector<uint32_t>> groups_;
  std::unique_ptr<Catalog> catalog_;  // immutable once set
  FetchQueue queue_;
  bool is_first_busy_ = false;
  size_t helpers_ = 0;          // threads
  size_t helpers_waiting_ = 0;  // of them, with nothing to do, connected or not
  size_t helpers_idle_ = 0;     // of these, connected
  size_t helpers_coming_ = 0;   // connecting
  Clock::time_point no_helper_before_{};
  std::vector<std::shared_ptr<Connection>> connections_;
  SilenceWatch silence_;
};

}  // namespace dstream::sqlserver
