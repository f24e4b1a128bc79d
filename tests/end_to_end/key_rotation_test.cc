// A key that is refused is read again from its file: no restart when keys rotate.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

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

}  // namespace
}  // namespace dstream::end_to_end
