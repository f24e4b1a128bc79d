// HTTP/1.1 as the admin interface speaks it: one request a connection, bodies of a known length,
// everything bounded.
//
// Thread rule: plain functions and values.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace dstream::host {

inline constexpr size_t kHttpHeadBytesMax = 16 * 1024;
inline constexpr size_t kHttpBodyBytesMax = 64 * 1024;      // of a request
inline constexpr size_t kHttpAnswerBytesMax = 64ull << 20;  // of an answer, as a client reads it

struct HttpRequest {
  std::string method;
  std::string path;          // decoded, without the query
  std::string host;          // without the port; "" if there is none
  std::string content_type;  // without parameters, in lower case
  std::string body;
  bool local = false;  // came through the unix socket
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// What the bytes received so far come to: not all there yet, a request, or an answer to bytes that
// will never be one.
struct ParsedRequest {
  enum class State { kIncomplete, kComplete, kRefused };
  State state = State::kIncomplete;
  HttpRequest request;
  HttpResponse refusal;
};
ParsedRequest parse_http_request(std::string_view bytes);

// nullopt if `bytes`, all that was received, are no whole answer.
std::optional<HttpResponse> parse_http_response(std::string_view bytes);

// The bytes to send. Both end the connection.
std::string http_text(const HttpResponse& response);
std::string http_text(const HttpRequest& request);

// {"error": {"code", "message", "hint"}} with `status`.
HttpResponse http_error(int status, const std::string& code, const std::string& message,
                        const std::string& hint = {});

}  // namespace dstream::host
