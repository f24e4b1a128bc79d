// An HTTP server in the test's own process, for stand-ins of services that speak HTTP.
//
// A stand-in answers each request in one function; sockets, threads and TLS are here. Requests come
// on several threads at once, so what the function shares it guards. A connection takes one
// request: what a client keeps open is never what a test depends on.
//
// Thread rule: [any-thread].
#pragma once

#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace dstream::standin {

class HttpServer {
 public:
  struct Options {
    std::string certs;  // folder made by make-certs.sh: broker.pem; empty: plain HTTP
    uint16_t port = 0;  // 0: a free one
  };
  using Answer = std::function<void(Poco::Net::HTTPServerRequest& request,
                                    Poco::Net::HTTPServerResponse& response)>;

  // Listens on 127.0.0.1; throws Poco::Exception when it cannot.
  HttpServer(const Options& options, Answer answer);
  // Takes no more requests. One that `answer` still holds may outlast the server, and `answer` is
  // kept until then: let it own what it uses, and let go of requests that wait before.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // "http://localhost:PORT" or "https://localhost:PORT".
  const std::string& url() const;

 private:
  class Handler;
  class Factory;
  struct Listener;
  std::unique_ptr<Listener> listener_;
};

// Answers with a whole body.
void send_answer(Poco::Net::HTTPServerResponse& response, int status,
                 const std::string& content_type, const std::string& body);

}  // namespace dstream::standin
