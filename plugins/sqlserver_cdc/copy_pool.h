// Threads with a connection each that read tables for their copies.
//
// They start with the first request, so that a source with nothing to copy has the fetcher's
// connections only. A connection is open while there is something to do and a share of
// `connections` for it: see connection_shares.h.
//
// As a fetcher does (odbc_fetcher.h), a pool leaves threads behind that a server which does not
// answer keeps inside the driver: they own all they touch and tell nobody anything any more.
#pragma once

#include <memory>

#include "plugins/sqlserver_cdc/catalog.h"
#include "plugins/sqlserver_cdc/connection_shares.h"
#include "plugins/sqlserver_cdc/copy_fetcher.h"
#include "plugins/sqlserver_cdc/options.h"
#include "plugins/sqlserver_cdc/stop_signal.h"

namespace dstream::sqlserver {

class CopyPool : public CopyFetcher {
 public:
  // Pools whose threads are left behind, in this process and at a time.
  static constexpr int kLeftBehindMax = 4;

  // `signal` hears of every answer and outlives the pool.
  CopyPool(OdbcConnection target, const Options& options, const Catalog& catalog, LogLine log,
           std::shared_ptr<SlabPool> slabs, StopSignal& signal,
           std::shared_ptr<ConnectionShares> shares);
  // Cancels what runs and joins the threads, or leaves them behind if they do not end soon (I10):
  // only beyond kLeftBehindMax they are waited for. Neither `log` nor `signal` is used after this.
  ~CopyPool() override;

  void submit(CopyRequest request) override;
  std::unique_ptr<CopyAnswer> take() override;

 private:
  class Work;

  const std::shared_ptr<Work> work_;
};

}  // namespace dstream::sqlserver
