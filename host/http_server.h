// A small HTTP server: one thread, one poll(), a bounded number of connections, and for each of
// them a bounded number of bytes and a deadline. It wakes up for its clients only.
//
// Poco's HTTPServer limits each receive and not a whole request, so that a client who sends a byte
// now and then keeps a thread; and it wakes up four times a second.
//
// Thread rule: listen(), start() and stop() from one thread; the handler is called on the server's.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "host/http_message.h"
#include "host/signals.h"
#include "host/unix_socket.h"

namespace dstream::host {

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;
  struct Limits {
    size_t connections_max = 16;    // further ones wait to be accepted
    int64_t request_ms_max = 5000;  // from the accept to the last byte of the answer
  };

  // `clock` is borrowed.
  HttpServer(Handler handler, const core::Clock* clock, Limits limits);
  HttpServer(Handler handler, const core::Clock* clock);
  ~HttpServer();  // REQUIRES: never started, or stop() returned true
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Takes a listening socket; `local` is what its requests say.
  void add_listener(Descriptor listener, bool local);
  void start();
  // False if the handler did not come back within `max_wait_ms`: its thread is left behind, and
  // nothing that it uses may be torn down.
  bool stop(int64_t max_wait_ms);

 private:
  struct Connection;
  struct Listener {
    Descriptor descriptor;
    bool local = false;
  };

  void run();
  void accept_from(const Listener& listener);
  void serve(Connection& connection, short events);
  void receive(Connection& connection);
  void answer(Connection& connection);
  void send_rest(Connection& connection);

  const Handler handler_;
  const core::Clock* const clock_;
  const Limits limits_;
  std::vector<Listener> listeners_;
  std::vector<std::unique_ptr<Connection>> connections_;  // of the server's thread
  int64_t accept_after_ns_ = 0;                           // the process had no descriptor left
  Notifier stop_;
  std::promise<void> ended_;
  std::thread thread_;
};

// A listening socket on `address` ("127.0.0.1:9707", "[::1]:0"). Errors: DS-ADMIN-LISTEN.
core::Result<Descriptor> listen_on(const std::string& address);
// Where it listens, with the port that port 0 has become.
std::string bound_address(const Descriptor& listener);

}  // namespace dstream::host
