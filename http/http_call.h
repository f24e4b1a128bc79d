// One request over HTTP or HTTPS that another thread can end.
//
// Poco's own session cannot be ended while it connects or shakes hands; here the socket is made
// first, so that there is always something to shut down.
//
// Thread rule: send() one thread at a time; cancel() [any-thread].
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dstream::http {

struct HttpRequestText {
  std::string method = "GET";
  std::string url;  // http:// or https://
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  // Sent in place of `body` if it is not empty; must stay until send() returns.
  std::string_view borrowed_body = {};
  // The body is sent only when the server has said that it wants it, so that a refusal comes before
  // it and not in the middle. For servers that know of it, and bodies of which it is worth a wait.
  bool expects_continue = false;
};

struct HttpAnswer {
  int status = 0;
  uint32_t retry_after_s = 0;  // 0: the server did not say
  std::string body;
};

// There was no answer. The text names host and reason, and no part of the request.
struct HttpError : std::runtime_error {
  HttpError(const std::string& text, bool tls) : std::runtime_error(text), is_tls(tls) {}
  bool is_tls;  // the certificate, or a port that does not speak TLS: waiting changes nothing
};

class HttpCall {
 public:
  // `ca_file`: PEM of the CAs to trust; empty: the system's.
  HttpCall(std::string ca_file, std::chrono::milliseconds timeout)
      : ca_file_(std::move(ca_file)), timeout_(timeout) {}

  // Redirects are answers like others. Throws HttpError; also if the answer is larger than 1 MiB.
  HttpAnswer send(const HttpRequestText& request);
  // Ends a send() that runs, and all later ones.
  void cancel();

 private:
  class Guarded;

  const std::string ca_file_;
  const std::chrono::milliseconds timeout_;
  std::mutex mutex_;  // guards all below
  int descriptor_ = -1;
  bool cancelled_ = false;
};

}  // namespace dstream::http
