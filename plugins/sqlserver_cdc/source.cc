#include "plugins/sqlserver_cdc/source.h"

#include <algorithm>

#include "plugins/sqlserver_cdc/checks.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

using SteadyClock = StopSignal::Clock;

// Slabs kept for the next pages: what is read ahead, and about as much on its way to the sink.
constexpr size_t kPoolFactor = 2;

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
      options_(parse_options(config)),
      target_(make_connection(options_.connection, installed_drivers())),
      pool_(std::make_shared<SlabPool>(options_.read_ahead_bytes * kPoolFactor)) {}

void Source::open(std::string_view position_text) {
  fetcher_.reset();
  const Position position = parse_position(position_text);
  if (target_.unverified) {
    host_.log(DSTREAM_LOG_WARN,
              "The connection to " + target_.target +
                  " is encrypted, but FreeTDS does not check the server's certificate. Install "
                  "msodbcsql18, or say trust_server_certificate=yes to accept that.");
  }
  const Host host = host_;
  fetcher_ = std::make_unique<OdbcFetcher>(
      target_, options_, position,
      [host](dstream_log_level level, const std::string& line) { host.log(level, line); }, pool_,
      signal_);
  for (;;) {
    const uint64_t seen = signal_.events();
    if (const Catalog* catalog = fetcher_->catalog()) {
      make_stream(*catalog, position);
      return;
    }
    if (signal_.stopped()) {
      throw SourceError(DSTREAM_CANCELLED, "The source was asked to stop while it connected.");
    }
    signal_.wait_event(seen, SteadyClock::time_point::max());
  }
}

void Source::make_stream(const Catalog& catalog, const Position& position) {
  std::vector<StreamTable> tables;
  for (const CatalogTable& table : catalog.tables) {
    const TableDescription& description = table.instance.description;
    tables.push_back({description.table, intern_schema(description), table.poll_interval,
                      table.max_poll_interval, guess_row_bytes(description)});
    if (position.find(description.table) == nullptr) {
      host_.log(DSTREAM_LOG_INFO, description.table.text() +
                                      " has no position yet: reading starts at "
                                      "its oldest captured change, capture instance " +
                                      table.instance.name + '.');
    }
  }
  const StreamSettings settings{options_.page_rows, options_.read_ahead_bytes};
  stream_ = std::make_unique<ChangeStream>(std::move(tables), position, settings, *fetcher_);
  fetcher_->set_groups(stream_->groups());
}

dstream_batch* Source::read(uint32_t records_max, Millis wait) {
  if (stream_ == nullptr) {
    throw SourceError(DSTREAM_REOPEN, "The source is not open.");
  }
  const SteadyClock::time_point deadline = SteadyClock::now() + wait;
  for (;;) {
    const uint64_t seen = signal_.events();
    if (signal_.stopped()) {
      return nullptr;
    }
    const Millis now = steady_now();
    if (dstream_batch* batch = stream_->step(now, unix_now_ns(), records_max, pool_)) {
      return batch;
    }
    if (SteadyClock::now() >= deadline) {
      return nullptr;
    }
    const StreamWait& wanted = stream_->wait();
    if (wanted.for_fetch) {
      signal_.wait_event(seen, deadline);
    } else {
      signal_.wait_until(std::min(deadline, SteadyClock::time_point(wanted.until)));
    }
  }
}

void Source::check(const Checks& checks) const { run_checks(options_, target_, checks); }

void Source::close() {
  stream_.reset();
  fetcher_.reset();
  signal_.reset();
}

}  // namespace dstream::sqlserver
