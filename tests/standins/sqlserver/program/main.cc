// dstream-sqlserver: a test double of SQL Server with Change Data Capture, for tests and the demo.
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include <CLI/CLI.hpp>

#include "tests/standins/sqlserver/program/demo_writer.h"
#include "tests/standins/sqlserver/program/stand_in.h"
#include "tests/standins/sqlserver/sql/error.h"

namespace {

using dstream::standin::DemoWriter;
using dstream::standin::SecondaryAccess;
using dstream::standin::StandIn;
using dstream::standin::StandInOptions;
using dstream::standin::sql::SqlError;

struct Settings {
  StandInOptions stand_in;
  std::string script;
  bool has_demo_writer = false;
  int64_t demo_interval_ms = 200;
};

void add_options(CLI::App* app, Settings* settings) {
  app->add_option("--port", settings->stand_in.port, "TCP port; 0 takes a free one")
      ->capture_default_str();
  app->add_option("--listen", settings->stand_in.listen, "Address to listen on")
      ->capture_default_str();
  app->add_option("--database", settings->stand_in.database, "Name of the user database")
      ->capture_default_str();
  app->add_option("--user", settings->stand_in.user, "Login")->capture_default_str();
  app->add_option("--password", settings->stand_in.password, "Password of the login")
      ->envname("DSTREAM_SQLSERVER_PASSWORD");
  auto* certificate = app->add_option("--certificate", settings->stand_in.certificate_file,
                                      "PEM certificate for TLS; without it one is made at start")
                          ->check(CLI::ExistingFile);
  auto* key = app->add_option("--key", settings->stand_in.key_file, "PEM key of the certificate")
                  ->check(CLI::ExistingFile);
  certificate->needs(key);
  key->needs(certificate);
  app->add_option("--script", settings->script, "T-SQL to run before the first login; GO splits it")
      ->check(CLI::ExistingFile);
  app->add_option("--capture-interval", settings->stand_in.capture_interval_ms,
                  "Milliseconds between scans of the capture job; without it 5000, with --azure "
                  "20000")
      ->check(CLI::PositiveNumber);
  app->add_flag("--second-server", settings->stand_in.has_second_server,
                "A second server with the same data; EXEC dstream.failover makes it the primary");
  app->add_option("--second-port", settings->stand_in.second_port,
                  "TCP port of the second server; 0 takes a free one")
      ->capture_default_str();
  app->add_option_function<std::string>(
         "--secondary-access",
         [settings](const std::string& name) {
           settings->stand_in.secondary_access = name == "all"         ? SecondaryAccess::kAll
                                                 : name == "read_only" ? SecondaryAccess::kReadOnly
                                                                       : SecondaryAccess::kNone;
         },
         "Who may read on the server that is not the primary; read_only: clients with "
         "ApplicationIntent=ReadOnly")
      ->check(CLI::IsMember({"no", "read_only", "all"}));
  app->add_flag("--azure", settings->stand_in.is_azure,
                "As Azure SQL Database: no msdb, no Agent, its jobs of Change Data Capture");
  app->add_flag("--demo-writer", settings->has_demo_writer,
                "Change rows of dbo.Persons and dbo.Cars all the time");
  app->add_option("--demo-interval", settings->demo_interval_ms,
                  "Milliseconds between the demo writer's transactions")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

int run(const Settings& settings, const sigset_t& signals) {
  StandIn stand_in(settings.stand_in);
  if (!settings.script.empty()) {
    stand_in.run_script(read_file(settings.script));
  }
  std::string error;
  if (!stand_in.start(&error)) {
    std::fprintf(stderr, "dstream-sqlserver: %s\n", error.c_str());
    return 1;
  }
  if (settings.stand_in.has_second_server) {
    std::printf("second server %s:%u\n", settings.stand_in.listen.c_str(),
                static_cast<unsigned>(stand_in.second_port()));
  }
  // The line that scripts wait for.
  std::printf("listening %s:%u database %s\n", settings.stand_in.listen.c_str(),
              static_cast<unsigned>(stand_in.port()), settings.stand_in.database.c_str());
  std::fflush(stdout);
  std::optional<DemoWriter> writer;
  if (settings.has_demo_writer) {
    writer.emplace(&stand_in.engine(), settings.demo_interval_ms);
  }
  int signal = 0;
  sigwait(&signals, &signal);
  writer.reset();
  stand_in.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  settings.stand_in.port = 1433;
  settings.stand_in.database = "demo";
  settings.stand_in.log = [](std::string_view line) {
    std::fprintf(stderr, "dstream-sqlserver: %.*s\n", static_cast<int>(line.size()), line.data());
  };
  CLI::App app("A stand-in for SQL Server with Change Data Capture. A test double, not a product.",
               "dstream-sqlserver");
  add_options(&app, &settings);
  CLI11_PARSE(app, argc, argv);

  // Before the first thread: every thread inherits the mask, and sigwait() gets the signals.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::fprintf(stderr,
               "dstream-sqlserver: a test double of SQL Server, not a product; do not keep "
               "data you need in it.\n");
  try {
    return run(settings, signals);
  } catch (const SqlError& error) {
    std::fprintf(stderr, "dstream-sqlserver: Msg %d, Level %d, Line %d: %s\n", error.message.number,
                 error.message.severity, error.message.line, error.what());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dstream-sqlserver: %s\n", error.what());
    return 1;
  }
}
