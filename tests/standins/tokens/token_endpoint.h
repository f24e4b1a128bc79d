// A server that gives access tokens, for tests: Microsoft Entra ID's token endpoint, the instance
// metadata service of a virtual machine, and App Service's endpoint, each on its own path.
//
// Tokens are RS256 JWTs with the key in `certs`/jwt.key, as the broker of kafka_broker.h checks
// them. What a client sends is checked as the services check it; a request that is wrong is refused
// in their words.
//
// Thread rule: [any-thread].
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace dstream::standin {

class HttpServer;

class TokenEndpoint {
 public:
  struct Options {
    std::string certs;  // folder made by make-certs.sh: broker.pem, jwt.key
    bool tls = true;    // the metadata service speaks plain HTTP
    std::string audience = "https://ns.servicebus.windows.net";
    std::string client_id = "app-1";
    std::string client_secret = "s3cret+/=&";
    std::string assertion;        // what a workload identity has to show
    std::string identity_header;  // App Service's
  };
  explicit TokenEndpoint(Options options);
  ~TokenEndpoint();
  TokenEndpoint(const TokenEndpoint&) = delete;
  TokenEndpoint& operator=(const TokenEndpoint&) = delete;

  // "https://localhost:PORT": an authority, whose tenant is "tenant-1".
  std::string url() const;
  std::string instance_metadata_url() const { return url() + "/metadata/identity/oauth2/token"; }
  std::string app_service_url() const { return url() + "/msi/token"; }

  void set_lifetime_s(int seconds);
  void set_client_secret(const std::string& secret);
  void set_assertion(const std::string& assertion);
  // The next `count` requests are answered with this status.
  void fail(int count, int status, int retry_after_s = 0);
  // While it is on, requests are taken and not answered.
  void stall(bool on);
  int requests() const;
  int tokens() const;
  // Requests that wait because of stall().
  bool wait_stalled(int timeout_ms) const;
  bool wait_tokens(int count, int timeout_ms) const;

 private:
  struct State;
  class Answers;
  std::shared_ptr<State> state_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace dstream::standin
