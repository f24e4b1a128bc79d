// Access tokens against a real broker, which verifies them.
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <string>

#include "broker_fixture.h"
#include "dstream/ext/draft/testing.hpp"
#include "sink_driver.h"
#include "stream_check.h"
#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/tokens/token_endpoint.h"

namespace eventhubs {
namespace {

using dstream::standin::read_all;
using dstream::standin::TokenEndpoint;
using std::chrono::steady_clock;

class OAuthBroker : public WithBroker {
 protected:
  void SetUp() override {
    TokenEndpoint::Options options;
    options.certs = broker_->folder() + "/certs";
    options.assertion = "federated-1";
    endpoint_ = std::make_unique<TokenEndpoint>(options);
  }

  std::string config(const std::string& oauth, const std::string& more = "") const {
    return R"({"namespace":")" + broker_->sasl_ssl() + R"(","tls":{"ca_file":")" +
           broker_->ca_file() + R"("},"linger":"5ms","backoff_min":"10ms","backoff_max":"200ms",)" +
           R"("oauth":{"ca_file":")" + broker_->ca_file() +
           R"(","scope":"https://ns.servicebus.windows.net/.default",)" + oauth + "}" + more + "}";
  }
  std::string with_secret(const std::string& secret = "s3cret+/=&",
                          const std::string& more = "") const {
    return config(R"("method":"client_secret","tenant_id":"tenant-1","client_id":"app-1",)"
                  R"("client_secret":")" +
                      secret + R"(","authority":")" + endpoint_->url() + "\"",
                  more);
  }

  std::unique_ptr<TokenEndpoint> endpoint_;
};

TEST_F(OAuthBroker, DeliversWithTheSecretOfAnApplication) {
  broker_->create_topic("secret", 4);
  SinkDriver driver(with_secret());
  const SinkDriver::Result opened = driver.open();
  ASSERT_EQ(opened.status, DSTREAM_OK) << opened.message << driver.host().logged();
  driver.add({.topic = "secret", .key = "k", .value = "v"});
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.host().logged();
  EXPECT_EQ(read_all(broker_->plaintext(), "secret").size(), 1u);
  EXPECT_EQ(driver.host().metric("token_refreshes"), 1);
  EXPECT_EQ(driver.host().logged().find("s3cret"), std::string::npos) << "(I11)";
  EXPECT_EQ(driver.host().logged().find("eyJ"), std::string::npos) << "(I11) a token";
}

TEST_F(OAuthBroker, DeliversAsAWorkloadAndAsAMachine) {
  broker_->create_topic("identity", 1);
  const std::string file = broker_->folder() + "/federated";
  std::ofstream(file) << "federated-1";
  SinkDriver workload(config(R"("method":"workload_identity","tenant_id":"tenant-1",)"
                             R"("client_id":"app-1","token_file":")" +
                             file + R"(","authority":")" + endpoint_->url() + "\""));
  SinkDriver machine(config(R"("method":"managed_identity","token_url":")" +
                            endpoint_->instance_metadata_url() + "\""));
  for (SinkDriver* driver : {&workload, &machine}) {
    const SinkDriver::Result opened = driver->open();
    ASSERT_EQ(opened.status, DSTREAM_OK) << opened.message << driver->host().logged();
    driver->add({.topic = "identity", .key = "k", .value = "v"});
    ASSERT_EQ(driver->run().status, DSTREAM_OK) << driver->host().logged();
  }
  EXPECT_EQ(read_all(broker_->plaintext(), "identity").size(), 2u);
}

TEST_F(OAuthBroker, ARefusedSecretIsDeniedAndAStoppedEndpointIsNot) {
  SinkDriver refused(with_secret("wr0ng"));
  const SinkDriver::Result denied = refused.open();
  EXPECT_EQ(denied.status, DSTREAM_DENIED);
  EXPECT_NE(denied.message.find("AADSTS7000215"), std::string::npos) << denied.message;
  EXPECT_EQ((denied.message + refused.host().logged()).find("wr0ng"), std::string::npos) << "(I11)";

  const std::string away = with_secret("s3cret+/=&", R"(,"connect_timeout":"1s")");
  endpoint_.reset();
  SinkDriver driver(away);
  const SinkDriver::Result result = driver.open();
  EXPECT_EQ(result.status, DSTREAM_REOPEN);
  EXPECT_NE(result.message.find("No answer from localhost"), std::string::npos) << result.message;
}

TEST_F(OAuthBroker, ClosesAtOnceWhileTheEndpointStalls) {
  endpoint_->stall(true);
  SinkDriver driver(with_secret("s3cret+/=&", R"(,"connect_timeout":"200ms")"));
  const auto start = steady_clock::now();
  EXPECT_EQ(driver.open().status, DSTREAM_REOPEN);
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(OAuthBroker, TokensAreRenewedWhileMessagesFlow) {
  broker_->create_topic("orders", 2);
  endpoint_->set_lifetime_s(3);  // renewed at 80 %; the broker ends connections of expired tokens
  SinkDriver driver(with_secret());
  ASSERT_EQ(driver.open().status, DSTREAM_OK) << driver.host().logged();
  int sent = 0;
  const auto deadline = steady_clock::now() + std::chrono::seconds(30);
  while (endpoint_->tokens() < 4 && steady_clock::now() < deadline) {
    driver.add_numbered(sent, 1, 1);
    sent += 1;
    ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.host().logged();
    driver.turn(50);
  }
  EXPECT_GE(endpoint_->tokens(), 4);
  EXPECT_EQ(driver.sessions(), 1) << driver.last_retry();
  const StreamCheck check = check_stream(read_all(broker_->plaintext(), "orders"), sent, 1);
  EXPECT_EQ(check.problem, "");
  EXPECT_EQ(check.duplicates, 0u);
}

TEST_F(OAuthBroker, AFailedRenewalIsSaidWhileTheTokenIsGood) {
  broker_->create_topic("kept", 1);
  endpoint_->set_lifetime_s(10);
  SinkDriver driver(with_secret());
  ASSERT_EQ(driver.open().status, DSTREAM_OK) << driver.host().logged();
  endpoint_->fail(1, 503);
  const auto deadline = steady_clock::now() + std::chrono::seconds(30);
  while (driver.host().metric("token_failures") < 1 && steady_clock::now() < deadline) {
    driver.add({.topic = "kept", .key = "k", .value = "v"});
    ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.host().logged();
    driver.turn(50);
  }
  EXPECT_EQ(driver.host().metric("token_failures"), 1);
  EXPECT_NE(driver.host().logged().find("the present one is still good"), std::string::npos)
      << driver.host().logged();
}

TEST_F(OAuthBroker, DoctorTellsAboutTheToken) {
  broker_->create_topic("checked", 1);
  const auto sentence = [](const std::string& config, const std::string& id) {
    dstream::testing::FakeHost host(config);
    dstream::testing::SinkDriver sink(
        *dstream::testing::find_connector(dstream_plugin_v1, "eventhubs"), host);
    for (const auto& line : dstream::testing::run_checks(sink)) {
      if (line.id == id) {
        return line.sentence;
      }
    }
    return std::string("no such check");
  };
  EXPECT_NE(sentence(with_secret(), "token").find("gives access tokens"), std::string::npos);
  EXPECT_NE(sentence(with_secret("wr0ng"), "token").find("AADSTS7000215"), std::string::npos);
}

}  // namespace
}  // namespace eventhubs
