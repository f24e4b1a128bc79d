#include "tests/standins/sqlserver/program/stand_in.h"

#include <atomic>
#include <mutex>
#include <optional>

// Before the others: protocol/wire_type.h has a constant of the same name as one of its
// enumerators.
#include "tests/standins/sqlserver/protocol/server.h"

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/fault_procedures.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin {
namespace {

// Of the service's scheduler.
constexpr int64_t kAzureScanIntervalMs = 20'000, kAzureCleanupIntervalMs = 3'600'000;

sql::EngineOptions engine_options(const StandInOptions& options) {
  sql::EngineOptions engine;
  engine.database = options.database;
  engine.user = options.user;
  engine.password = options.password;
  engine.utc_ticks = options.utc_ticks;
  engine.log = options.log;
  engine.server_name = options.server_name;
  engine.is_azure = options.is_azure;
  return engine;
}

cdc::CaptureOptions capture_options(const StandInOptions& options) {
  cdc::CaptureOptions capture;
  capture.starts_job = options.starts_capture_job;
  if (options.is_azure) {
    capture.interval_ms = kAzureScanIntervalMs;
    capture.cleanup_interval_ms = kAzureCleanupIntervalMs;
  }
  if (options.capture_interval_ms != 0) {
    capture.interval_ms = options.capture_interval_ms;
  }
  return capture;
}

ServerOptions server_options(const StandInOptions& options) {
  ServerOptions server;
  server.address = options.listen;
  server.port = options.port;
  server.certificate_file = options.certificate_file;
  server.key_file = options.key_file;
  server.server_name = options.server_name;
  return server;
}

// Which server is the primary, and who may read on the other.
class Group {
 public:
  explicit Group(const StandInOptions& options)
      : is_in_use_(options.has_second_server),
        names_{options.server_name, options.second_server_name},
        access_(options.secondary_access) {}

  int primary() const {
    const std::lock_guard lock(mutex_);
    return primary_;
  }
  // Whatever has not begun to commit by then never does.
  void fail_over() {
    const std::lock_guard lock(mutex_);
    primary_ = primary_ == 1 ? 2 : 1;
    has_ended_->store(true);
    has_ended_ = std::make_shared<std::atomic<bool>>(false);
  }
  void set_access(SecondaryAccess access) {
    const std::lock_guard lock(mutex_);
    access_ = access;
  }

  // Clients of the secondary from now on see what is committed now, until it goes on.
  void suspend_redo(sql::TransactionManager* transactions) {
    const std::lock_guard lock(mutex_);
    suspended_.push_back(std::make_unique<sql::Snapshot>(transactions));
    redone_until_ = std::make_shared<std::atomic<uint64_t>>(suspended_.back()->sequence());
  }
  void resume_redo() {
    const std::lock_guard lock(mutex_);
    if (redone_until_ != nullptr) {
      redone_until_->store(0);
    }
    redone_until_ = nullptr;
  }

  // What a client of the server is told and let do.
  sql::Replica replica(int server, const std::string& database, bool has_read_intent) const {
    const std::lock_guard lock(mutex_);
    sql::Replica replica;
    replica.server_name = names_[server - 1];
    replica.is_in_group = is_in_use_;
    replica.is_secondary = server != primary_;
    replica.has_ended = has_ended_;
    replica.redone_until = replica.is_secondary ? redone_until_ : nullptr;
    if (!replica.is_secondary || access_ == SecondaryAccess::kAll ||
        (access_ == SecondaryAccess::kReadOnly && has_read_intent)) {
      return replica;
    }
    if (access_ == SecondaryAccess::kReadOnly) {
      replica.no_access.emplace(
          978, 14, 1,
          "The target database ('" + database +
              "') is in an availability group and is currently accessible for connections when the "
              "application intent is set to read only. For more information about application "
              "intent, see SQL Server Books Online.");
    } else {
      replica.no_access.emplace(
          976, 14, 1,
          "The target database, '" + database +
              "', is participating in an availability group and is currently not accessible for "
              "queries. Either data movement is suspended or the availability replica is not "
              "enabled for read access. To allow read-only access to this and other databases in "
              "the availability group, enable read access to one or more secondary availability "
              "replicas in the group. For more information, see the ALTER AVAILABILITY GROUP "
              "statement in SQL Server Books Online.");
    }
    return replica;
  }

 private:
  const bool is_in_use_;
  const std::string names_[2];
  mutable std::mutex mutex_;  // guards all below
  SecondaryAccess access_;
  int primary_ = 1;
  std::shared_ptr<std::atomic<bool>> has_ended_ = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<std::atomic<uint64_t>> redone_until_;
  // Kept to the end: a session may be about to read there.
  std::vector<std::unique_ptr<sql::Snapshot>> suspended_;
};

// One server of the group.
class GroupServer final : public Handler {
 public:
  GroupServer(sql::Engine* engine, const Group* group, int number)
      : engine_(engine), group_(group), number_(number) {}

  std::unique_ptr<Session> login(const LoginRequest& request, ServerMessage* refusal) override {
    std::unique_ptr<Session> session = engine_->login(request, refusal);
    if (session == nullptr) {
      return nullptr;
    }
    auto& sql_session = static_cast<sql::SqlSession&>(*session);
    const sql::Database& database = sql_session.current_database();
    sql_session.set_replica(group_->replica(number_, database.name(), request.read_only_intent));
    try {
      sql_session.check_access(database);
    } catch (const sql::SqlError& error) {
      *refusal = error.message;
      return nullptr;
    }
    return session;
  }

 private:
  sql::Engine* const engine_;
  const Group* const group_;
  const int number_;
};

SecondaryAccess access_argument(const sql::ProcedureCall& call) {
  const std::string name = call.text(0);
  if (sql::equal_names(name, "NO")) {
    return SecondaryAccess::kNone;
  }
  if (sql::equal_names(name, "READ_ONLY")) {
    return SecondaryAccess::kReadOnly;
  }
  if (sql::equal_names(name, "ALL")) {
    return SecondaryAccess::kAll;
  }
  throw sql::SqlError(50000, 16, 1, "The access is NO, READ_ONLY or ALL, not '" + name + "'.");
}

}  // namespace

// In the order of dependence: the server goes first, the engine last.
struct StandIn::State {
  explicit State(const StandInOptions& o)
      : options(o),
        engine(engine_options(o)),
        capture(&engine, capture_options(o)),
        group(o),
        first(&engine, &group, 1),
        second(&engine, &group, 2),
        server(&first, server_options(o)) {
    sql::add_fault_procedures(&engine, &server.faults());
    sql::add_request_counts(&engine, &server.statistics());
    if (!o.has_second_server) {
      return;
    }
    ServerOptions other = server_options(o);
    other.port = o.second_port;
    other.server_name = o.second_server_name;
    second_server.emplace(&second, other);
    engine.add_procedure("dstream.failover", [this](sql::ProcedureCall& call) {
      call.bind({"@keeps_jobs"});
      fail_over(call.number(0, 1) != 0);
    });
    engine.add_procedure("dstream.secondary_redo", [this](sql::ProcedureCall& call) {
      call.bind({"@runs"});
      if (call.number(0, 1) != 0) {
        group.resume_redo();
      } else {
        group.suspend_redo(&engine.transactions());
      }
    });
    engine.add_procedure("dstream.secondary_access", [this](sql::ProcedureCall& call) {
      call.bind({"@access"});
      group.set_access(access_argument(call));
    });
  }

  void fail_over(bool keeps_jobs) {
    if (!keeps_jobs) {
      for (sql::Database* database : engine.databases()) {
        if (cdc::DatabaseCapture* cdc = capture.find(*database)) {
          cdc::JobSettings jobs = cdc->jobs();
          jobs.has_capture_job = jobs.has_cleanup_job = false;
          cdc->set_jobs(jobs);
        }
      }
    }
    group.fail_over();
    server.drop_connections();
    second_server->drop_connections();
  }

  StandInOptions options;
  sql::Engine engine;
  cdc::ChangeDataCapture capture;
  Group group;
  GroupServer first, second;
  Server server;
  std::optional<Server> second_server;
};

StandIn::StandIn(StandInOptions options) : state_(std::make_unique<State>(options)) {}
StandIn::~StandIn() = default;

bool StandIn::start(std::string* error) {
  return state_->server.start(error) &&
         (!state_->second_server || state_->second_server->start(error));
}
void StandIn::stop() {
  state_->server.stop();
  if (state_->second_server) {
    state_->second_server->stop();
  }
}
uint16_t StandIn::port() const { return state_->server.port(); }
uint16_t StandIn::second_port() const {
  return state_->second_server ? state_->second_server->port() : uint16_t{0};
}
void StandIn::set_secondary_redo(bool runs) {
  if (runs) {
    state_->group.resume_redo();
  } else {
    state_->group.suspend_redo(&state_->engine.transactions());
  }
}
void StandIn::failover(bool keeps_jobs) { state_->fail_over(keeps_jobs); }
int StandIn::primary() const { return state_->group.primary(); }
void StandIn::set_secondary_access(SecondaryAccess access) { state_->group.set_access(access); }
void StandIn::run_script(std::string_view script) { state_->engine.run_script(script); }

std::string StandIn::odbc_connection_string() const {
  const StandInOptions& options = state_->options;
  return "Driver=/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so;Server=" + options.listen +
         ";Port=" + std::to_string(port()) + ";UID=" + options.user + ";PWD=" + options.password +
         ";TDS_Version=7.4;ClientCharset=UTF-8;Database=" + options.database;
}

sql::Engine& StandIn::engine() { return state_->engine; }
cdc::ChangeDataCapture& StandIn::capture() { return state_->capture; }
Server& StandIn::server() { return state_->server; }
Faults& StandIn::faults() { return state_->server.faults(); }
Faults& StandIn::second_faults() { return state_->second_server->faults(); }
Statistics& StandIn::statistics() { return state_->server.statistics(); }
Statistics& StandIn::second_statistics() { return state_->second_server->statistics(); }

}  // namespace dstream::standin
