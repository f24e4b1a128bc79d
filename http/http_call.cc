#include "http/http_call.h"

#include <Poco/Exception.h>
#include <Poco/Net/Context.h>
#include <Poco/Net/HTTPClientSession.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/Net/NetException.h>
#include <Poco/Net/SSLException.h>
#include <Poco/Net/SecureStreamSocket.h>
#include <Poco/URI.h>
#include <sys/socket.h>

#include <charconv>

namespace dstream::http {
namespace {

namespace net = Poco::Net;

constexpr size_t kAnswerBytesMax = 1 << 20;
constexpr int kChainMax = 9;

net::Context::Ptr make_context(const std::string& ca_file) {
  net::Context::Ptr context =
      new net::Context(net::Context::TLS_CLIENT_USE, ca_file, net::Context::VERIFY_STRICT,
                       kChainMax, ca_file.empty());
  context->requireMinimumProtocol(net::Context::PROTO_TLSV1_2);
  return context;
}

std::string read_body(std::istream& in) {
  std::string body;
  char block[4096];
  while (in.read(block, sizeof block), in.gcount() > 0) {
    body.append(block, static_cast<size_t>(in.gcount()));
    if (body.size() > kAnswerBytesMax) {
      throw Poco::IOException("the answer is too large");
    }
  }
  return body;
}

uint32_t seconds_of(const std::string& text) {
  uint32_t seconds = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  return error == std::errc() && stop == text.data() + text.size() ? seconds : 0;
}

}  // namespace

// Makes the socket of a call known to cancel() for as long as it lives.
class HttpCall::Guarded {
 public:
  Guarded(HttpCall& call, const net::StreamSocket& socket) : call_(call) {
    const std::lock_guard lock(call_.mutex_);
    if (call_.cancelled_) {
      throw Poco::IOException("cancelled");
    }
    call_.descriptor_ = socket.impl()->sockfd();
  }
  ~Guarded() {
    const std::lock_guard lock(call_.mutex_);
    call_.descriptor_ = -1;
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

 private:
  HttpCall& call_;
};

HttpAnswer HttpCall::send(const HttpRequestText& request) {
  std::string where = "the server";
  const std::string_view payload =
      request.borrowed_body.empty() ? std::string_view(request.body) : request.borrowed_body;
  try {
    const Poco::URI uri(request.url);
    where = uri.getHost() + ":" + std::to_string(uri.getPort());
    const Poco::Timespan timeout(timeout_.count() * 1000);
    const net::SocketAddress address(uri.getHost(), uri.getPort());
    net::StreamSocket socket(address.family());
    const net::StreamSocket plain = socket;  // outlives the guard below
    const Guarded guarded(*this, plain);
    socket.connect(address, timeout);
    socket.setReceiveTimeout(timeout);
    socket.setSendTimeout(timeout);
    if (uri.getScheme() == "https") {
      socket = net::SecureStreamSocket::attach(socket, uri.getHost(), make_context(ca_file_));
    }
    net::HTTPClientSession session(socket);
    session.setTimeout(timeout);
    net::HTTPRequest head(request.method, uri.getPathAndQuery(), net::HTTPMessage::HTTP_1_1);
    head.setHost(uri.getHost(), uri.getPort());
    head.setKeepAlive(false);
    for (const auto& [name, value] : request.headers) {
      head.set(name, value);
    }
    if (request.method != "GET") {
      head.setContentLength(static_cast<std::streamsize>(payload.size()));
    }
    head.setExpectContinue(request.expects_continue);
    std::ostream& out = session.sendRequest(head);
    net::HTTPResponse response;
    if (!request.expects_continue || session.peekResponse(response)) {
      out << payload << std::flush;
    }
    std::istream& body = session.receiveResponse(response);
    HttpAnswer answer{response.getStatus(), seconds_of(response.get("Retry-After", "")), ""};
    answer.body = read_body(body);
    return answer;
  } catch (const net::SSLException& error) {
    throw HttpError("TLS with " + where + " failed: " + error.displayText(), true);
  } catch (const Poco::Exception& error) {
    throw HttpError("No answer from " + where + ": " + error.displayText(), false);
  }
}

void HttpCall::cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  if (descriptor_ >= 0) {
    ::shutdown(descriptor_, SHUT_RDWR);
  }
}

}  // namespace dstream::http
