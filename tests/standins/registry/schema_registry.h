// A schema registry for tests: the part of Confluent's REST API that producers use.
//
//   POST /subjects/S/versions   registers a schema: {"schema":"..."} -> {"id":1}
//   POST /subjects/S            the same, but only looks: 404 for what is not there
//   GET  /schemas/ids/N         {"schema":"..."}
//   GET  /schemas/types         ["AVRO"]
//
// The same text has the same id under every subject. A schema must be JSON; whether it is Avro, and
// whether it is compatible with others, is not looked at: a frozen subject takes no new ones.
//
// Thread rule: [any-thread].
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace dstream::standin {

class HttpServer;

class SchemaRegistry {
 public:
  struct Options {
    std::string certs;  // folder made by make-certs.sh: broker.pem; empty: plain HTTP
    std::string username;
    std::string password;
    uint16_t port = 0;  // 0: a free one
  };
  explicit SchemaRegistry(Options options);
  ~SchemaRegistry();
  SchemaRegistry(const SchemaRegistry&) = delete;
  SchemaRegistry& operator=(const SchemaRegistry&) = delete;

  // "http://localhost:PORT" or "https://localhost:PORT".
  std::string url() const;

  // From now on the subject takes no schema that it does not have.
  void freeze(const std::string& subject);
  void thaw(const std::string& subject);
  // Requests are answered with this status until it is 0 again.
  void fail_with(int status);
  // While it is on, requests are taken and not answered.
  void stall(bool on);
  // As if somebody had registered it before.
  int32_t add(const std::string& subject, const std::string& schema);

  int requests() const;
  bool wait_requests(int count, int timeout_ms) const;
  std::map<int32_t, std::string> schemas() const;
  std::vector<std::string> subjects() const;
  // The id of the newest schema of the subject; 0: it has none.
  int32_t newest(const std::string& subject) const;

 private:
  struct State;
  class Answers;
  std::shared_ptr<State> state_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace dstream::standin
