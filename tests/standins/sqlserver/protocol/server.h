// A TDS server for a Handler: listens, gives each client a thread, and lets tests look inside.
//
//   MyHandler handler;
//   Server server(&handler, {});
//   std::string error;
//   if (!server.start(&error)) { ... }
//   connect_to("127.0.0.1", server.port());
//   server.stop();
//
// It is a test double. It listens on the loopback address unless told otherwise.
//
// Thread rule: start() and stop() by the owner, the rest is [any-thread]. The handler must outlive
// the server; its login() is called by many threads, each session by one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/standins/sqlserver/protocol/faults.h"
#include "tests/standins/sqlserver/protocol/handler.h"
#include "tests/standins/sqlserver/protocol/statistics.h"
#include "tests/standins/sqlserver/protocol/tokens.h"

namespace dstream::standin {

// Whether and how clients may encrypt. Every policy but kUnsupported also takes clients that speak
// TLS before anything else (TDS 8.0 "strict").
enum class EncryptionPolicy : uint8_t {
  kUnsupported,  // plain only
  kOptional,     // as the client wishes; those that wish nothing encrypt their login only
  kRequired,     // everything; clients that cannot are sent away
};

struct ServerOptions {
  std::string address = "127.0.0.1";            // numeric, IPv4 or IPv6
  uint16_t port = 0;                            // 0 takes a free one; see Server::port()
  uint32_t connections_max = 1'000;             // further clients are closed at once
  uint32_t packet_size_max = 32'767;            // 512-32767; a client that asks for more gets this
  size_t request_bytes_max = size_t{64} << 20;  // a larger request ends the connection
  int login_timeout_ms = 30'000;  // for each message before the first statement; -1: for ever
  EncryptionPolicy encryption = EncryptionPolicy::kOptional;
  // PEM files; both empty makes a self-signed certificate for "localhost" at start.
  std::string certificate_file;
  std::string key_file;
  // Sends rows that hold a NULL as NBCROW, as SQL Server does at times, to clients of TDS 7.3.
  bool null_bitmap_rows = false;
  std::string server_name = "DSTREAM-STANDIN";  // as it stands in messages
  ServerVersion version;                        // as it stands in the login response
  size_t requests_kept = 1'000;                 // of Server::statistics().requests()
};

class Server {
 public:
  Server(Handler* handler, ServerOptions options);
  // Stops, if stop() was not called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds, listens and returns; clients are served by threads of the server. False with a sentence
  // in *error if the address cannot be had.
  bool start(std::string* error);
  // Closes the listener and every connection, wakes sessions that wait, and returns when all
  // threads have ended. A session that computes without looking at cancelled() delays it.
  void stop();
  // The bound port, once start() has returned true.
  uint16_t port() const;

  // The server's certificate in PEM, for clients that are to trust it; empty without TLS.
  std::string certificate_pem() const;

  Faults& faults();
  Statistics& statistics();
  // Closes all connections, as a server that fails over does; the listener stays.
  void drop_connections();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace dstream::standin
