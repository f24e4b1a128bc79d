// The sink's checks against a real broker: TLS, logins, the limits of topics.
#include <gtest/gtest.h>

#include <map>

#include "broker_fixture.h"
#include "dstream/ext/draft/testing.hpp"

namespace eventhubs {
namespace {

using dstream::testing::CheckLine;

class SinkChecksBroker : public WithBroker {
 protected:
  static void SetUpTestSuite() {
    start_broker();
    broker_->create_topic("orders", 4);
    broker_->create_topic("small", 1, {{"max.message.bytes", "20000"}});
  }

  static std::map<std::string, CheckLine> look(const std::string& config) {
    dstream::testing::FakeHost host(config);
    dstream::testing::SinkDriver sink(
        *dstream::testing::find_connector(dstream_plugin_v1, "eventhubs"), host);
    std::map<std::string, CheckLine> out;
    for (const CheckLine& line : dstream::testing::run_checks(sink)) {
      EXPECT_EQ((line.sentence + line.mend).find("d3Jvbmch"), std::string::npos) << "(I11)";
      EXPECT_EQ((line.sentence + line.mend).find("c2VjcmV0"), std::string::npos) << "(I11)";
      out[line.id] = line;
    }
    return out;
  }
  static std::string over_tls(const std::string& connection, const std::string& ca_file,
                              const std::string& more = "") {
    return R"({"connection":")" + connection + R"(","tls":{"ca_file":")" + ca_file + R"("})" +
           more + "}";
  }
};

TEST_F(SinkChecksBroker, AllIsWellWithTheRightLogin) {
  auto found =
      look(over_tls(broker_->connection_string(), broker_->ca_file(), R"(,"topic":"orders")"));
  for (const char* id : {"name.resolves", "tcp.connects", "tls", "credentials", "api.versions",
                         "topic", "message.size", "compression"}) {
    EXPECT_EQ(found[id].result, DSTREAM_CHECK_OK) << id << ": " << found[id].sentence;
  }
}

TEST_F(SinkChecksBroker, AWrongPasswordIsTheLoginsFaultAndNotThatOfTls) {
  std::string wrong = broker_->connection_string();
  wrong.replace(wrong.find("c2VjcmV0"), 8, "d3Jvbmch");
  auto found = look(over_tls(wrong, broker_->ca_file()));
  EXPECT_EQ(found["tls"].result, DSTREAM_CHECK_OK);
  EXPECT_EQ(found["credentials"].result, DSTREAM_CHECK_FAILED);
  EXPECT_NE(found["credentials"].mend.find("the policy's name and key"), std::string::npos);
  EXPECT_EQ(found["topic"].result, DSTREAM_CHECK_SKIPPED);
}

TEST_F(SinkChecksBroker, AForeignCertificateIsTlsFault) {
  auto found = look(over_tls(broker_->connection_string(), broker_->other_ca_file()));
  EXPECT_EQ(found["tls"].result, DSTREAM_CHECK_FAILED);
  EXPECT_NE(found["tls"].sentence.find("certificate"), std::string::npos) << found["tls"].sentence;
  EXPECT_EQ(found["credentials"].result, DSTREAM_CHECK_SKIPPED);
}

TEST_F(SinkChecksBroker, AnUnknownTopicFailsAndIsNotMade) {
  const std::string config =
      over_tls(broker_->connection_string(), broker_->ca_file(), R"(,"topic":"nowhere")");
  for (int i = 0; i < 2; ++i) {
    auto found = look(config);
    EXPECT_EQ(found["topic"].result, DSTREAM_CHECK_FAILED);
    EXPECT_NE(found["topic"].mend.find("az eventhubs eventhub create"), std::string::npos);
  }
}

TEST_F(SinkChecksBroker, ATopicThatTakesLessIsAWarningWithTheLimit) {
  auto found = look(R"({"brokers":")" + broker_->plaintext() + R"(","topic":"small"})");
  EXPECT_EQ(found["message.size"].result, DSTREAM_CHECK_WARNING);
  EXPECT_EQ(found["message.size"].mend, "batch_bytes: 20000B");
}

}  // namespace
}  // namespace eventhubs
