#include "core/base/redact.h"

#include <Poco/Exception.h>
#include <Poco/URI.h>

#include <algorithm>
#include <mutex>
#include <utility>

namespace dstream::core {
namespace {

constexpr size_t kSecretMin = 3;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  });
  return out;
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) {
    text.remove_prefix(1);
  }
  while (text.ends_with(' ')) {
    text.remove_suffix(1);
  }
  return text;
}

// What a driver shows that has decoded the password itself; as it was if it is no valid encoding.
std::string percent_decode(std::string_view text) {
  std::string out;
  try {
    Poco::URI::decode(std::string(text), out);
  } catch (const Poco::Exception&) {
    return std::string(text);
  }
  return out;
}

// As it stands inside a JSON string.
std::string json_escape(std::string_view text) {
  std::string out;
  for (char letter : text) {
    if (letter == '"' || letter == '\\') {
      out += '\\';
    }
    out += letter;
  }
  return out;
}

bool names_a_secret(std::string_view key) {
  std::string name = lower(trim(key));
  if (name.ends_with("name")) {
    return false;
  }
  for (std::string_view word : {"password", "pwd", "passphrase", "secret", "key", "token", "sig"}) {
    if (name.find(word) != std::string::npos) {
      return true;
    }
  }
  return false;
}

class RedactingLog final : public Log {
 public:
  RedactingLog(std::shared_ptr<Log> log, std::shared_ptr<const Redactor> redactor)
      : log_(std::move(log)), redactor_(std::move(redactor)) {}

  using Log::write;
  LogLevel level() const override { return log_->level(); }
  void write(LogLevel level, std::string_view message, std::span<const LogField> fields) override {
    if (redactor_->empty()) {
      log_->write(level, message, fields);
      return;
    }
    std::vector<LogField> clean;
    clean.reserve(fields.size());
    for (const LogField& field : fields) {
      clean.push_back({field.key, redactor_->apply(field.value)});
    }
    std::string text = redactor_->apply(message);
    log_->write(level, text, std::span<const LogField>(clean));
  }

 private:
  std::shared_ptr<Log> log_;
  std::shared_ptr<const Redactor> redactor_;
};

}  // namespace

void Redactor::remember(std::string_view part) {
  if (std::string escaped = json_escape(part); escaped != part) {
    insert(escaped);
  }
  insert(part);
}

void Redactor::insert(std::string_view part) {
  if (part.size() < kSecretMin ||
      std::find(secrets_.begin(), secrets_.end(), part) != secrets_.end()) {
    return;
  }
  auto shorter = std::find_if(secrets_.begin(), secrets_.end(),
                              [&](const std::string& other) { return other.size() < part.size(); });
  secrets_.insert(shorter, std::string(part));
}

bool Redactor::empty() const {
  std::shared_lock lock(mutex_);
  return secrets_.empty();
}

void Redactor::add(std::string_view secret) {
  std::unique_lock lock(mutex_);
  remember(secret);
  remember(trim(secret));
  size_t scheme = secret.find("://");
  if (scheme != std::string_view::npos) {
    std::string_view rest = secret.substr(scheme + 3);
    size_t at = rest.rfind('@', std::min(rest.find('?'), rest.size()));
    size_t colon = rest.find(':');
    if (at != std::string_view::npos && colon < at) {
      std::string_view password = rest.substr(colon + 1, at - colon - 1);
      remember(password);
      remember(percent_decode(password));
    }
  }
  const char* separators = scheme == std::string_view::npos ? ";\n" : ";&?\n";
  std::string_view rest = secret;
  while (!rest.empty()) {
    size_t equals = rest.find('=');
    size_t end = std::min(rest.find_first_of(separators), rest.size());
    // In braces, as ODBC has it, a semicolon belongs to the value.
    if (equals < end && rest.substr(equals + 1).starts_with('{')) {
      end = std::min(rest.find('}', equals), rest.size() - 1) + 1;
    }
    if (equals < end && names_a_secret(rest.substr(0, equals))) {
      remember_value(trim(rest.substr(equals + 1, end - equals - 1)));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

void Redactor::remember_value(std::string_view value) {
  remember(value);
  remember(percent_decode(value));
  if (value.size() > 2 && value.front() == '{' && value.back() == '}') {
    remember(value.substr(1, value.size() - 2));
  }
}

std::string Redactor::apply(std::string_view text) const {
  std::shared_lock lock(mutex_);
  std::string out(text);
  for (const std::string& secret : secrets_) {
    for (size_t at = out.find(secret); at != std::string::npos; at = out.find(secret, at)) {
      out.replace(at, secret.size(), kMark);
      at += kMark.size();
    }
  }
  return out;
}

Error Redactor::apply(Error error) const {
  error.message = apply(error.message);
  error.hint = apply(error.hint);
  return error;
}

std::shared_ptr<Log> make_redacting_log(std::shared_ptr<Log> log,
                                        std::shared_ptr<const Redactor> redactor) {
  return std::make_shared<RedactingLog>(std::move(log), std::move(redactor));
}

}  // namespace dstream::core
