#include "core/registry/registry_client.h"

#include <Poco/Dynamic/Var.h>
#include <Poco/Exception.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/messages/json_text.h"
#include "http/http_call.h"

namespace dstream::core {
namespace {

constexpr std::chrono::milliseconds kCallTimeout{10'000};
constexpr int64_t kWaitMinMs = 100;
constexpr int64_t kWaitMaxMs = 30'000;
constexpr size_t kQuotedBytesMax = 400;
constexpr const char* kDenied = "DS-REGISTRY-DENIED";
constexpr const char* kContentType = "application/vnd.schemaregistry.v1+json";

Poco::JSON::Object::Ptr parse_object(const std::string& body) {
  try {
    Poco::JSON::Parser parser;
    parser.setDepth(16);
    return parser.parse(body).extract<Poco::JSON::Object::Ptr>();
  } catch (const Poco::Exception&) {
    return nullptr;
  }
}

// An id is a number from 1; 0 if there is none.
int32_t id_of(const std::string& body) {
  const auto object = parse_object(body);
  try {
    return object ? std::max(object->getValue<int32_t>("id"), 0) : 0;
  } catch (const Poco::Exception&) {
    return 0;
  }
}

// What the registry said, as far as it may stand in a log line.
std::string said(const http::HttpAnswer& answer) {
  const auto object = parse_object(answer.body);
  std::string text = object ? object->optValue<std::string>("message", "") : "";
  if (text.size() > kQuotedBytesMax) {
    text = text.substr(0, valid_utf8_size(text.substr(0, kQuotedBytesMax))) + " ...";
  }
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < ' '; }, ' ');
  return "status " + std::to_string(answer.status) + (text.empty() ? "" : ": " + text);
}

bool may_pass(int status) { return status >= 500 || status == 408 || status == 429; }

Error refusal(const http::HttpAnswer& answer, const std::string& subject, bool registers) {
  const std::string words = " (" + said(answer) + ").";
  Error error;
  switch (answer.status) {
    case 409:
      error.code = "DS-REGISTRY-INCOMPATIBLE";
      error.message = "The schema registry does not take the schema of " + subject +
                      " beside those it has" + words;
      error.hint =
          "Relax the subject's compatibility, or send to another topic; then start again. Nothing "
          "is lost: the changes are read again.";
      break;
    case 401:
    case 403:
      error.code = kDenied;
      error.message = "The schema registry refuses the login or the right to " + subject + words;
      error.hint = "Check format.registry.username and password, and what they may do.";
      break;
    case 404:
      error.code = "DS-REGISTRY-UNKNOWN";
      error.message = "The schema registry does not know the schema of " + subject + words;
      error.hint = registers
                       ? "Check format.registry.url."
                       : "Register the schema, or set format.registry.register_schemas: true.";
      break;
    default:
      error.code = "DS-REGISTRY-REFUSED";
      error.message = "The schema registry refuses the schema of " + subject + words;
      error.hint = "Check format.registry.url, and what the registry says.";
  }
  return error;
}

Error away(const std::string& why) {
  Error error;
  error.code = "DS-REGISTRY-AWAY";
  error.message = "The schema registry gives no id for a schema: " + why +
                  (why.empty() || why.back() != '.' ? "." : "");
  error.hint = "It is asked again by itself; until then nothing is delivered, and nothing is lost.";
  return error;
}

}  // namespace

http::HttpRequestText registry_request(const RegistrySettings& settings, const char* method,
                                       const std::string& path) {
  http::HttpRequestText request;
  request.method = method;
  request.url = settings.url + path;
  request.headers.push_back({"Accept", kContentType});
  if (!settings.username.empty()) {
    request.headers.push_back(
        {"Authorization", "Basic " + to_base64(settings.username + ":" + settings.password)});
  }
  return request;
}

RegistryClient::RegistryClient(const RegistrySettings& settings, Environment environment)
    : environment_(std::move(environment)),
      call_(std::make_unique<http::HttpCall>(settings.ca_file, kCallTimeout)),
      settings_(settings),
      random_(environment_.seed),
      thread_([this] { run(); }) {}

RegistryClient::~RegistryClient() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  wanted_.notify_all();
  call_->cancel();
  thread_.join();
}

std::string RegistryClient::cache_key(const std::string& subject, const std::string& schema) {
  return subject + '\n' + schema;
}

Result<std::optional<int32_t>> RegistryClient::find(const std::string& subject,
                                                    const std::string& schema) {
  const std::lock_guard lock(mutex_);
  auto [entry, is_new] = answers_.try_emplace(cache_key(subject, schema));
  if (is_new) {
    questions_.push_back({subject, schema});
    wanted_.notify_all();
  }
  if (entry->second.refusal) {
    return fail(*entry->second.refusal);
  }
  return entry->second.id;
}

std::optional<Error> RegistryClient::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void RegistryClient::run() {
  int64_t wait_ms = kWaitMinMs;
  std::unique_lock lock(mutex_);
  while (true) {
    wanted_.wait(lock, [this] { return ends_ || !questions_.empty(); });
    if (ends_) {
      return;
    }
    const Question question = questions_.front();
    lock.unlock();
    Error why;
    uint32_t wait_s = 0;
    std::optional<Answer> answer = ask(question, &why, &wait_s);
    lock.lock();
    if (ends_) {
      return;
    }
    if (answer) {
      wait_ms = kWaitMinMs;
      questions_.pop_front();
      answers_[cache_key(question.subject, question.schema)] = std::move(*answer);
      trouble_.reset();
      denied_ms_ = 0;
    } else {
      trouble_ = std::move(why);
    }
    lock.unlock();
    environment_.changed();
    lock.lock();
    if (trouble_) {
      // The upper half at random, so that many pipelines do not come back at the same instant.
      const int64_t random_ms =
          wait_ms / 2 + static_cast<int64_t>(random_() % static_cast<uint64_t>(wait_ms / 2 + 1));
      const int64_t asked_ms = std::min<int64_t>(int64_t{wait_s} * 1000, 10 * kWaitMaxMs);
      const int64_t total_ms = std::max(random_ms, asked_ms);
      denied_ms_ = trouble_->code == kDenied ? denied_ms_ + total_ms : 0;
      wanted_.wait_for(lock, std::chrono::milliseconds(total_ms), [this] { return ends_; });
      wait_ms = std::min(kWaitMaxMs, wait_ms * 2);
    }
  }
}

std::optional<RegistryClient::Answer> RegistryClient::ask(const Question& question, Error* why,
                                                          uint32_t* wait_s) {
  // Names of topics, and so of subjects, have no character that a URL must not have.
  http::HttpRequestText request = registry_request(
      settings_, "POST",
      "/subjects/" + question.subject + (settings_.register_schemas ? "/versions" : ""));
  request.headers.push_back({"Content-Type", kContentType});
  request.body = "{\"schema\":" + json_string(question.schema) + "}";
  http::HttpAnswer answer;
  try {
    answer = call_->send(request);
  } catch (const http::HttpError& error) {
    *why = away(error.what());
    return std::nullopt;
  }
  if (answer.status == 200) {
    const int32_t id = id_of(answer.body);
    if (id > 0) {
      environment_.log->write(LogLevel::kInfo, "A schema has its id.",
                              {{"pipeline", environment_.pipeline},
                               {"subject", question.subject},
                               {"schema_id", std::to_string(id)}});
      return Answer{id, std::nullopt};
    }
    *why = away("it answers without an id");
    return std::nullopt;
  }
  if (may_pass(answer.status)) {
    *why = away(said(answer));
    *wait_s = answer.retry_after_s;
    return std::nullopt;
  }
  Error refused = refusal(answer, question.subject, settings_.register_schemas);
  if (refused.code == kDenied) {
    const bool is_new = read_login_again();
    if (is_new || denied_ms_ < environment_.denied_for_ms) {
      *why = std::move(refused);
      return std::nullopt;
    }
  }
  return Answer{std::nullopt, std::move(refused)};
}

// What cannot be read is said once; the refusal itself is what the operator sees.
bool RegistryClient::read_login_again() {
  if (!environment_.reread) {
    return false;
  }
  Result<RegistrySettings> now = environment_.reread();
  if (!now) {
    if (std::exchange(said_, now.error().message) != now.error().message) {
      environment_.log->write(
          LogLevel::kWarn, "The secret of format.registry cannot be read again.",
          {{"pipeline", environment_.pipeline}, {"reason", now.error().message}});
    }
    return false;
  }
  said_.clear();
  if (now->username == settings_.username && now->password == settings_.password) {
    return false;
  }
  settings_.username = std::move(now->username);
  settings_.password = std::move(now->password);
  denied_ms_ = 0;
  environment_.log->write(LogLevel::kInfo,
                          "The login of format.registry has changed and is used from now on.",
                          {{"pipeline", environment_.pipeline}});
  return true;
}

}  // namespace dstream::core
