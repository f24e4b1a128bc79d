// Gets access tokens and gives them to librdkafka, before the last one expires.
//
// librdkafka asks at 80 % of a token's life, and 10 s after a failure; between two failures that
// follow each other this waits longer, up to a minute, or as long as the endpoint says.
//
// Thread rule: refresh() on librdkafka's thread; the rest [any-thread].
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <functional>
#include <string>

#include "backoff.h"
#include "dstream/plugin.hpp"
#include "http/http_call.h"
#include "metrics.h"
#include "oauth_settings.h"
#include "token_request.h"

namespace eventhubs {

class Scrubber;

class TokenKeeper {
 public:
  // All are borrowed; `metrics` may be nullptr.
  TokenKeeper(const OAuthSettings& settings, const Scrubber& scrubber, dstream::Host host,
              const Metrics* metrics);

  using Callback = void (*)(rd_kafka_t* handle, const char* config, void* opaque);
  // `callback` calls refresh(). It runs on a thread of librdkafka's own, so that a token never
  // waits for somebody who polls: install() before, start() after rd_kafka_new().
  static void install(rd_kafka_conf_t* conf, Callback callback);
  static void start(rd_kafka_t* handle);

  // Asks the endpoint; at most
  // 20 s.
  void refresh(rd_kafka_t* handle);
  // Ends a refresh() that runs, and all later ones.
  void cancel() { call_.cancel(); }
  // The last failure was no refusal: it may work later.
  bool is_unreachable() const { return unreachable_.load(std::memory_order_relaxed); }

 private:
  void take(rd_kafka_t* handle, const Token& token, int64_t now_ms);
  void fail(rd_kafka_t* handle, const TokenError& error, int64_t now_ms);

  const OAuthSettings& settings_;
  const Scrubber& scrubber_;
  const dstream::Host host_;
  const Metrics* metrics_;
  HttpCall call_;
  std::atomic<bool> unreachable_{false};
  // librdkafka's thread.
  Backoff backoff_;
  int64_t not_before_ms_ = 0;
  int64_t expires_at_ms_ = 0;
  std::string last_failure_;
};

}  // namespace eventhubs
