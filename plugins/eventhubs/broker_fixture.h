// What the tests against a real broker begin with: one broker a suite, and a sink's configuration
// that reaches it.
//
// A suite derives from WithBroker; one whose broker is not the usual one has a SetUpTestSuite() of
// its own, which calls start_broker().
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/standins/kafka/kafka_broker.h"

namespace eventhubs {

class WithBroker : public testing::Test {
 protected:
  static void SetUpTestSuite() { start_broker(); }
  static void TearDownTestSuite() { broker_.reset(); }

  static void start_broker(const dstream::standin::KafkaBroker::Options& options = {}) {
    broker_ = std::make_unique<dstream::standin::KafkaBroker>(options);
    broker_->start();
  }
  // As Event Hubs is reached: TLS, SASL PLAIN, the connection string as password; with short waits,
  // and `more` keys, each with a comma before it.
  static std::string config(const std::string& more = "", const std::string& connection = "") {
    return R"({"connection":")" + (connection.empty() ? broker_->connection_string() : connection) +
           R"(","tls":{"ca_file":")" + broker_->ca_file() +
           R"("},"linger":"5ms","backoff_min":"10ms","backoff_max":"200ms")" + more + "}";
  }

  inline static std::unique_ptr<dstream::standin::KafkaBroker> broker_;  // of the running suite
};

}  // namespace eventhubs
