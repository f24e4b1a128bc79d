// What is asked of a token endpoint, and what its answers mean. No I/O but the file of a workload
// identity.
//
// Thread rule: plain functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/http_call.h"
#include "oauth_settings.h"

namespace eventhubs {

using dstream::http::HttpAnswer;
using dstream::http::HttpCall;
using dstream::http::HttpError;
using dstream::http::HttpRequestText;

struct Token {
  std::string text;
  int64_t expires_at_ms = 0;  // Unix time
};

// There is no token. The text holds no secret.
struct TokenError : std::runtime_error {
  enum class Kind : uint8_t {
    kRefused,     // credentials or permissions
    kUnreachable  // it may work later
  };
  TokenError(Kind kind_, const std::string& text, uint32_t retry_after_s_ = 0)
      : std::runtime_error(text), kind(kind_), retry_after_s(retry_after_s_) {}
  Kind kind;
  uint32_t retry_after_s;
};

// Throws TokenError (refused) if the file of a workload identity cannot be read.
HttpRequestText make_token_request(const OAuthSettings& settings);

// Throws TokenError.
Token read_token(const HttpAnswer& answer, int64_t now_unix_ms);

}  // namespace eventhubs
