#include "plugins/sqlserver_cdc/source.h"

#include <algorithm>

#include "plugins/sqlserver_cdc/checks.h"
#include "plugins/sqlserver_cdc/copy_queries.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

using SteadyClock = StopSignal::Clock;

// Slabs kept for the next pages: what is read ahead, and about as much on its way to the sink.
constexpr size_t kPoolFactor = 2;
constexpr Millis kPublishInterval{100};
constexpr Millis kWatchInterval{1'000};  // looks whether the server has gone silent

Millis steady_now() {
  return std::chrono::duration_cast<Millis>(SteadyClock::now().time_since_epoch());
}

int64_t unix_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A first guess, until rows were measured: values, and text a quarter full.
size_t guess_row_bytes(const TableDescription& description) {
  size_t bytes = sizeof(ChangeRow);
  for (const CapturedColumn& column : description.columns) {
    bytes += sizeof(dstream_value);
    bytes += column.type.fetch == Fetch::kUtf16 || column.type.fetch == Fetch::kBytes
                 ? column.type.width / 4
                 : 0;
  }
  return bytes;
}

}  // namespace

Source::Source(Host host, std::string_view config)
    : host_(host),
      metrics_(host),
      options_(parse_options(config)),
      target_(make_connection(options_.connection, installed_drivers())),
      pool_(std::make_shared<SlabPool>(options_.read_ahead_bytes * kPoolFactor)) {}

void Source::reconfigure(std::string_view config) {
  Options options = parse_options(config);
  take_data_loss_policy(data_loss_, &options);
  target_ = make_connection(options.connection, installed_drivers());
  options_ = std::move(options);
}

void Source::set_data_loss_policy(dstream_data_loss_policy policy) {
  take_data_loss_policy(policy, &options_);
  data_loss_ = policy;
}

void Source::open(std::string_view position_text) {
  record_metrics();
  close_connections();
  instances_.clear();
  if (target_.unverified) {
    host_.log(DSTREAM_LOG_WARN,
              "The connection to " + target_.target +
                  " is encrypted, but FreeTDS does not check the server's certificate. Install "
                  "msodbcsql18, or say trust_server_certificate=yes to accept that.");
  }
  connect(parse_position(position_text));
  for (;;) {
    const uint64_t seen = signal_.events();
    if (make_stream()) {
      return;
    }
    if (signal_.stopped()) {
      throw SourceError(DSTREAM_CANCELLED, "The source was asked to stop while it connected.");
    }
    signal_.wait_event(seen, SteadyClock::now() + kWatchInterval);
  }
}

void Source::connect(const Position& position) {
  opening_ = position;
  const Host host = host_;
  shares_ =
      std::make_shared<ConnectionShares>(options_.copy_connections(), options_.connections - 1);
  fetcher_ = std::make_unique<OdbcFetcher>(
      target_, options_, opening_,
      [host](dstream_log_level level, const std::string& line) { host.log(level, line); }, pool_,
      signal_, shares_);
}

bool Source::make_stream() {
  const Catalog* catalog = fetcher_->catalog();
  if (catalog != nullptr) {
    make_stream(*catalog, opening_);
  }
  return catalog != nullptr;
}

// On a connection of its own, as open() does it: what was asked of the old one is forgotten, and
// nothing that has left is asked for again.
void Source::reload() {
  const Position position = parse_position(stream_->position());
  for (const TableName& table : instances_.tables()) {
    instances_.tell(table, stream_->told(table));
  }
  close_connections();
  connect(position);
}

bool Source::has_reloaded() {
  try {
    return make_stream();
  } catch (const SourceError& error) {
    if (error.status != DSTREAM_RETRY) {
      throw;
    }
    // Only another connection asks again.
    throw SourceError(DSTREAM_REOPEN, error.what(), error.vendor_code, error.sqlstate);
  }
}

void Source::log_start(const CatalogTable& table) {
  const TableDescription& description = table.instance.description;
  if (options_.snapshot == SnapshotMode::kNever) {
    host_.log(DSTREAM_LOG_INFO, description.table.text() +
                                    " has no position yet: reading starts at its oldest captured "
                                    "change, capture instance " +
                                    table.instance.name + '.');
  } else if (can_copy_by_key(description)) {
    host_.log(DSTREAM_LOG_INFO,
              description.table.text() + " has no position yet: its rows are copied first.");
  } else {
    host_.log(DSTREAM_LOG_WARN,
              description.table.text() +
                  " has no key that its rows can be copied by in pieces: they are read by one "
                  "statement, from the first row again after a restart, and changes of all tables "
                  "wait meanwhile.");
  }
}

void Source::begin_requested() {
  for (const TableName& table : status_.take_requests()) {
    host_.log(DSTREAM_LOG_INFO, "The rows of " + table.text() + " are copied again, as asked.");
    stream_->copy_again(table);
  }
}

// A line when a table is done; one with the rows so far is the status line's business.
void Source::log_copies() {
  lags_ = stream_->lags();
  status_.publish(lags_);
  const SteadyClock::time_point at = SteadyClock::now();
  const CopyProgress now = stream_->copies().progress();
  const bool is_done = now.tables_copied != recorded_.tables_copied;
  if (is_done || now.tables_left != recorded_.tables_left ||
      at >= publish_at_) {  // as many as there are tables: not with every batch
    status_.publish(stream_->copies().tables(), at);
    publish_at_ = at + kPublishInterval;
  }
  for (const std::string& warning : stream_->take_warnings()) {
    host_.log(DSTREAM_LOG_WARN, warning);
  }
  const std::vector<TableName> without_older = stream_->take_without_older();
  for (const TableName& table : without_older) {
    instances_.forget_older(table);
  }
  if (!without_older.empty()) {
    status_.set_superseded(instances_.superseded());
  }
  if (stream_->take_settled()) {
    host_.log(DSTREAM_LOG_INFO,
              "The copies are consistent: the stream has passed every change that they may hold.");
  }
  metrics_.gap_snapshots.add(static_cast<double>(stream_->take_gap_copies()));
  metrics_.snapshot_rows.add(static_cast<double>(now.rows - recorded_.rows));
  metrics_.snapshot_chunks.add(static_cast<double>(now.chunks - recorded_.chunks));
  recorded_ = now;
  if (is_done) {
    host_.log(DSTREAM_LOG_INFO, std::to_string(now.tables_copied) + " of " +
                                    std::to_string(now.tables_copied + now.tables_left) +
                                    " tables are copied, " + std::to_string(now.rows) +
                                    " rows so far.");
  }
}

// Also while nothing can be read: a lag grows then, whatever was seen last.
void Source::record_metrics() {
  const Millis now = steady_now();
  if (const auto lag = lags_.of_source(now)) {
    metrics_.lag_seconds.set(std::chrono::duration<double>(lag->value).count());
  }
  if (const auto lag = lags_.of_capture(now)) {
    metrics_.capture_lag_seconds.set(std::chrono::duration<double>(lag->value).count());
    metrics_.capture_lag_is_bound.set(lag->is_bound ? 1 : 0);
  }
}

void Source::make_stream(const Catalog& catalog, const Position& position) {
  std::vector<StreamTable> tables;
  for (const CatalogTable& table : catalog.tables) {
    const TableDescription& description = table.instance.description;
    tables.push_back({description.table, intern_schema(description), table.poll_interval,
                      table.max_poll_interval, guess_row_bytes(description),
                      can_copy_by_key(description), key_columns(description), table.instance.name,
                      table.superseded.empty() ? Lsn{} : table.instance.start,
                      !table.superseded.empty(), table.instance.definition});
    tables.back().foreign = table.foreign;
    if (position.find(description.table) == nullptr) {
      log_start(table);
    }
    note_instance(table, tables.back());
  }
  std::vector<TableName> names;
  names.reserve(tables.size());
  for (const StreamTable& table : tables) {
    names.push_back(table.name);
  }
  status_.set_tables(std::move(names));
  const Host host = host_;
  copies_ = std::make_unique<CopyPool>(
      target_, options_, catalog,
      [host](dstream_log_level level, const std::string& line) { host.log(level, line); }, pool_,
      signal_, shares_);
  const StreamSettings settings{options_.page_rows, options_.read_ahead_bytes,
                                options_.snapshot,  options_.copy_connections(),
                                options_.poll,      options_.copies_gaps};
  stream_ =
      std::make_unique<ChangeStream>(std::move(tables), position, settings, *fetcher_, *copies_);
  if (stream_->waits_for_commit() && !committed_.empty()) {
    stream_->committed(parse_position(committed_));
  }
  recorded_ = stream_->copies().progress();
  fetcher_->set_groups(stream_->groups());
  manage_instances();
}

void Source::note_instance(const CatalogTable& table, StreamTable& stream_table) {
  const InstanceLog::Change change = instances_.read(table);
  stream_table.told = change.told;
  stream_table.announces_schema = !change.from.empty();
  if (!change.from.empty()) {
    host_.log(DSTREAM_LOG_INFO, stream_table.name.text() + " is read from capture instance " +
                                    table.instance.name + " instead of " + change.from + ", from " +
                                    "commit LSN " + table.instance.start.text() + " on.");
  }
}

dstream_batch* Source::read(uint32_t records_max, Millis wait) {
  if (fetcher_ == nullptr) {
    throw SourceError(DSTREAM_REOPEN, "The source is not open.");
  }
  const SteadyClock::time_point deadline = SteadyClock::now() + wait;
  record_metrics();
  begin_requested();
  for (;;) {
    const uint64_t seen = signal_.events();
    if (signal_.stopped()) {
      return nullptr;
    }
    if (stream_ != nullptr && stream_->is_outdated()) {
      reload();
    }
    if (stream_ == nullptr && !has_reloaded()) {
      if (SteadyClock::now() >= deadline) {
        return nullptr;
      }
      signal_.wait_event(seen, std::min(deadline, SteadyClock::now() + kWatchInterval));
      continue;
    }
    const Millis now = steady_now();
    dstream_batch* batch = stream_->step(now, unix_now_ns(), records_max, pool_);
    log_copies();
    record_metrics();
    if (batch != nullptr || stream_->ended()) {
      return batch;
    }
    if (stream_->is_outdated()) {
      continue;
    }
    if (SteadyClock::now() >= deadline) {
      return nullptr;
    }
    const StreamWait& wanted = stream_->wait();
    const SteadyClock::time_point until =
        wanted.until == Millis(0) ? deadline
                                  : std::min(deadline, SteadyClock::time_point(wanted.until));
    if (wanted.for_fetch) {
      signal_.wait_event(seen, std::min(until, SteadyClock::now() + kWatchInterval));
    } else {
      signal_.wait_until(until);
    }
  }
}

void Source::check(const Checks& checks) const { run_checks(options_, target_, checks); }

// When a stream begins, which is also after DDL, and when something more can be dropped.
void Source::manage_instances() {
  if (options_.instances != InstanceMode::kManage) {
    return;
  }
  if (manager_ == nullptr) {
    const Host host = host_;
    manager_ = std::make_unique<InstanceManager>(
        target_, options_,
        [host](dstream_log_level level, const std::string& line) { host.log(level, line); });
  }
  const auto& superseded = instances_.superseded();
  manager_->look({superseded.begin(), superseded.end()});
}

void Source::commit(std::string_view text) {
  committed_ = text;
  const bool waits = stream_ != nullptr && stream_->waits_for_commit();
  if (!waits && !instances_.waits_for_commit()) {
    return;
  }
  const Position position = parse_position(text);
  if (waits) {
    stream_->committed(position);
  }
  const InstanceLog::Superseded fresh = instances_.committed(position);
  for (const auto& [table, instance] : fresh) {
    host_.log(DSTREAM_LOG_INFO,
              "Capture instance " + instance + " of " + table.text() +
                  " is not read any more and can be dropped, unless somebody else reads it: EXEC "
                  "sys.sp_cdc_disable_table @source_schema = " +
                  quote_literal(table.schema) + ", @source_name = " + quote_literal(table.table) +
                  ", @capture_instance = " + quote_literal(instance) + ";");
  }
  status_.set_superseded(instances_.superseded());
  if (!fresh.empty()) {
    manage_instances();
  }
}

void Source::close_connections() {
  stream_.reset();
  copies_.reset();
  fetcher_.reset();
}

void Source::close() {
  manager_.reset();
  close_connections();
  signal_.reset();
}

}  // namespace dstream::sqlserver
