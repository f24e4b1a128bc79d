#include "plugins/sqlserver_cdc/odbc_fetcher.h"

#include <atomic>
#include <system_error>
#include <utility>

#include "plugins/sqlserver_cdc/left_behind.h"

namespace dstream::sqlserver {
namespace {

// What a server that can be reached takes to answer that a statement is cancelled, many times over.
constexpr std::chrono::seconds kEndWait{3};

std::atomic<int> left_behind{0};  // [any-thread]

}  // namespace

OdbcFetcher::OdbcFetcher(OdbcConnection target, Options options, Position position, LogLine log,
                         std::shared_ptr<SlabPool> pool, StopSignal& signal,
                         std::shared_ptr<ConnectionShares> shares, FetchTimes times)
    : work_(std::make_shared<FetchWork>(std::move(target), std::move(options), std::move(position),
                                        std::move(log), std::move(pool), signal, std::move(shares),
                                        times)) {
  work_->thread_begins();
  threads_.emplace_back([work = work_] { work->run_first(); });
}

OdbcFetcher::~OdbcFetcher() {
  for (auto& connection : work_->stop()) {
    work_->thread_begins();
    threads_.emplace_back([work = work_, connection = std::move(connection)]() mutable {
      work->cancel(std::move(connection));
    });
  }
  if (!work_->has_ended(work_->is_silent() ? std::chrono::seconds(0) : kEndWait)) {
    if (auto counted = LeftBehind::take(left_behind, kLeftBehindMax)) {
      work_->leave_behind(std::move(counted));
      for (std::thread& thread : threads_) {
        thread.detach();
      }
      return;
    }
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

const Catalog* OdbcFetcher::catalog() { return work_->catalog(); }

void OdbcFetcher::set_groups(std::vector<std::vector<uint32_t>> groups) {
  work_->set_groups(std::move(groups));
}

void OdbcFetcher::submit(FetchRequest request) {
  if (work_->submit(std::move(request))) {
    work_->thread_begins();
    try {
      threads_.emplace_back([work = work_] { work->run_helper(); });
    } catch (const std::system_error&) {
      work_->thread_ends();  // the others read on
    }
  }
}

std::unique_ptr<FetchAnswer> OdbcFetcher::take() { return work_->take(); }

}  // namespace dstream::sqlserver
