// The stand-in as one object: engine, Change Data Capture and TDS server. What dstream-sqlserver
// runs, and what tests link.
//
//   StandIn stand_in({.database = "shop", .capture_interval_ms = 20});
//   std::string error;
//   ASSERT_TRUE(stand_in.start(&error)) << error;
//   stand_in.run_script("CREATE TABLE dbo.t (id int PRIMARY KEY); ...");
//   connect(stand_in.odbc_connection_string());
//   stand_in.capture().scan_all();        // cdc/change_data_capture.h
//   stand_in.faults().add(...);           // protocol/faults.h
//
// Thread rule: construct, start() and stop() by the owner; the rest is [any-thread].
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace dstream::standin {

class Faults;
class Server;
class Statistics;
namespace cdc {
class ChangeDataCapture;
}
namespace sql {
class Engine;
}

// Who may read on the second server while it is the secondary replica, as ALLOW_CONNECTIONS of
// ALTER AVAILABILITY GROUP has it.
enum class SecondaryAccess : uint8_t {
  kNone,      // NO: error 976
  kReadOnly,  // READ_ONLY: clients with ApplicationIntent=ReadOnly; others get error 978
  kAll,       // ALL
};

struct StandInOptions {
  std::string database = "testdb";
  std::string user = "sa";
  std::string password = "Secret-1";
  std::string listen = "127.0.0.1";
  uint16_t port = 0;  // 0 takes a free one
  // A second server with the same data, as the secondary replica of an availability group.
  bool has_second_server = false;
  uint16_t second_port = 0;  // 0 takes a free one
  SecondaryAccess secondary_access = SecondaryAccess::kNone;
  // @@SERVERNAME of both.
  std::string server_name = "DSTREAM-STANDIN", second_server_name = "DSTREAM-STANDIN-2";
  // PEM files; both empty makes a self-signed certificate for "localhost" at start.
  std::string certificate_file;
  std::string key_file;
  int64_t capture_interval_ms = 0;     // between scans of the capture job; 0: 5 s, in Azure 20 s
  bool starts_capture_job = true;      // false: only scan_once() and scan_all() capture
  bool is_azure = false;               // sql::EngineOptions::is_azure; cleanup is hourly then
  std::function<int64_t()> utc_ticks;  // the clock, 100 ns since 0001-01-01; unset: the system's
  std::function<void(std::string_view)> log;  // what was not understood; unset: nowhere
};

class StandIn {
 public:
  explicit StandIn(StandInOptions options);
  // Stops, if stop() was not called.
  ~StandIn();
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  // Listens and returns. False with a sentence in *error if the address cannot be had.
  bool start(std::string* error);
  void stop();
  uint16_t port() const;
  uint16_t second_port() const;  // 0 without a second server

  // The other server is the primary from now on; connections to both are cut, open transactions
  // roll back: what has not begun to commit by then never does. Everything committed and captured
  // stays, LSNs go on, @@SERVERNAME is the other's. With `keeps_jobs` false the new primary has no
  // capture and cleanup job until sys.sp_cdc_add_job, as where nobody has prepared it. Also EXEC
  // dstream.failover [@keeps_jobs], whose own connection is cut like the others. REQUIRES:
  // has_second_server.
  void failover(bool keeps_jobs = true);
  // False: clients that log in to the secondary from now on see it as it is now, until redo runs
  // again; those that are logged in already go on as before. So the second server's address is that
  // of two replicas, one of which is behind, as behind a listener's read-only routing. Also EXEC
  // dstream.secondary_redo 0 | 1. REQUIRES: has_second_server.
  void set_secondary_redo(bool runs);
  // 1 or 2.
  int primary() const;
  // For logins from now on. Also EXEC dstream.secondary_access N'NO' | N'READ_ONLY' | N'ALL'.
  void set_secondary_access(SecondaryAccess access);

  // Batches split at GO, run without a client. Throws sql::SqlError at the first error.
  void run_script(std::string_view script);

  // For SQLDriverConnect with Debian's tdsodbc.
  std::string odbc_connection_string() const;

  sql::Engine& engine();
  cdc::ChangeDataCapture& capture();
  Server& server();
  Faults& faults();                 // of the first server
  Faults& second_faults();          // REQUIRES: has_second_server
  Statistics& statistics();         // of the first server
  Statistics& second_statistics();  // REQUIRES: has_second_server

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dstream::standin
