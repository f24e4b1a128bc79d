#include "token_request.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <Poco/Net/HTMLForm.h>
#include <Poco/URI.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

namespace eventhubs {
namespace {

constexpr const char* kResourceSuffix = "/.default";
constexpr const char* kAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr size_t kTokenBytesMax = 64 << 10;
constexpr size_t kDepthMax = 16;
constexpr int64_t kLifetimeMsMax = int64_t{366} * 24 * 3'600'000;

std::string read_token_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kTokenBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) {
    text.pop_back();
  }
  if (text.empty() || text.size() > kTokenBytesMax) {
    throw TokenError(TokenError::Kind::kRefused,
                     "The token file " + path + " cannot be read, is empty or above 64 KiB.");
  }
  return text;
}

std::string resource_of(const std::string& scope) {
  const std::string suffix = kResourceSuffix;
  return scope.ends_with(suffix) ? scope.substr(0, scope.size() - suffix.size()) : scope;
}

// Numbers come as numbers or as text, by service.
int64_t number_of(const Poco::JSON::Object& object, const std::string& key) {
  try {
    return object.has(key) ? object.get(key).convert<int64_t>() : 0;
  } catch (const Poco::Exception&) {
    return 0;
  }
}

std::string one_line(std::string text) {
  text.erase(std::find_if(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n'; }),
             text.end());
  constexpr size_t kBytesMax = 300;
  return text.size() <= kBytesMax ? text : text.substr(0, kBytesMax);
}

Poco::JSON::Object::Ptr parse_object(const std::string& text) {
  try {
    Poco::JSON::Parser parser;
    parser.setDepth(kDepthMax);
    return parser.parse(text).extract<Poco::JSON::Object::Ptr>();
  } catch (const Poco::Exception&) {
    return nullptr;
  }
}

[[noreturn]] void refuse(const HttpAnswer& answer) {
  std::string why = "The token endpoint answered with HTTP " + std::to_string(answer.status) + ".";
  const Poco::JSON::Object::Ptr object = parse_object(answer.body);
  if (!object.isNull()) {
    const auto error = object->optValue<std::string>("error", "");
    const auto text = object->optValue<std::string>("error_description", "");
    why += (error.empty() ? "" : " " + one_line(error) + ".") +
           (text.empty() ? "" : " " + one_line(text));
  }
  // 404 and 410 are what a metadata service says that is about to be there.
  const bool passing = answer.status == 404 || answer.status == 408 || answer.status == 410 ||
                       answer.status == 429 || answer.status >= 500;
  throw TokenError(passing ? TokenError::Kind::kUnreachable : TokenError::Kind::kRefused, why,
                   answer.retry_after_s);
}

}  // namespace

HttpRequestText make_token_request(const OAuthSettings& settings) {
  HttpRequestText request;
  request.url = settings.token_url;
  if (settings.method == TokenMethod::kManagedIdentity) {
    const bool app_service = !settings.identity_header.empty();
    Poco::URI uri(settings.token_url);
    uri.addQueryParameter("api-version", app_service ? "2019-08-01" : "2018-02-01");
    uri.addQueryParameter("resource", resource_of(settings.scope));
    if (!settings.client_id.empty()) {
      uri.addQueryParameter("client_id", settings.client_id);
    }
    request.url = uri.toString();
    request.headers.emplace_back(app_service ? "X-IDENTITY-HEADER" : "Metadata",
                                 app_service ? settings.identity_header : "true");
    return request;
  }
  Poco::Net::HTMLForm form;
  form.set("grant_type", "client_credentials");
  form.set("client_id", settings.client_id);
  if (!settings.scope.empty()) {
    form.set("scope", settings.scope);
  }
  if (settings.method == TokenMethod::kClientSecret) {
    form.set("client_secret", settings.client_secret);
  } else {
    form.set("client_assertion_type", kAssertionType);
    form.set("client_assertion", read_token_file(settings.token_file));
  }
  std::ostringstream body;
  form.write(body);
  request.method = "POST";
  request.body = body.str();
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.headers.emplace_back("Accept", "application/json");
  return request;
}

Token read_token(const HttpAnswer& answer, int64_t now_unix_ms) {
  if (answer.status != 200) {
    refuse(answer);
  }
  const Poco::JSON::Object::Ptr object = parse_object(answer.body);
  Token token;
  int64_t lifetime_ms = 0;
  if (!object.isNull()) {
    token.text = object->optValue<std::string>("access_token", "");
    const int64_t seconds = number_of(*object, "expires_in");
    const int64_t until_s = number_of(*object, "expires_on");
    lifetime_ms = seconds > 0   ? std::min(seconds, kLifetimeMsMax / 1000) * 1000
                  : until_s > 0 ? std::min(until_s, int64_t{1} << 40) * 1000 - now_unix_ms
                                : 0;
  }
  if (token.text.empty() || token.text.size() > kTokenBytesMax) {
    throw TokenError(TokenError::Kind::kRefused,
                     "The token endpoint answered without an access_token.");
  }
  if (lifetime_ms <= 0) {
    throw TokenError(TokenError::Kind::kRefused,
                     "The token endpoint answered with a token that has expired, or without "
                     "expires_in and expires_on.");
  }
  token.expires_at_ms = now_unix_ms + std::min(lifetime_ms, kLifetimeMsMax);
  return token;
}

}  // namespace eventhubs
