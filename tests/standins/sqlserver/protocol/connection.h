// One client, from its first byte to its last: login, then requests until it goes.
//
// Thread rule: run() by one thread; shutdown() is [any-thread].
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/standins/sqlserver/protocol/fault_effects.h"
#include "tests/standins/sqlserver/protocol/handler.h"
#include "tests/standins/sqlserver/protocol/login.h"
#include "tests/standins/sqlserver/protocol/packets.h"
#include "tests/standins/sqlserver/protocol/requests.h"
#include "tests/standins/sqlserver/protocol/response.h"
#include "tests/standins/sqlserver/protocol/server.h"
#include "tests/standins/sqlserver/protocol/statistics.h"

namespace dstream::standin {

class Connection {
 public:
  // Borrows everything but the socket; all of it outlives the connection.
  Connection(int fd, uint16_t session_id, std::string client_address, const ServerOptions& options,
             const TlsContext* tls, Handler* handler, Statistics* statistics, Faults* faults);
  ~Connection();

  // Returns when the client has gone or was sent away.
  void run();
  void shutdown() { transport_.shutdown(); }  // [any-thread]
  // The client has not closed its side, whether that was noticed or not. [any-thread]
  bool is_connected() { return !transport_.wait_hangup(0); }

 private:
  // The handshake; false ends the connection.
  bool log_in();
  bool start_strict_tls();
  bool read_login_message(RequestMessage* request);
  bool answer_prelogin(std::string_view body);
  bool start_wrapped_tls();
  bool answer_login(std::string_view body);
  bool apply_login_faults(const Login7& login, ServerMessage* refusal);

  // Reads and answers requests; false ends the connection.
  bool serve_request();
  bool answer_request(const RequestMessage& request);
  bool acknowledge_attention();
  void run_batch(std::string_view body);
  void run_procedures(std::string_view body);
  void run_transaction_request(std::string_view body);
  void run_transaction_action(const TransactionRequest& request);
  void run_bulk_load(std::string_view body);
  void refuse(const ServerMessage& message);
  void note_malformed();
  void note_sent();

  const ServerOptions& options_;
  const TlsContext* tls_;  // null without encryption
  Handler* handler_;
  Statistics* statistics_;
  Faults* faults_;
  const uint16_t session_id_;
  const std::string client_address_;

  Transport transport_;
  PacketReader reader_;
  PacketWriter writer_;
  FaultEffects effects_;
  ConnectionState state_;
  Response response_;
  std::unique_ptr<Session> session_;
  EncryptionOption encryption_ = EncryptionOption::kNotSupported;  // as agreed in PRELOGIN
  bool is_strict_ = false;
  uint64_t sent_bytes_noted_ = 0;
};

}  // namespace dstream::standin
