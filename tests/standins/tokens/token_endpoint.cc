#include "tests/standins/tokens/token_endpoint.h"

#include <Poco/Net/Context.h>
#include <Poco/Net/HTMLForm.h>
#include <Poco/Net/HTTPRequestHandler.h>
#include <Poco/Net/HTTPRequestHandlerFactory.h>
#include <Poco/Net/HTTPServer.h>
#include <Poco/Net/HTTPServerRequest.h>
#include <Poco/Net/HTTPServerResponse.h>
#include <Poco/Net/SecureServerSocket.h>
#include <Poco/URI.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "tests/standins/tokens/signed_token.h"

namespace dstream::standin {
namespace {

namespace net = Poco::Net;

constexpr const char* kTenantPath = "/tenant-1/oauth2/v2.0/token";
constexpr const char* kMetadataPath = "/metadata/identity/oauth2/token";
constexpr const char* kAppServicePath = "/msi/token";
constexpr const char* kAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct TokenEndpoint::State {
  explicit State(Options options_) : options(std::move(options_)) {}

  mutable std::mutex mutex;  // guards all below
  mutable std::condition_variable changed;
  Options options;
  int lifetime_s = 3600;
  int failures = 0;
  int failure_status = 0;
  int retry_after_s = 0;
  bool stalls = false;
  bool ends = false;
  int stalled = 0;
  int requests = 0;
  int tokens = 0;

  std::string make_token() {
    const int64_t now = now_s();
    ++tokens;
    changed.notify_all();
    return sign_token(R"({"iss":"dstream-test","sub":")" + options.client_id + R"(","aud":")" +
                          options.audience + R"(","iat":)" + std::to_string(now) + R"(,"exp":)" +
                          std::to_string(now + lifetime_s) + R"(,"jti":")" +
                          std::to_string(tokens) + "\"}",
                      options.certs + "/jwt.key", "k1");
  }
};

class TokenEndpoint::Handler : public net::HTTPRequestHandler {
 public:
  explicit Handler(std::shared_ptr<State> state) : state_(std::move(state)) {}

  void handleRequest(net::HTTPServerRequest& request, net::HTTPServerResponse& response) override {
    const net::HTMLForm form(request, request.stream());
    std::unique_lock lock(state_->mutex);
    ++state_->requests;
    if (state_->stalls) {
      ++state_->stalled;
      state_->changed.notify_all();
      state_->changed.wait(lock, [this] { return !state_->stalls || state_->ends; });
      --state_->stalled;
    }
    if (state_->failures > 0) {
      --state_->failures;
      if (state_->retry_after_s > 0) {
        response.set("Retry-After", std::to_string(state_->retry_after_s));
      }
      answer(response, state_->failure_status, R"({"error":"temporarily_unavailable"})");
      return;
    }
    const std::string path = Poco::URI(request.getURI()).getPath();
    if (path == kTenantPath) {
      entra(request, form, response);
    } else if (path == kMetadataPath) {
      identity(form, request.get("Metadata", "") == "true", "2018-02-01", response);
    } else if (path == kAppServicePath) {
      const std::string header = request.get("X-IDENTITY-HEADER", "");
      identity(form, !header.empty() && header == state_->options.identity_header, "2019-08-01",
               response);
    } else {
      answer(response, 404, R"({"error":"not_found"})");
    }
  }

 private:
  static void answer(net::HTTPServerResponse& response, int status, const std::string& body) {
    response.setStatus(static_cast<net::HTTPResponse::HTTPStatus>(status));
    response.setContentType("application/json");
    response.sendBuffer(body.data(), body.size());
  }

  static void refuse(net::HTTPServerResponse& response, int status, const std::string& error,
                     const std::string& description) {
    answer(response, status,
           R"({"error":")" + error + R"(","error_description":")" + description + "\"}");
  }

  void entra(const net::HTTPServerRequest& request, const net::HTMLForm& form,
             net::HTTPServerResponse& response) {
    const Options& options = state_->options;
    const std::string scope = form.get("scope", "");
    if (request.getMethod() != "POST" || form.get("grant_type", "") != "client_credentials") {
      refuse(response, 400, "unsupported_grant_type", "AADSTS70003: The grant is not supported.");
    } else if (form.get("client_id", "") != options.client_id) {
      refuse(response, 400, "unauthorized_client",
             "AADSTS700016: The application was not found in the directory.");
    } else if (scope != options.audience + "/.default") {
      refuse(response, 400, "invalid_scope", "AADSTS70011: The scope is not valid.");
    } else if (form.has("client_secret") && form.get("client_secret") != options.client_secret) {
      refuse(response, 401, "invalid_client",
             "AADSTS7000215: Invalid client secret provided.\\r\\nTrace ID: 1");
    } else if (!form.has("client_secret") &&
               (options.assertion.empty() ||
                form.get("client_assertion_type", "") != kAssertionType ||
                form.get("client_assertion", "") != options.assertion)) {
      refuse(response, 401, "invalid_client", "AADSTS70021: No matching federated identity.");
    } else {
      answer(response, 200,
             R"({"token_type":"Bearer","expires_in":)" + std::to_string(state_->lifetime_s) +
                 R"(,"access_token":")" + state_->make_token() + "\"}");
    }
  }

  // Numbers are text here.
  void identity(const net::HTMLForm& form, bool allowed, const std::string& version,
                net::HTTPServerResponse& response) {
    if (!allowed) {
      refuse(response, 400, "invalid_request", "Required metadata header not specified");
    } else if (form.get("api-version", "") != version) {
      refuse(response, 400, "invalid_request", "The api-version is not valid.");
    } else if (form.get("resource", "") != state_->options.audience) {
      refuse(response, 400, "invalid_resource", "AADSTS500011: The resource was not found.");
    } else if (form.has("client_id") && form.get("client_id") != state_->options.client_id) {
      refuse(response, 400, "invalid_request", "Identity not found");
    } else {
      const std::string until = std::to_string(now_s() + state_->lifetime_s);
      answer(response, 200,
             R"({"access_token":")" + state_->make_token() + R"(","expires_on":")" + until +
                 R"(","token_type":"Bearer"})");
    }
  }

  std::shared_ptr<State> state_;
};

class TokenEndpoint::Factory : public net::HTTPRequestHandlerFactory {
 public:
  explicit Factory(std::shared_ptr<State> state) : state_(std::move(state)) {}
  net::HTTPRequestHandler* createRequestHandler(const net::HTTPServerRequest&) override {
    return new Handler(state_);
  }

 private:
  std::shared_ptr<State> state_;
};

struct TokenEndpoint::Server {
  Server(const std::shared_ptr<State>& state, const net::ServerSocket& socket)
      : port(socket.address().port()), http(new Factory(state), socket, parameters()) {
    http.start();
  }
  ~Server() { http.stopAll(true); }

  static net::HTTPServerParams::Ptr parameters() {
    net::HTTPServerParams::Ptr out = new net::HTTPServerParams;
    out->setKeepAlive(false);
    return out;
  }

  uint16_t port;
  net::HTTPServer http;
};

TokenEndpoint::TokenEndpoint(Options options)
    : state_(std::make_shared<State>(std::move(options))) {
  const net::SocketAddress any("127.0.0.1", 0);
  if (state_->options.tls) {
    const std::string pem = state_->options.certs + "/broker.pem";
    const net::Context::Ptr context =
        new net::Context(net::Context::TLS_SERVER_USE, pem, pem, "", net::Context::VERIFY_NONE);
    server_ = std::make_unique<Server>(state_, net::SecureServerSocket(any, 64, context));
  } else {
    server_ = std::make_unique<Server>(state_, net::ServerSocket(any));
  }
}

TokenEndpoint::~TokenEndpoint() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ends = true;
    state_->changed.notify_all();
  }
  server_.reset();
}

std::string TokenEndpoint::url() const {
  return std::string(state_->options.tls ? "https" : "http") +
         "://localhost:" + std::to_string(server_->port);
}

void TokenEndpoint::set_lifetime_s(int seconds) {
  const std::lock_guard lock(state_->mutex);
  state_->lifetime_s = seconds;
}

void TokenEndpoint::set_client_secret(const std::string& secret) {
  const std::lock_guard lock(state_->mutex);
  state_->options.client_secret = secret;
}

void TokenEndpoint::set_assertion(const std::string& assertion) {
  const std::lock_guard lock(state_->mutex);
  state_->options.assertion = assertion;
}

void TokenEndpoint::fail(int count, int status, int retry_after_s) {
  const std::lock_guard lock(state_->mutex);
  state_->failures = count;
  state_->failure_status = status;
  state_->retry_after_s = retry_after_s;
}

void TokenEndpoint::stall(bool on) {
  const std::lock_guard lock(state_->mutex);
  state_->stalls = on;
  state_->changed.notify_all();
}

int TokenEndpoint::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->requests;
}

int TokenEndpoint::tokens() const {
  const std::lock_guard lock(state_->mutex);
  return state_->tokens;
}

bool TokenEndpoint::wait_stalled(int timeout_ms) const {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                  [this] { return state_->stalled > 0; });
}

bool TokenEndpoint::wait_tokens(int count, int timeout_ms) const {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                  [this, count] { return state_->tokens >= count; });
}

}  // namespace dstream::standin
