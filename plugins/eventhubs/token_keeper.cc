#include "token_keeper.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "producer.h"

namespace eventhubs {
namespace {

constexpr std::chrono::milliseconds kCallTimeout{10'000};
constexpr uint32_t kBackoffMinMs = 10'000;
constexpr uint32_t kBackoffMaxMs = 60'000;
constexpr uint32_t kRetryAfterSecondsMax = 600;

int64_t unix_now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

TokenKeeper::TokenKeeper(const OAuthSettings& settings, const Scrubber& scrubber,
                         dstream::Host host, const Metrics* metrics)
    : settings_(settings),
      scrubber_(scrubber),
      host_(host),
      metrics_(metrics),
      call_(settings.ca_file, kCallTimeout),
      backoff_(kBackoffMinMs, kBackoffMaxMs, std::random_device{}()) {}

void TokenKeeper::install(rd_kafka_conf_t* conf, Callback callback) {
  rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, callback);
  rd_kafka_conf_enable_sasl_queue(conf, 1);
}

void TokenKeeper::start(rd_kafka_t* handle) {
  if (rd_kafka_error_t* error = rd_kafka_sasl_background_callbacks_enable(handle)) {
    const std::string text = rd_kafka_error_string(error);
    rd_kafka_error_destroy(error);
    throw dstream::Error(DSTREAM_FATAL, "librdkafka cannot ask for tokens: " + text);
  }
}

void TokenKeeper::refresh(rd_kafka_t* handle) {
  const int64_t now_ms = unix_now_ms();
  if (now_ms < not_before_ms_) {
    rd_kafka_oauthbearer_set_token_failure(handle, last_failure_.c_str());
    return;
  }
  try {
    take(handle, read_token(call_.send(make_token_request(settings_)), now_ms), now_ms);
  } catch (const TokenError& error) {
    fail(handle, error, now_ms);
  } catch (const HttpError& error) {
    fail(handle,
         TokenError(error.is_tls ? TokenError::Kind::kRefused : TokenError::Kind::kUnreachable,
                    error.what()),
         now_ms);
  } catch (const std::exception& error) {
    fail(handle, TokenError(TokenError::Kind::kUnreachable, error.what()), now_ms);
  }
}

void TokenKeeper::take(rd_kafka_t* handle, const Token& token, int64_t now_ms) {
  // Brokers take the name from the token; librdkafka wants one all the same.
  const std::string principal = settings_.client_id.empty() ? "dstream" : settings_.client_id;
  char reason[512];
  const rd_kafka_resp_err_t error =
      rd_kafka_oauthbearer_set_token(handle, token.text.c_str(), token.expires_at_ms,
                                     principal.c_str(), nullptr, 0, reason, sizeof reason);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fail(handle, TokenError(TokenError::Kind::kRefused, reason), now_ms);
    return;
  }
  backoff_.reset();
  expires_at_ms_ = token.expires_at_ms;
  unreachable_.store(false, std::memory_order_relaxed);
  if (metrics_ != nullptr) {
    metrics_->token_refreshes.add();
    metrics_->token_lifetime_seconds.set(static_cast<double>(token.expires_at_ms - now_ms) / 1000);
  }
  host_.debug("Got an access token.", {{"lifetime_s", (token.expires_at_ms - now_ms) / 1000}});
}

void TokenKeeper::fail(rd_kafka_t* handle, const TokenError& error, int64_t now_ms) {
  const uint32_t wait_ms =
      std::max(backoff_.next_ms(), 1000 * std::min(error.retry_after_s, kRetryAfterSecondsMax));
  not_before_ms_ = now_ms + wait_ms;
  last_failure_ = scrubber_.clean(error.what());
  unreachable_.store(error.kind == TokenError::Kind::kUnreachable, std::memory_order_relaxed);
  if (metrics_ != nullptr) {
    metrics_->token_failures.add();
  }
  // Without a token the sink says it, when librdkafka reports it.
  if (expires_at_ms_ > now_ms) {
    host_.warn("No new access token; the present one is still good.",
               {{"reason", last_failure_}, {"expires_in_s", (expires_at_ms_ - now_ms) / 1000}});
  }
  rd_kafka_oauthbearer_set_token_failure(handle, last_failure_.c_str());
}

}  // namespace eventhubs
