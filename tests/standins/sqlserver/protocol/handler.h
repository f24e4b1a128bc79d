// What the protocol room asks of whoever answers statements, and what it gives them to answer with.
//
// The SQL room implements Handler and Session; protocol/server.h turns a socket into calls. One
// session is used by one thread; several sessions run at the same time.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin {

// An error or message as SQL Server sends it. Severity (class) above 10 is an error, 20 and more
// ends the connection.
struct ServerMessage {
  int32_t number = 0;
  uint8_t state = 1;
  uint8_t severity = 16;
  std::string text;
  std::string procedure;
  int32_t line = 1;
};

// Where a session writes its answer. Calls map to tokens one to one; the writer frames packets and
// sends them as they fill, so a large result is never held in memory.
//
// Every method returns false when the client is gone or has asked to stop (attention): the session
// then stops what it is doing and returns.
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  virtual bool columns(std::span<const ResultColumn> columns) = 0;  // COLMETADATA
  virtual bool row(std::span<const SqlValue> values) = 0;           // ROW
  // A whole ROW token as encode_row() made it earlier: the fast way for stored rows.
  virtual bool encoded_row(std::string_view token) = 0;
  virtual bool message(const ServerMessage& message) = 0;  // INFO or ERROR
  // ENVCHANGE 1 and the message 5701 that goes with it.
  virtual bool database_changed(std::string_view from, std::string_view to) = 0;
  // kind 8 begin, 9 commit, 10 rollback (ENVCHANGE); the protocol room makes the descriptor.
  virtual bool transaction_changed(uint8_t kind) = 0;
  // Ends one statement: `command` as in DONE (0xC1 SELECT, 0xC3 INSERT, 0xC4 DELETE, 0xC5 UPDATE,
  // 0xC6 CREATE TABLE, 0xB9 SET, 0xE0 EXEC), rows -1 for no count. The writer decides between DONE
  // and DONEINPROC and sets the "more" bit itself.
  virtual bool statement_done(uint16_t command, int64_t rows, bool error = false) = 0;
  virtual bool return_status(int32_t status) = 0;
  virtual bool return_value(const Parameter& parameter) = 0;  // RETURNVALUE
  // True once the client has asked to stop or is gone; long loops look at it. Cheap: the socket is
  // looked at once a millisecond at most.
  virtual bool cancelled() = 0;
  // Waits up to `timeout_ms` for the client to ask to stop, to go, or for the server to stop; true
  // at once if that happened. WAITFOR and lock waits sleep in this call, not elsewhere. What was
  // written so far is sent first. Writers without a client never wait.
  virtual bool wait_cancelled(int timeout_ms) {
    static_cast<void>(timeout_ms);
    return cancelled();
  }
  // TABNAME and COLINFO: where the columns come from, and which of them are hidden. For server
  // cursors, right after columns(); a table is named by its parts, "schema", "table".
  virtual bool column_sources(std::span<const std::vector<std::string>> tables,
                              std::span<const ColumnSource> sources) {
    static_cast<void>(tables);
    static_cast<void>(sources);
    return true;
  }
  // ORDER: the result is sorted by these columns (from 1). After columns(), before the first row.
  virtual bool order(std::span<const uint16_t> columns) {
    static_cast<void>(columns);
    return true;
  }
};

struct LoginRequest {
  std::string user, password, database, host, application, client_library;
  bool read_only_intent = false;
  uint16_t session_id = 0;     // @@SPID of the session this login opens
  uint32_t tds_version = 0;    // as in LOGIN7: 0x74000004 is TDS 7.4
  uint32_t packet_size = 0;    // negotiated
  bool encrypted = false;      // all traffic, not only the login
  std::string client_address;  // "127.0.0.1:40112"
};

// The rows that follow an INSERT BULK statement, one at a time in the order they came.
class BulkRows {
 public:
  virtual ~BulkRows() = default;
  // As the client declares them; INSERT BULK has named them before.
  virtual std::span<const ResultColumn> columns() const = 0;
  // False at the end, and where the stream is damaged: is_damaged() tells.
  virtual bool next(std::vector<SqlValue>* values) = 0;
  virtual bool is_damaged() const = 0;
};

class Session {
 public:
  virtual ~Session() = default;
  // A SQL batch.
  virtual void batch(std::string_view sql, ResponseWriter& out) = 0;
  // A procedure by name: "sp_executesql", "sp_prepexec", "sys.sp_cdc_enable_db", ... Well-known
  // numbers are already turned into names. The session writes RETURNSTATUS and RETURNVALUEs itself.
  virtual void procedure(std::string_view name, std::span<const Parameter> parameters,
                         ResponseWriter& out) = 0;
  // Transaction manager requests. isolation: 0 keep, 1 read uncommitted .. 5 snapshot.
  virtual void begin_transaction(uint8_t isolation, ResponseWriter& out) = 0;
  virtual void commit_transaction(ResponseWriter& out) = 0;
  virtual void rollback_transaction(std::string_view savepoint, ResponseWriter& out) = 0;
  // A savepoint by a transaction manager request; by default the statement that does the same.
  virtual void save_transaction(std::string_view savepoint, ResponseWriter& out) {
    batch("SAVE TRANSACTION [" + std::string(savepoint) + "]", out);
  }
  // The data of a bulk load, after the batch that announced it. The session ends it with
  // statement_done(), or an error if the rows turn out damaged. By default refused.
  virtual void bulk_load(BulkRows& rows, ResponseWriter& out) {
    static_cast<void>(rows);
    ServerMessage refusal;
    refusal.number = 4022;
    refusal.text = "Bulk load data was sent but not expected. The batch will be terminated.";
    out.message(refusal);
  }
  // RESETCONNECTION: as a new session of the same user.
  virtual void reset() = 0;
  virtual std::string database() const = 0;
};

class Handler {
 public:
  virtual ~Handler() = default;
  // nullptr and a message (18456, 4060) if refused. [any-thread]
  virtual std::unique_ptr<Session> login(const LoginRequest& request, ServerMessage* refusal) = 0;
};

}  // namespace dstream::standin
