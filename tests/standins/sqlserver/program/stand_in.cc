#include "tests/standins/sqlserver/program/stand_in.h"

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

}  // namespace

// In the order of dependence: the server goes first, the engine last.
struct StandIn::State {
  explicit State(const StandInOptions& o)
      : options(o),
        engine(engine_options(o)),
        capture(&engine, capture_options(o)),
        server(&engine, server_options(o)) {
    sql::add_fault_procedures(&engine, &server.faults());
    sql::add_request_counts(&engine, &server.statistics());
  }

  StandInOptions options;
  sql::Engine engine;
  cdc::ChangeDataCapture capture;
  Server server;
};

StandIn::StandIn(StandInOptions options) : state_(std::make_unique<State>(options)) {}
StandIn::~StandIn() = default;

bool StandIn::start(std::string* error) { return state_->server.start(error); }
void StandIn::stop() { state_->server.stop(); }
uint16_t StandIn::port() const { return state_->server.port(); }
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
