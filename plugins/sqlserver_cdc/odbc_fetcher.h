// A thread with a connection that answers the stream's requests in order.
//
// It connects and reads the catalog first; the source waits for that in open() without being bound
// to it. Requests and answers pass through a mutex once a page, not once a row.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "plugins/sqlserver_cdc/catalog.h"
#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/stop_signal.h"

namespace dstream::sqlserver {

class OdbcFetcher : public ChangeFetcher {
 public:
  // Starts to connect. `signal` hears of every answer and outlives the fetcher.
  OdbcFetcher(OdbcConnection target, Options options, Position position, LogLine log,
              std::shared_ptr<SlabPool> pool, StopSignal& signal);
  // Cancels what runs and joins the thread. A connection attempt under way is waited for.
  ~OdbcFetcher() override;

  // The catalog once it is there. Throws SourceError if connecting or checking failed.
  const Catalog* catalog();
  // Says how the stream groups tables. Before the first submit().
  void set_groups(std::vector<std::vector<uint32_t>> groups);

  void submit(FetchRequest request) override;
  std::unique_ptr<FetchAnswer> take() override;

 private:
  // What a SourceError is made from in the thread that throws it; exceptions stay in theirs.
  struct Failure {
    dstream_status status = DSTREAM_FATAL;
    std::string message;
    int32_t vendor_code = 0;
    std::string sqlstate;
    SourceError error() const { return {status, message, vendor_code, sqlstate}; }
  };

  void run() noexcept;
  void connect();
  void serve();
  std::optional<FetchRequest> next_request();
  void fail(const SourceError& error);

  const OdbcConnection target_;
  const Options options_;
  const Position position_;
  const LogLine log_;
  const std::shared_ptr<SlabPool> pool_;
  StopSignal& signal_;

  std::mutex mutex_;  // guards everything below up to the thread
  std::condition_variable wake_;
  bool stopping_ = false;
  bool have_groups_ = false;
  std::vector<std::vector<uint32_t>> groups_;
  std::unique_ptr<Catalog> catalog_;  // immutable once set
  std::deque<FetchRequest> requests_;
  std::deque<std::unique_ptr<FetchAnswer>> answers_;
  std::optional<Failure> failure_;  // comes after the answers
  std::shared_ptr<Connection> connection_;

  std::thread thread_;
};

}  // namespace dstream::sqlserver
