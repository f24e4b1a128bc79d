// The JSON line that a case ends in.
#pragma once

#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dstream::standin::clients {

// A call of the driver failed: what it said, and SQL Server's number if it named one.
class ClientError : public std::runtime_error {
 public:
  ClientError(const std::string& text, int number) : std::runtime_error(text), number_(number) {}
  int number() const { return number_; }

 private:
  int number_;
};

inline std::string json_text(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      json += {'\\', c};
    } else if (byte < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\u%04x", byte);
      json += escaped;
    } else {
      json += c;
    }
  }
  return json + "\"";
}

// The values of one case, in the order in which they came.
class Values {
 public:
  void add(std::string key, std::string text) {
    values_.emplace_back(std::move(key), std::move(text));
  }
  std::string json() const {
    std::string json = "{";
    for (const auto& [key, text] : values_) {
      json += (json.size() > 1 ? "," : "") + json_text(key) + ":" + json_text(text);
    }
    return json + "}";
  }

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

}  // namespace dstream::standin::clients
