#include "tests/standins/sqlserver/program/stand_in.h"

#include <atomic>
#include <optional>

// Before the others: protocol/wire_type.h has a constant of the same name as one of its
// enumerators.
#include "tests/standins/sqlserver/protocol/server.h"

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/fault_procedures.h"

namespace dstream::standin {
namespace {

sql::EngineOptions engine_options(const StandInOptions& options) {
  sql::EngineOptions engine;
  engine.database = options.database;
  engine.user = options.user;
  engine.password = options.password;
  engine.utc_ticks = options.utc_ticks;
  engine.log = options.log;
  return engine;
}

cdc::CaptureOptions capture_options(const StandInOptions& options) {
  cdc::CaptureOptions capture;
  capture.interval_ms = options.capture_interval_ms;
  capture.starts_job = options.starts_capture_job;
  capture.is_azure = options.is_azure;
  return capture;
}

ServerOptions server_options(const StandInOptions& options) {
  ServerOptions server;
  server.address = options.listen;
  server.port = options.port;
  server.certificate_file = options.certificate_file;
  server.key_file = options.key_file;
  return server;
}

// One replica of an availability group: the engine, while it is the primary.
class Replica final : public Handler {
 public:
  Replica(sql::Engine* engine, const std::atomic<int>* primary, int number)
      : engine_(engine), primary_(primary), number_(number) {}

  std::unique_ptr<Session> login(const LoginRequest& request, ServerMessage* refusal) override {
    if (primary_->load() == number_) {
      return engine_->login(request, refusal);
    }
    refusal->number = 976;
    refusal->severity = 14;
    refusal->text =
        "The target database, '" + engine_->main_database().name() +
        "', is participating in an availability group and is currently not accessible for "
        "queries. Either data movement is suspended or the availability replica is not enabled "
        "for read access. To allow read-only access to this and other databases in the "
        "availability group, enable read access to one or more secondary availability replicas "
        "in the group.";
    return nullptr;
  }

 private:
  sql::Engine* const engine_;
  const std::atomic<int>* const primary_;
  const int number_;
};

}  // namespace

// In the order of dependence: the server goes first, the engine last.
struct StandIn::State {
  explicit State(const StandInOptions& o)
      : options(o),
        engine(engine_options(o)),
        capture(&engine, capture_options(o)),
        first(&engine, &primary, 1),
        second(&engine, &primary, 2),
        server(&first, server_options(o)) {
    sql::add_fault_procedures(&engine, &server.faults());
    sql::add_request_counts(&engine, &server.statistics());
    if (!o.has_second_server) {
      return;
    }
    ServerOptions other = server_options(o);
    other.port = o.second_port;
    second_server.emplace(&second, other);
    engine.add_procedure("dstream.failover", [this](sql::ProcedureCall& call) {
      call.bind({"@keeps_jobs"});
      fail_over(call.number(0, 1) != 0);
    });
  }

  void fail_over(bool keeps_jobs) {
    const int old = primary.load();
    if (!keeps_jobs) {
      for (sql::Database* database : engine.databases()) {
        if (cdc::DatabaseCapture* cdc = capture.find(*database)) {
          cdc::JobSettings jobs = cdc->jobs();
          jobs.has_capture_job = jobs.has_cleanup_job = false;
          cdc->set_jobs(jobs);
        }
      }
    }
    primary = old == 1 ? 2 : 1;
    (old == 1 ? server : *second_server).drop_connections();
  }

  StandInOptions options;
  sql::Engine engine;
  cdc::ChangeDataCapture capture;
  std::atomic<int> primary{1};
  Replica first, second;
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
void StandIn::failover(bool keeps_jobs) { state_->fail_over(keeps_jobs); }
int StandIn::primary() const { return state_->primary.load(); }
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
Statistics& StandIn::statistics() { return state_->server.statistics(); }

}  // namespace dstream::standin
