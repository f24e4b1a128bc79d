#include "plugins/sqlserver_cdc/instance_manager.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "plugins/sqlserver_cdc/capture_catalog.h"
#include "plugins/sqlserver_cdc/left_behind.h"

namespace dstream::sqlserver {
namespace {

std::atomic<int> left_behind{0};  // [any-thread]

constexpr std::chrono::seconds kEndWait{3};

std::vector<TableName> managed_names(const Options& options) {
  std::vector<TableName> names;
  for (const TableOptions& table : options.tables) {
    if (table.capture_instance.empty()) {
      names.push_back(table.name);
    }
  }
  return names;
}

void run_to_end(Connection& connection, const std::string& sql, const std::string& doing) {
  Statement statement(connection, sql, {}, doing);
  do {
    SQLSMALLINT columns = 0;
    SQLNumResultCols(statement.handle(), &columns);  // fails where there is no result: 0 then
    while (columns > 0 && statement.next_row()) {
    }
  } while (statement.next_result());
}

ManagedInstance managed_instance(const CapturedTable& row, Lsn definition,
                                 const CapturedColumns& captured) {
  ManagedInstance instance;
  instance.name = row.instance;
  instance.start = row.start;
  instance.definition = definition;
  instance.role = row.role;
  instance.index = row.index;
  instance.filegroup = row.filegroup;
  instance.has_net_changes = row.net_changes;
  instance.allows_partition_switch = row.allows_partition_switch;
  if (const auto own = captured.find(row.object_id); own != captured.end()) {
    for (const DeclaredColumn& column : own->second) {
      instance.column_ids.push_back(column.id);
    }
  }
  return instance;
}

}  // namespace

std::vector<ManagedTable> load_managed(Connection& connection,
                                       const std::vector<TableName>& names) {
  Definitions definitions = load_definitions(connection);
  const CapturedColumns captured = load_captured_columns(connection);
  const TableColumns columns = load_table_columns(connection);
  std::map<TableName, ManagedTable> tables;
  for (const CapturedTable& row : load_captured_tables(connection)) {
    const auto wanted = [&row](const TableName& other) { return same_name(other, row.table); };
    const auto known = columns.find(row.source_object_id);
    // Without its columns, which the login may not see, nothing is known of a table.
    if (known == columns.end() || std::none_of(names.begin(), names.end(), wanted)) {
      continue;
    }
    ManagedTable& table = tables[row.table];
    table.name = row.table;
    table.columns.clear();
    for (const auto& [column_id, column] : known->second) {
      table.columns.emplace_back(column_id, column.name);
    }
    // Entries whose instance is gone are nobody's.
    table.instances.push_back(managed_instance(row, definitions[row.object_id], captured));
  }
  std::vector<ManagedTable> all;
  all.reserve(tables.size());
  for (auto& [name, table] : tables) {
    all.push_back(std::move(table));
  }
  return all;
}

// What the thread shares with the manager.
class InstanceManager::Work {
 public:
  Work(OdbcConnection target, const Options& options, LogLine log, const ManagerTimes& times)
      : target_(std::move(target)),
        options_(options),
        names_(managed_names(options)),
        times_(times),
        log_(std::move(log)) {}

  void look(DroppableInstances droppable) {
    {
      const std::lock_guard lock(mutex_);
      droppable_ = std::move(droppable);
      is_wanted_ = true;
    }
    wake_.notify_all();
  }

  void run() noexcept {
    std::chrono::milliseconds pause = times_.pause_min;
    bool failed = false;
    while (wait(failed, pause)) {
      pause = failed ? std::min(pause * 2, times_.pause_max) : times_.pause_min;
      failed = !pass();
    }
    {
      const std::lock_guard lock(mutex_);
      has_ended_ = true;
    }
    wake_.notify_all();
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
  }
  void cancel() noexcept {
    std::shared_ptr<Connection> running;
    {
      const std::lock_guard lock(mutex_);
      running = connection_;
    }
    if (running != nullptr) {
      running->cancel();
    }
  }
  bool has_ended() {
    std::unique_lock lock(mutex_);
    return wake_.wait_for(lock, kEndWait, [this] { return has_ended_; });
  }
  // It counts as long as any of its threads runs.
  void leave_behind(std::shared_ptr<LeftBehind> counted) {
    const std::lock_guard lock(mutex_);
    counted_ = std::move(counted);
    log_ = nullptr;
  }

 private:
  // False at the end.
  bool wait(bool failed, std::chrono::milliseconds pause) {
    std::unique_lock lock(mutex_);
    if (failed) {  // whatever is asked for meanwhile fails too
      wake_.wait_for(lock, pause, [this] { return stopping_; });
    } else {
      wake_.wait(lock, [this] { return stopping_ || is_wanted_; });
    }
    is_wanted_ = false;
    return !stopping_;
  }

  // True if all that was to be done is done.
  bool pass() noexcept {
    bool done = false;
    try {
      auto connection =
          std::make_shared<Connection>(target_, options_.login_timeout, options_.query_timeout);
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) {
          return true;
        }
        connection_ = connection;
      }
      if (connection->read_only()) {
        warn("Capture instances cannot be managed through a read-only connection.");
        done = true;
      } else {
        run_to_end(*connection,
                   "SET LOCK_TIMEOUT " + std::to_string(times_.lock_timeout.count()) + ";",
                   "Setting the lock time-out");
        done = act_on_all(*connection);
      }
    } catch (const std::exception& error) {
      warn(std::string("Capture instances cannot be managed now: ") + error.what());
    }
    std::shared_ptr<Connection> closing;
    const std::lock_guard lock(mutex_);
    closing.swap(connection_);
    return done;
  }

  // What is done to a table may be followed by more: an old instance gone makes room for a new one.
  bool act_on_all(Connection& connection) {
    bool all_done = true;
    std::set<TableName> failed;
    for (bool more = true; more;) {
      more = false;
      for (const ManagedTable& table : load_managed(connection, names_)) {
        const auto action = plan_instances(table, droppable());
        if (!action || failed.contains(table.name)) {
          continue;
        }
        if (act(connection, *action)) {
          more = true;
        } else {
          failed.insert(table.name);
          all_done = false;
        }
      }
    }
    return all_done;
  }

  bool act(Connection& connection, const InstanceAction& action) {
    const std::string what = (action.creates ? "Creating" : "Dropping") +
                             std::string(" capture instance ") + action.instance + " of " +
                             action.table.text();
    try {
      run_to_end(connection, action.sql, what);
      log(DSTREAM_LOG_INFO, "Capture instance " + action.instance + " of " + action.table.text() +
                                (action.creates ? " was created: its columns have changed."
                                                : " was dropped: all of it is delivered."));
      return true;
    } catch (const SourceError& error) {
      if (connection.dead()) {
        throw;
      }
      warn(std::string(error.what()) +
           " It is tried again from time to time; changes go on being read. Managing capture "
           "instances needs db_owner.");
      return false;
    }
  }

  DroppableInstances droppable() {
    const std::lock_guard lock(mutex_);
    return droppable_;
  }
  // The same sentence once.
  void warn(const std::string& line) {
    if (warned_.insert(line).second) {
      log(DSTREAM_LOG_WARN, line);
    }
  }
  void log(dstream_log_level level, const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (log_ && !stopping_) {
      log_(level, line);
    }
  }

  const OdbcConnection target_;
  const Options options_;
  const std::vector<TableName> names_;
  const ManagerTimes times_;
  std::set<std::string> warned_;  // of the thread

  std::mutex mutex_;  // guards everything below
  std::condition_variable wake_;
  LogLine log_;  // empty once nobody listens
  std::shared_ptr<LeftBehind> counted_;
  bool stopping_ = false;
  bool is_wanted_ = false;
  bool has_ended_ = false;
  DroppableInstances droppable_;
  std::shared_ptr<Connection> connection_;
};

InstanceManager::InstanceManager(OdbcConnection target, const Options& options, LogLine log,
                                 const ManagerTimes& times)
    : work_(std::make_shared<Work>(std::move(target), options, std::move(log), times)),
      thread_([work = work_] { work->run(); }) {}

InstanceManager::~InstanceManager() {
  work_->stop();
  std::thread canceller([work = work_] { work->cancel(); });
  if (!work_->has_ended()) {
    if (auto counted = LeftBehind::take(left_behind, kLeftBehindMax)) {
      work_->leave_behind(std::move(counted));
      thread_.detach();
      canceller.detach();
      return;
    }
  }
  canceller.join();
  thread_.join();
}

void InstanceManager::look(DroppableInstances droppable) { work_->look(std::move(droppable)); }

}  // namespace dstream::sqlserver
