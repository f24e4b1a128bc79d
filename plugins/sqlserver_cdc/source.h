// The source as the host sees it: open, read, stop, close.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "dstream/plugin.hpp"
#include "plugins/sqlserver_cdc/change_stream.h"
#include "plugins/sqlserver_cdc/copy_pool.h"
#include "plugins/sqlserver_cdc/instance_log.h"
#include "plugins/sqlserver_cdc/instance_manager.h"
#include "plugins/sqlserver_cdc/metrics.h"
#include "plugins/sqlserver_cdc/odbc_fetcher.h"
#include "plugins/sqlserver_cdc/options.h"
#include "plugins/sqlserver_cdc/source_status.h"
#include "plugins/sqlserver_cdc/stop_signal.h"

namespace dstream::sqlserver {

// Thread rule: [worker]; request_stop() is [any-thread].
class Source {
 public:
  // `config` satisfies kConfigSchema. Throws SourceError(CONFIG) for what a schema cannot say.
  Source(Host host, std::string_view config);

  // Connects and checks. Returns within the login time-out and a few statements; a stop ends it at
  // once with SourceError(CANCELLED).
  void open(std::string_view position);
  // At most `records_max` records, waiting at most `wait` for them; nullptr if there are none, a
  // stop was requested or the source has ended. Errors are those of ChangeStream::step().
  dstream_batch* read(uint32_t records_max, Millis wait);
  // What `position` says is durable: see ChangeStream::committed().
  void commit(std::string_view position);
  void close();

  // Replaces the options. Throws as the constructor, and has then changed nothing. REQUIRES: not
  // open.
  void reconfigure(std::string_view config);
  // What the pipeline's on_data_loss says; kept when the options are replaced. Throws
  // SourceError(CONFIG) if the options say otherwise. REQUIRES: not open.
  void set_data_loss_policy(dstream_data_loss_policy policy);
  // For `dstream doctor`; see checks.h. REQUIRES: not open.
  void check(const Checks& checks) const;

  SourceStatus& status() { return status_; }  // [any-thread]
  void request_stop() noexcept { signal_.request(); }
  bool stopped() const { return signal_.stopped(); }
  bool ended() const { return stream_ != nullptr && stream_->ended(); }

 private:
  void connect(const Position& position);
  void close_connections();
  // What connect() began: true once the stream is there.
  bool make_stream();
  void make_stream(const Catalog& catalog, const Position& position);
  bool has_reloaded();
  // Goes on with what the server says of the tables now.
  void reload();
  void manage_instances();
  void note_instance(const CatalogTable& table, StreamTable& stream_table);
  void log_start(const CatalogTable& table);
  void log_copies();
  void begin_requested();
  void record_metrics();

  Host host_;
  Metrics metrics_;
  StopSignal::Clock::time_point publish_at_{};
  CopyProgress recorded_;  // what log, status and metrics have of the copies
  Lags lags_;              // of the last step
  Options options_;
  dstream_data_loss_policy data_loss_ = DSTREAM_DATA_LOSS_STOP;
  OdbcConnection target_;
  StopSignal signal_;
  SourceStatus status_;
  std::string committed_;  // the newest position that the host has said is durable
  Position opening_;       // where the stream begins that connect() is for
  InstanceLog instances_;
  std::unique_ptr<InstanceManager> manager_;  // where instances are managed
  std::shared_ptr<SlabPool> pool_;
  std::shared_ptr<ConnectionShares> shares_;
  std::unique_ptr<OdbcFetcher> fetcher_;
  std::unique_ptr<CopyPool> copies_;
  std::unique_ptr<ChangeStream> stream_;
};

}  // namespace dstream::sqlserver
