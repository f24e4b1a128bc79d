#include "tests/standins/registry/schema_registry.h"

#include <Poco/Exception.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <Poco/Net/HTTPBasicCredentials.h>
#include <Poco/StreamCopier.h>
#include <Poco/URI.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <sstream>
#include <utility>

#include "tests/standins/http/http_server.h"

namespace dstream::standin {

namespace net = Poco::Net;

namespace {

void reply(net::HTTPServerResponse& response, int status, const std::string& body) {
  send_answer(response, status, "application/vnd.schemaregistry.v1+json", body);
}

}  // namespace

struct SchemaRegistry::State {
  explicit State(Options options_) : options(std::move(options_)) {}

  const Options options;
  mutable std::mutex mutex;  // guards all below
  mutable std::condition_variable changed;
  std::map<int32_t, std::string> schemas;
  std::map<std::string, std::vector<int32_t>> subjects;
  std::set<std::string> frozen;
  int fails_with = 0;
  bool stalls = false;
  bool ends = false;
  int requests = 0;

  // 0: it is not there.
  int32_t find(const std::string& subject, const std::string& schema) const {
    const auto versions = subjects.find(subject);
    for (const int32_t id :
         versions == subjects.end() ? std::vector<int32_t>{} : versions->second) {
      if (schemas.at(id) == schema) {
        return id;
      }
    }
    return 0;
  }

  int32_t add(const std::string& subject, const std::string& schema) {
    if (const int32_t id = find(subject, schema); id != 0) {
      return id;
    }
    int32_t id = static_cast<int32_t>(schemas.size()) + 1;
    for (const auto& [known, text] : schemas) {
      id = text == schema ? known : id;
    }
    schemas[id] = schema;
    subjects[subject].push_back(id);
    return id;
  }
};

// What one request is answered with.
class SchemaRegistry::Answers {
 public:
  explicit Answers(State& state) : state_(state) {}

  void answer(net::HTTPServerRequest& request, net::HTTPServerResponse& response) {
    std::string body;
    Poco::StreamCopier::copyToString(request.stream(), body);
    std::unique_lock lock(state_.mutex);
    ++state_.requests;
    state_.changed.notify_all();
    state_.changed.wait(lock, [this] { return !state_.stalls || state_.ends; });
    std::vector<std::string> path;
    Poco::URI(request.getURI()).getPathSegments(path);
    if (state_.fails_with != 0) {
      refuse(response, state_.fails_with, state_.fails_with * 100 + 1, "Error in the backend");
    } else if (!allowed(request)) {
      refuse(response, 401, 40101, "Unauthorized");
    } else if (request.getMethod() == "GET" &&
               path == std::vector<std::string>{"schemas", "types"}) {
      reply(response, 200, "[\"AVRO\"]");
    } else if (request.getMethod() == "GET" && path.size() == 3 && path[0] == "schemas") {
      give(response, path[2]);
    } else if (request.getMethod() == "POST" && path.size() >= 2 && path[0] == "subjects" &&
               (path.size() == 2 || (path.size() == 3 && path[2] == "versions"))) {
      take(response, path[1], body, path.size() == 3);
    } else {
      refuse(response, 404, 404, "HTTP 404 Not Found");
    }
  }

 private:
  bool allowed(const net::HTTPServerRequest& request) const {
    if (state_.options.username.empty()) {
      return true;
    }
    if (!request.hasCredentials()) {
      return false;
    }
    const net::HTTPBasicCredentials shown(request);
    return shown.getUsername() == state_.options.username &&
           shown.getPassword() == state_.options.password;
  }

  void take(net::HTTPServerResponse& response, const std::string& subject, const std::string& body,
            bool registers) {
    std::string schema;
    try {
      schema = Poco::JSON::Parser()
                   .parse(body)
                   .extract<Poco::JSON::Object::Ptr>()
                   ->getValue<std::string>("schema");
      Poco::JSON::Parser().parse(schema);
    } catch (const Poco::Exception&) {
      refuse(response, 422, 42201, "Invalid schema");
      return;
    }
    const int32_t known = state_.find(subject, schema);
    if (known == 0 && !registers) {
      refuse(response, 404, 40403, "Schema not found");
    } else if (known == 0 && state_.frozen.count(subject) != 0) {
      refuse(response, 409, 409,
             "Schema being registered is incompatible with an earlier schema for subject \\\"" +
                 subject + "\\\"");
    } else {
      reply(response, 200, "{\"id\":" + std::to_string(state_.add(subject, schema)) + "}");
    }
  }

  void give(net::HTTPServerResponse& response, const std::string& id) {
    for (const auto& [known, schema] : state_.schemas) {
      if (std::to_string(known) == id) {
        Poco::JSON::Object out;
        out.set("schema", schema);
        std::ostringstream text;
        out.stringify(text);
        reply(response, 200, text.str());
        return;
      }
    }
    refuse(response, 404, 40403, "Schema not found");
  }

  static void refuse(net::HTTPServerResponse& response, int status, int code,
                     const std::string& message) {
    reply(response, status,
          "{\"error_code\":" + std::to_string(code) + ",\"message\":\"" + message + "\"}");
  }

  State& state_;
};

SchemaRegistry::SchemaRegistry(Options options)
    : state_(std::make_shared<State>(std::move(options))),
      server_(std::make_unique<HttpServer>(
          HttpServer::Options{state_->options.certs, state_->options.port},
          [state = state_](auto& request, auto& response) {
            Answers(*state).answer(request, response);
          })) {}

SchemaRegistry::~SchemaRegistry() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ends = true;
    state_->changed.notify_all();
  }
  server_.reset();
}

std::string SchemaRegistry::url() const { return server_->url(); }

void SchemaRegistry::freeze(const std::string& subject) {
  const std::lock_guard lock(state_->mutex);
  state_->frozen.insert(subject);
}

void SchemaRegistry::thaw(const std::string& subject) {
  const std::lock_guard lock(state_->mutex);
  state_->frozen.erase(subject);
}

void SchemaRegistry::fail_with(int status) {
  const std::lock_guard lock(state_->mutex);
  state_->fails_with = status;
}

void SchemaRegistry::stall(bool on) {
  const std::lock_guard lock(state_->mutex);
  state_->stalls = on;
  state_->changed.notify_all();
}

int32_t SchemaRegistry::add(const std::string& subject, const std::string& schema) {
  const std::lock_guard lock(state_->mutex);
  return state_->add(subject, schema);
}

int SchemaRegistry::requests() const {
  const std::lock_guard lock(state_->mutex);
  return state_->requests;
}

bool SchemaRegistry::wait_requests(int count, int timeout_ms) const {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                  [&] { return state_->requests >= count; });
}

std::map<int32_t, std::string> SchemaRegistry::schemas() const {
  const std::lock_guard lock(state_->mutex);
  return state_->schemas;
}

std::vector<std::string> SchemaRegistry::subjects() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> out;
  for (const auto& [subject, versions] : state_->subjects) {
    out.push_back(subject);
  }
  return out;
}

int32_t SchemaRegistry::newest(const std::string& subject) const {
  const std::lock_guard lock(state_->mutex);
  const auto versions = state_->subjects.find(subject);
  return versions == state_->subjects.end() ? 0 : versions->second.back();
}

}  // namespace dstream::standin
