#include "tests/standins/http/http_server.h"

#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/SecureServerSocket.h>

#include <utility>

namespace dstream::standin {

namespace net = Poco::Net;

namespace {

constexpr int kWaitingMax = 64;  // connections not yet taken

net::ServerSocket listen(const HttpServer::Options& options) {
  const net::SocketAddress address("127.0.0.1", options.port);
  if (options.certs.empty()) {
    return net::ServerSocket(address, kWaitingMax);
  }
  const std::string pem = options.certs + "/broker.pem";
  const net::Context::Ptr context =
      new net::Context(net::Context::TLS_SERVER_USE, pem, pem, "", net::Context::VERIFY_NONE);
  return net::SecureServerSocket(address, kWaitingMax, context);
}

net::HTTPServerParams::Ptr one_request_each() {
  net::HTTPServerParams::Ptr out = new net::HTTPServerParams;
  out->setKeepAlive(false);
  return out;
}

}  // namespace

class HttpServer::Handler : public net::HTTPRequestHandler {
 public:
  explicit Handler(const Answer& answer) : answer_(answer) {}
  void handleRequest(net::HTTPServerRequest& request, net::HTTPServerResponse& response) override {
    answer_(request, response);
  }

 private:
  const Answer& answer_;
};

class HttpServer::Factory : public net::HTTPRequestHandlerFactory {
 public:
  explicit Factory(Answer answer) : answer_(std::move(answer)) {}
  net::HTTPRequestHandler* createRequestHandler(const net::HTTPServerRequest&) override {
    return new Handler(answer_);
  }

 private:
  const Answer answer_;
};

struct HttpServer::Listener {
  Listener(const Options& options, const net::ServerSocket& socket, Answer answer)
      : url((options.certs.empty() ? "http" : "https") + std::string("://localhost:") +
            std::to_string(socket.address().port())),
        http(new Factory(std::move(answer)), socket, one_request_each()) {
    http.start();
  }
  ~Listener() { http.stopAll(true); }

  const std::string url;
  net::HTTPServer http;
};

HttpServer::HttpServer(const Options& options, Answer answer)
    : listener_(std::make_unique<Listener>(options, listen(options), std::move(answer))) {}

HttpServer::~HttpServer() = default;

const std::string& HttpServer::url() const { return listener_->url; }

void send_answer(net::HTTPServerResponse& response, int status, const std::string& content_type,
                 const std::string& body) {
  response.setStatus(static_cast<net::HTTPResponse::HTTPStatus>(status));
  response.setContentType(content_type);
  response.sendBuffer(body.data(), body.size());
}

}  // namespace dstream::standin
