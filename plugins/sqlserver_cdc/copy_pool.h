// Threads with a connection each that read tables for their copies.
//
// They start with the first request, so that a source with nothing to copy has the fetcher's
// connection only, and connect when there is something for them to do.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "plugins/sqlserver_cdc/catalog.h"
#include "plugins/sqlserver_cdc/copy_fetcher.h"
#include "plugins/sqlserver_cdc/options.h"
#include "plugins/sqlserver_cdc/source_error.h"
#include "plugins/sqlserver_cdc/stop_signal.h"

namespace dstream::sqlserver {

class CopyQueries;

class CopyPool : public CopyFetcher {
 public:
  // Everything borrowed outlives the pool. `signal` hears of every answer.
  CopyPool(OdbcConnection target, const Options& options, const Catalog& catalog, LogLine log,
           std::shared_ptr<SlabPool> slabs, StopSignal& signal);
  // Cancels what runs and joins the threads.
  ~CopyPool() override;

  void submit(CopyRequest request) override;
  std::unique_ptr<CopyAnswer> take() override;

 private:
  struct Worker {
    std::shared_ptr<Connection> connection;  // guarded by mutex_
    std::thread thread;
  };

  void run(Worker& worker) noexcept;
  void serve(Worker& worker);
  std::shared_ptr<Connection> connect(Worker& worker);
  void say_how(const CopyQueries& queries);
  void answer(CopyQueries& queries, const CopyRequest& request, uint64_t generation,
              const Worker& worker);
  // A request that this worker may answer: a table whose statement is open belongs to its worker.
  // Nothing if there was a failure since `generation`, or at the end.
  std::optional<CopyRequest> next_request(std::optional<uint32_t> open_table, const Worker& worker,
                                          uint64_t generation);
  std::optional<uint64_t> generation();  // nothing at the end
  void fail(const SourceError& error);

  const OdbcConnection target_;
  const Options options_;
  const Catalog& catalog_;
  const LogLine log_;
  const std::shared_ptr<SlabPool> slabs_;
  StopSignal& signal_;

  std::mutex mutex_;  // guards everything below
  std::condition_variable wake_;
  bool stopping_ = false;
  bool said_how_ = false;
  size_t idle_ = 0;  // workers that wait for a request
  std::deque<CopyRequest> requests_;
  std::deque<std::unique_ptr<CopyAnswer>> answers_;
  std::map<uint32_t, const Worker*> owners_;  // of tables whose statement is open
  std::unique_ptr<SourceError> failure_;
  uint64_t generation_ = 0;  // grows with each failure: answers to older requests are dropped
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace dstream::sqlserver
