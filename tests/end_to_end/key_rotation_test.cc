// A key that is refused is read again from its file: no restart when keys rotate.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <map>

#include "tests/end_to_end/child.h"
#include "tests/host/program.h"
#include "tests/standins/kafka/kafka_broker.h"
#include "tests/standins/kafka/kafka_client.h"

namespace dstream::end_to_end {
namespace {

using host_test::Folder;
using std::chrono::seconds;

constexpr seconds kPatience{60};
constexpr const char* kOldKey = "b2xkLWtleS1vbGQta2V5";

TEST(KeyRotation, ARefusedKeyOfTheHubIsReadAgain) {
  standin::KafkaBroker broker;
  broker.start();
  broker.create_topic("rotated", 1);
  Folder folder;
  std::string old_key = broker.connection_string();
  old_key.replace(old_key.find("c2VjcmV0+a/b="), 13, kOldKey);
  const std::string key_file = folder.write("key", old_key);
  const std::string config =
      folder.write("pipeline.yaml",
                   "name: rotating\nsource: {type: generator, rows: 500}\n"
                   "sink:\n  type: eventhubs\n  connection: ${file:" +
                       key_file + "}\n  topic: rotated\n  tls: {ca_file: " + broker.ca_file() +
                       "}\nretry: {backoff_min: 50ms, backoff_max: 200ms}\n");
  Child host({DSTREAM_PROGRAM, "run", config, "--plugin-dir", DSTREAM_PLUGIN_DIR, "--state-dir",
              folder.path("state"), "--log-format", "logfmt"});
  ASSERT_TRUE(host.wait_line("DS-SINK-DENIED", kPatience)) << host.output();

  folder.write("key", broker.connection_string() + "\n");
  EXPECT_TRUE(host.wait_line("A secret has changed and is used from now on.", kPatience))
      << host.output();
  EXPECT_EQ(host.wait_exit(kPatience), 0) << host.output();
  EXPECT_EQ(standin::read_all(broker.plaintext(), "rotated").size(), 500u);
  for (const char* secret : {kOldKey, "c2VjcmV0"}) {
    EXPECT_EQ(host.output().find(secret), std::string::npos) << "(I11)";
  }
}

// Lines of what a topic holds, and how often each is there.
std::map<std::string, int> counted(const standin::KafkaBroker& broker, const std::string& topic) {
  std::map<std::string, int> out;
  for (const standin::KafkaRecord& record : standin::read_all(broker.plaintext(), topic)) {
    ++out[record.key.value_or("")];
  }
  return out;
}

std::string login_module(const std::vector<std::string>& users) {
  std::string out =
      "listener.name.sasl_ssl.plain.sasl.jaas.config="
      "org.apache.kafka.common.security.plain.PlainLoginModule required";
  for (const std::string& user : users) {
    out += " user_" + user + "=\"" + user + "-password\"";
  }
  return out + ";";
}

// Two logins that the broker takes both for a while, as keys are rotated where no change may wait:
// the host goes over to the new one on request, then the old one is taken away.
TEST(KeyRotation, AReloadGoesOverToANewPasswordWithoutLossOrDuplicates) {
  standin::KafkaBroker broker({{login_module({"old", "new"})}});
  broker.start();
  broker.create_topic("rotated", 2);
  Folder folder;
  const std::string user = folder.write("user", "old\n");
  const std::string password = folder.write("password", "old-password\n");
  const std::string config =
      folder.write("pipeline.yaml",
                   "name: rotating\nsource: {type: generator, rows: 20000, rate: 4000}\n"
                   "sink:\n  type: eventhubs\n  brokers: " +
                       broker.sasl_ssl() + "\n  sasl: {username: \"${file:" + user +
                       "}\", password: \"${file:" + password +
                       "}\"}\n  topic: rotated\n  tls: {ca_file: " + broker.ca_file() + "}\n");
  Child host({DSTREAM_PROGRAM, "run", config, "--plugin-dir", DSTREAM_PLUGIN_DIR, "--state-dir",
              folder.path("state"), "--log-format", "logfmt"});
  ASSERT_TRUE(host.wait_line("state=running", kPatience)) << host.output();
  folder.write("user", "new\n");
  folder.write("password", "new-password\n");
  const host_test::Ended reloaded =
      host_test::call({"reload", "--state-dir", folder.path("state"), "--json"});
  EXPECT_EQ(reloaded.exit_code, 0) << reloaded.out << host.output();
  EXPECT_NE(reloaded.out.find("\"action\":\"changed\""), std::string::npos)
      << reloaded.out;
  EXPECT_EQ(host.wait_exit(kPatience), 0) << host.output();
  const auto keys = counted(broker, "rotated");
  EXPECT_EQ(keys.size(), 20000u);
  for (const auto& [key, times] : keys) {
    ASSERT_EQ(times, 1) << key;
  }
  EXPECT_EQ(host.output().find("-password"), std::string::npos) << "(I11)";
}

// The broker has taken the new password before anybody asked: what is read by then is delivered by
// the drain with the new one.
TEST(KeyRotation, AReloadAfterTheOldPasswordWasTakenAwayLosesNothing) {
  standin::KafkaBroker broker({{login_module({"old"})}});
  broker.start();
  broker.create_topic("rotated", 2);
  Folder folder;
  const std::string user = folder.write("user", "old");
  const std::string password = folder.write("password", "old-password");
  const std::string config =
      folder.write("pipeline.yaml",
                   "name: rotating\nsource: {type: generator, rows: 20000, rate: 4000}\n"
                   "sink:\n  type: eventhubs\n  brokers: " +
                       broker.sasl_ssl() + "\n  sasl: {username: \"${file:" + user +
                       "}\", password: \"${file:" + password +
                       "}\"}\n  topic: rotated\n  tls: {ca_file: " + broker.ca_file() +
                       "}\nretry: {backoff_min: 50ms, backoff_max: 200ms}\n");
  Child host({DSTREAM_PROGRAM, "run", config, "--plugin-dir", DSTREAM_PLUGIN_DIR, "--state-dir",
              folder.path("state"), "--log-format", "logfmt"});
  ASSERT_TRUE(host.wait_line("state=running", kPatience)) << host.output();
  broker.stop();
  broker.set_properties({login_module({"new"})});
  broker.restart();
  folder.write("user", "new");
  folder.write("password", "new-password");
  const host_test::Ended reloaded =
      host_test::call({"reload", "--state-dir", folder.path("state"), "--json"});
  EXPECT_EQ(reloaded.exit_code, 0) << reloaded.out << host.output();
  EXPECT_EQ(host.wait_exit(kPatience), 0) << host.output();
  EXPECT_EQ(counted(broker, "rotated").size(), 20000u) << "nothing is lost (I5)";
  EXPECT_EQ(host.output().find("-password"), std::string::npos) << "(I11)";
}

}  // namespace
}  // namespace dstream::end_to_end
