#include "core/claims/blob_target.h"

#include <Poco/Exception.h>
#include <Poco/URI.h>

#include <cctype>
#include <ctime>
#include <utility>

namespace dstream::core {
namespace {

// The first version that takes blobs of 5,000 MiB in one request.
constexpr const char* kServiceVersion = "2019-12-12";
// Small values are sent before a refusal could have come.
constexpr size_t kExpectBytesMin = 64 * 1024;
constexpr size_t kCodeBytesMax = 80;

std::string without_query(const std::string& url) {
  std::string out = url.substr(0, url.find('?'));
  while (out.ends_with('/')) {
    out.pop_back();
  }
  return out;
}

std::string query_of(const std::string& url) {
  const size_t at = url.find('?');
  return at == std::string::npos ? "" : url.substr(at + 1);
}

// Azure's name for what is wrong. What else it says may repeat parts of the request.
std::string code_of(const std::string& body) {
  constexpr std::string_view kBegin = "<Code>";
  const size_t at = body.find(kBegin);
  if (at == std::string::npos) {
    return "";
  }
  std::string code;
  for (size_t i = at + kBegin.size(); i < body.size() && code.size() < kCodeBytesMax &&
                                      std::isalnum(static_cast<unsigned char>(body[i])) != 0;
       ++i) {
    code += body[i];
  }
  return code;
}

// A day, or a time of UTC to the minute or second. Poco's parser takes any text for some time.
std::optional<int64_t> time_of(const std::string& text) {
  for (const char* format : {"%Y-%m-%d", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ"}) {
    std::tm time{};
    const char* end = strptime(text.c_str(), format, &time);
    if (end == nullptr || end != text.c_str() + text.size()) {
      continue;
    }
    const int day = time.tm_mday;
    const int64_t seconds = timegm(&time);  // puts the 30th of February into March
    return time.tm_mday == day ? std::optional(seconds) : std::nullopt;
  }
  return std::nullopt;
}

// To go on with behind a colon.
std::string as_clause(std::string sentence) {
  while (sentence.ends_with('.')) {
    sentence.pop_back();
  }
  if (sentence.starts_with('N')) {
    sentence.front() = 'n';
  }
  return sentence;
}

ClaimTarget::Outcome outcome_of(int status) {
  using Outcome = ClaimTarget::Outcome;
  return status == 201                                     ? Outcome::kStored
         : status == 401 || status == 403                  ? Outcome::kDenied
         : status >= 500 || status == 408 || status == 429 ? Outcome::kAgain
                                                           : Outcome::kRefused;
}

}  // namespace

SasFacts read_sas(const std::string& container_url) {
  SasFacts facts;
  try {
    for (const auto& [name, value] : Poco::URI(container_url).getQueryParameters()) {
      if (name == "sp") {
        facts.permissions = value;
      } else if (name == "se") {
        facts.expires_s = time_of(value);
      } else if (name == "st") {
        facts.not_before_s = time_of(value);
      } else if (name == "si") {
        facts.has_policy = true;
      }
    }
  } catch (const Poco::Exception&) {
    return {};  // The request will say what is wrong with it.
  }
  return facts;
}

BlobTarget::BlobTarget(const std::string& container_url, std::string ca_file,
                       std::chrono::milliseconds timeout)
    : container_(without_query(container_url)),
      signature_(query_of(container_url)),
      call_(std::move(ca_file), timeout) {}

std::string BlobTarget::location(const std::string& name) const { return container_ + "/" + name; }

ClaimTarget::Attempt BlobTarget::put(const std::string& name, std::string_view value) {
  http::HttpRequestText request;
  request.method = "PUT";
  request.url = location(name) + "?" + signature_;
  request.headers = {{"x-ms-blob-type", "BlockBlob"},
                     {"x-ms-version", kServiceVersion},
                     {"Content-Type", "application/octet-stream"}};
  request.borrowed_body = value;
  request.expects_continue = value.size() >= kExpectBytesMin;
  try {
    const http::HttpAnswer answer = call_.send(request);
    const Outcome outcome = outcome_of(answer.status);
    if (outcome == Outcome::kStored) {
      return {};
    }
    const std::string code = code_of(answer.body);
    return {outcome,
            container_ + " answers with status " + std::to_string(answer.status) +
                (code.empty() ? "" : " (" + code + ")"),
            answer.retry_after_s};
  } catch (const http::HttpError& error) {
    return {Outcome::kAgain, as_clause(error.what()), 0};
  }
}

}  // namespace dstream::core
