// A thread with a connection that answers the stream's requests in order.
//
// It connects and reads the catalog first; the source waits for that in open() without being bound
// to it. Requests and answers pass through a mutex once a page, not once a row.
//
// Microsoft's driver waits 120 s for a server that does not answer that it should stop, in the call
// that runs and in SQLCancel alike, and nothing interrupts that. A fetcher leaves such threads
// behind: they own all they touch, tell nobody anything any more, and end with their connection.
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "plugins/sqlserver_cdc/catalog.h"
#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/stop_signal.h"

namespace dstream::sqlserver {

class OdbcFetcher : public ChangeFetcher {
 public:
  // Fetchers whose threads are left behind, in this process and at a time.
  static constexpr int kLeftBehindMax = 4;

  // Starts to connect. `signal` hears of every answer and outlives the fetcher.
  OdbcFetcher(OdbcConnection target, Options options, Position position, LogLine log,
              std::shared_ptr<SlabPool> pool, StopSignal& signal);
  // Cancels what runs and joins the thread, or leaves it behind if it does not end soon (I10): only
  // beyond kLeftBehindMax it is waited for. Neither `log` nor `signal` is used after this.
  ~OdbcFetcher() override;

  // The catalog once it is there. Throws SourceError if connecting or checking failed.
  const Catalog* catalog();
  // Says how the stream groups tables. Before the first submit().
  void set_groups(std::vector<std::vector<uint32_t>> groups);

  void submit(FetchRequest request) override;
  std::unique_ptr<FetchAnswer> take() override;

 private:
  class Work;

  const std::shared_ptr<Work> work_;
  std::thread thread_;
};

}  // namespace dstream::sqlserver
