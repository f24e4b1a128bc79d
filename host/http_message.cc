#include "host/http_message.h"

#include <Poco/Exception.h>
#include <Poco/Net/HTTPRequest.h>
#include <Poco/Net/HTTPResponse.h>
#include <Poco/URI.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <sstream>

#include "host/output.h"

namespace dstream::host {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";

ParsedRequest refused(int status, const std::string& message) {
  ParsedRequest out;
  out.state = ParsedRequest::State::kRefused;
  out.refusal = http_error(status, "DS-ADMIN-REQUEST", message);
  return out;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

// "[::1]:9707" and "localhost:9707" without the port.
std::string without_port(const std::string& host) {
  size_t bracket = host.rfind(']');
  size_t colon = host.rfind(':');
  bool has_port = colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  return host.substr(0, has_port ? colon : host.size());
}

// The number of bytes after the head; nullopt if it is not a plain number.
std::optional<size_t> body_size(const Poco::Net::HTTPMessage& message) {
  std::string text = message.get("Content-Length", "0");
  size_t size = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return whole ? std::optional(size) : std::nullopt;
}

ParsedRequest take(const Poco::Net::HTTPRequest& head, std::string_view rest) {
  if (head.has("Transfer-Encoding")) {
    return refused(501, "Bodies need a Content-Length.");
  }
  std::optional<size_t> size = body_size(head);
  if (!size) {
    return refused(400, "The Content-Length is not a number.");
  }
  if (*size > kHttpBodyBytesMax) {
    return refused(413, "The body is longer than 64 KiB.");
  }
  ParsedRequest out;
  if (rest.size() < *size) {
    return out;
  }
  out.state = ParsedRequest::State::kComplete;
  out.request.method = head.getMethod();
  out.request.path = Poco::URI(head.getURI()).getPath();
  out.request.host = lower(without_port(head.get("Host", "")));
  std::string type = lower(head.get("Content-Type", ""));
  type = type.substr(0, type.find(';'));
  out.request.content_type = type.substr(0, type.find_last_not_of(' ') + 1);
  out.request.body = std::string(rest.substr(0, *size));
  return out;
}

}  // namespace

ParsedRequest parse_http_request(std::string_view bytes) {
  size_t end = bytes.find(kHeadEnd);
  if (end == std::string_view::npos ? bytes.size() > kHttpHeadBytesMax : end > kHttpHeadBytesMax) {
    return refused(431, "The head of the request is longer than 16 KiB.");
  }
  if (end == std::string_view::npos) {
    return {};
  }
  size_t head_size = end + kHeadEnd.size();
  try {
    std::istringstream stream{std::string(bytes.substr(0, head_size))};
    Poco::Net::HTTPRequest head;
    head.read(stream);
    if (!head.getVersion().starts_with("HTTP/1.") || head.getMethod().empty()) {
      return refused(400, "That is no HTTP/1.1 request.");
    }
    return take(head, bytes.substr(head_size));
  } catch (const Poco::Exception&) {
    // What it says quotes the bytes.
    return refused(400, "That is no HTTP/1.1 request.");
  }
}

std::optional<HttpResponse> parse_http_response(std::string_view bytes) {
  size_t end = bytes.find(kHeadEnd);
  if (end == std::string_view::npos) {
    return std::nullopt;
  }
  size_t head_size = end + kHeadEnd.size();
  try {
    std::istringstream stream{std::string(bytes.substr(0, head_size))};
    Poco::Net::HTTPResponse head;
    head.read(stream);
    std::optional<size_t> size = body_size(head);
    std::string_view body = bytes.substr(head_size);
    if (!size || !head.has("Content-Length") || *size != body.size()) {
      return std::nullopt;
    }
    return HttpResponse{static_cast<int>(head.getStatus()), head.getContentType(),
                        std::string(body)};
  } catch (const Poco::Exception&) {
    return std::nullopt;
  }
}

std::string http_text(const HttpResponse& response) {
  Poco::Net::HTTPResponse head(Poco::Net::HTTPMessage::HTTP_1_1,
                               static_cast<Poco::Net::HTTPResponse::HTTPStatus>(response.status));
  head.setContentType(response.content_type);
  head.setContentLength64(static_cast<Poco::Int64>(response.body.size()));
  head.setKeepAlive(false);
  head.set("Cache-Control", "no-store");
  head.set("X-Content-Type-Options", "nosniff");
  std::ostringstream out;
  head.write(out);
  return out.str() + response.body;
}

std::string http_text(const HttpRequest& request) {
  Poco::Net::HTTPRequest head(request.method, request.path, Poco::Net::HTTPMessage::HTTP_1_1);
  head.set("Host", "localhost");
  head.setKeepAlive(false);
  if (!request.body.empty()) {
    head.setContentType(request.content_type);
  }
  head.setContentLength64(static_cast<Poco::Int64>(request.body.size()));
  std::ostringstream out;
  head.write(out);
  return out.str() + request.body;
}

HttpResponse http_error(int status, const std::string& code, const std::string& message,
                        const std::string& hint) {
  core::JsonObject error = new_object();
  error->set("code", code);
  error->set("message", message);
  error->set("hint", hint);
  core::JsonObject out = new_object();
  out->set("error", error);
  return {status, "application/json", core::json_text(core::Json(out)) + "\n"};
}

}  // namespace dstream::host
