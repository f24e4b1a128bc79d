#include "tests/standins/tokens/token_endpoint.h"

#include <Poco/Net/HTMLForm.h>
#include <Poco/URI.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "tests/standins/http/http_server.h"
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

void reply(net::HTTPServerResponse& response, int status, const std::string& body) {
  send_answer(response, status, "application/json", body);
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

// What one request is answered with.
class TokenEndpoint::Answers {
 public:
  explicit Answers(State& state) : state_(state) {}

  void answer(net::HTTPServerRequest& request, net::HTTPServerResponse& response) {
    const net::HTMLForm form(request, request.stream());
    std::unique_lock lock(state_.mutex);
    ++state_.requests;
    if (state_.stalls) {
      ++state_.stalled;
      state_.changed.notify_all();
      state_.changed.wait(lock, [this] { return !state_.stalls || state_.ends; });
      --state_.stalled;
    }
    if (state_.failures > 0) {
      --state_.failures;
      if (state_.retry_after_s > 0) {
        response.set("Retry-After", std::to_string(state_.retry_after_s));
      }
      reply(response, state_.failure_status, R"({"error":"temporarily_unavailable"})");
      return;
    }
    const std::string path = Poco::URI(request.getURI()).getPath();
    if (path == kTenantPath) {
      entra(request, form, response);
    } else if (path == kMetadataPath) {
      identity(form, request.get("Metadata", "") == "true", "2018-02-01", response);
    } else if (path == kAppServicePath) {
      const std::string header = request.get("X-IDENTITY-HEADER", "");
      identity(form, !header.empty() && header == state_.options.identity_header, "2019-08-01",
               response);
    } else {
      reply(response, 404, R"({"error":"not_found"})");
    }
  }

 private:
  static void refuse(net::HTTPServerResponse& response, int status, const std::string& error,
                     const std::string& description) {
    reply(response, status,
          R"({"error":")" + error + R"(","error_description":")" + description + "\"}");
  }

  void entra(const net::HTTPServerRequest& request, const net::HTMLForm& form,
             net::HTTPServerResponse& response) {
    const Options& options = state_.options;
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
      reply(response, 200,
            R"({"token_type":"Bearer","expires_in":)" + std::to_string(state_.lifetime_s) +
                R"(,"access_token":")" + state_.make_token() + "\"}");
    }
  }

  // Numbers are text here.
  void identity(const net::HTMLForm& form, bool allowed, const std::string& version,
                net::HTTPServerResponse& response) {
    if (!allowed) {
      refuse(response, 400, "invalid_request", "Required metadata header not specified");
    } else if (form.get("api-version", "") != version) {
      refuse(response, 400, "invalid_request", "The api-version is not valid.");
    } else if (form.get("resource", "") != state_.options.audience) {
      refuse(response, 400, "invalid_resource", "AADSTS500011: The resource was not found.");
    } else if (form.has("client_id") && form.get("client_id") != state_.options.client_id) {
      refuse(response, 400, "invalid_request", "Identity not found");
    } else {
      const std::string until = std::to_string(now_s() + state_.lifetime_s);
      reply(response, 200,
            R"({"access_token":")" + state_.make_token() + R"(","expires_on":")" + until +
                R"(","token_type":"Bearer"})");
    }
  }

  State& state_;
};

TokenEndpoint::TokenEndpoint(Options options)
    : state_(std::make_shared<State>(std::move(options))),
      server_(std::make_unique<HttpServer>(
          HttpServer::Options{state_->options.tls ? state_->options.certs : "", 0},
          [state = state_](auto& request, auto& response) {
            Answers(*state).answer(request, response);
          })) {}

TokenEndpoint::~TokenEndpoint() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ends = true;
    state_->changed.notify_all();
  }
  server_.reset();
}

std::string TokenEndpoint::url() const { return server_->url(); }

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
