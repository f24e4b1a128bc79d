// Threads with a connection each that answer the stream's requests.
//
// The first one connects and reads the catalog; the source waits for that in open() without being
// bound to it. It answers everything, and alone for as long as it keeps up; further connections
// answer pages of different tables (design: docs/design/006-reading-pool.md). Requests and answers
// pass through a mutex once a page, not once a row.
//
// Microsoft's driver waits 120 s for a server that does not answer that it should stop, in the call
// that runs and in SQLCancel alike, and nothing interrupts that. So catalog() and take() watch that
// calls come back (driver_calls.h), and a fetcher leaves threads behind that are in such a call:
// they own all they touch, tell nobody anything any more, and end with their connection.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "plugins/sqlserver_cdc/fetch_work.h"

namespace dstream::sqlserver {

class OdbcFetcher : public ChangeFetcher {
 public:
  // Fetchers whose threads are left behind, in this process and at a time.
  static constexpr int kLeftBehindMax = 4;

  // Starts to connect. `signal` hears of every answer and outlives the fetcher. `shares` are the
  // connections that it may open besides the first.
  OdbcFetcher(OdbcConnection target, Options options, Position position, LogLine log,
              std::shared_ptr<SlabPool> pool, StopSignal& signal,
              std::shared_ptr<ConnectionShares> shares, FetchTimes times = {});
  // Cancels what runs and joins the threads, or leaves them behind if they do not end soon (I10):
  // only beyond kLeftBehindMax they are waited for. Neither `log` nor `signal` is used after this.
  ~OdbcFetcher() override;

  // The catalog once it is there. Throws SourceError if connecting or checking failed. This and
  // take() are to be called every second or so, and throw REOPEN if a server has gone silent.
  const Catalog* catalog();
  // Says how the stream groups tables. Before the first submit().
  void set_groups(std::vector<std::vector<uint32_t>> groups);

  void submit(FetchRequest request) override;
  std::unique_ptr<FetchAnswer> take() override;

 private:
  const std::shared_ptr<FetchWork> work_;
  std::vector<std::thread> threads_;
};

}  // namespace dstream::sqlserver
