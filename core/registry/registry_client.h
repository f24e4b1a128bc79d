// Ids of schemas from a registry that speaks Confluent's REST API, over HTTP or HTTPS.
//
// A thread of its own asks for one schema after the other, in the order in which they were wanted.
// While the registry is away or asks for patience the same question is asked again, with waits that
// double from 100 ms to 30 s, for as long as it takes; answers are kept for the life of the client.
//
// Thread rule: find() and trouble() [any-thread].
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/messages/schema_registry.h"

namespace dstream::http {
class HttpCall;
struct HttpRequestText;
}  // namespace dstream::http

namespace dstream::core {

// A request for `path` ("/schemas/types") of the registry, with the login of `settings`.
http::HttpRequestText registry_request(const RegistrySettings& settings, const char* method,
                                       const std::string& path);

class RegistryClient final : public SchemaRegistry {
 public:
  // `log` is borrowed, and `pipeline` names whose it is. `changed` is called from the client's
  // thread whenever find() or trouble() would say something else than before. `reread` gives the
  // settings as the files behind their secrets are now; it may be empty.
  struct Environment {
    Log* log = nullptr;
    std::string pipeline;
    std::function<void()> changed;
    std::function<Result<RegistrySettings>()> reread;
    // A refused login is tried again for so long, for passwords rotate; then it is a refusal.
    int64_t denied_for_ms = 0;
    uint64_t seed = 0;
  };
  RegistryClient(const RegistrySettings& settings, Environment environment);
  // Ends a request that runs.
  ~RegistryClient() override;
  RegistryClient(const RegistryClient&) = delete;
  RegistryClient& operator=(const RegistryClient&) = delete;

  Result<std::optional<int32_t>> find(const std::string& subject,
                                      const std::string& schema) override;
  std::optional<Error> trouble() const override;

 private:
  struct Question {
    std::string subject;
    std::string schema;
  };
  struct Answer {
    std::optional<int32_t> id;
    std::optional<Error> refusal;
  };

  void run();
  // nullopt: it is to be asked again; `why` says why, `wait_s` what the server asked for.
  std::optional<Answer> ask(const Question& question, Error* why, uint32_t* wait_s);
  // True: the login is another than the one that was refused.
  bool read_login_again();
  static std::string cache_key(const std::string& subject, const std::string& schema);

  const Environment environment_;
  std::unique_ptr<http::HttpCall> call_;
  // These four are the thread's.
  RegistrySettings settings_;
  std::mt19937_64 random_;
  int64_t denied_ms_ = 0;  // waited since the login was refused
  std::string said_;       // of a secret that cannot be read

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wanted_;
  std::unordered_map<std::string, Answer> answers_;  // without id and refusal: asked for
  std::deque<Question> questions_;
  std::optional<Error> trouble_;
  bool ends_ = false;

  std::thread thread_;
};

}  // namespace dstream::core
