#include "connection_string.h"

#include <gtest/gtest.h>

#include <random>

#include "dstream/plugin.hpp"

namespace eventhubs {
namespace {

constexpr const char* kNamespace =
    "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=a+b/c==";

// What parsing says about a string that is wrong.
std::string refusal(std::string_view text) {
  try {
    parse_connection_string(text);
  } catch (const dstream::Error& error) {
    EXPECT_EQ(error.status, DSTREAM_CONFIG);
    return error.what();
  }
  return "accepted";
}

TEST(ConnectionString, OfANamespace) {
  const ConnectionString parsed = parse_connection_string(kNamespace);
  EXPECT_EQ(parsed.host, "shop.servicebus.windows.net");
  EXPECT_EQ(parsed.port, 9093);
  EXPECT_EQ(parsed.policy, "send");
  EXPECT_EQ(parsed.key, "a+b/c==");
  EXPECT_EQ(parsed.entity_path, "");
  EXPECT_FALSE(parsed.emulator);
  EXPECT_EQ(parsed.text, kNamespace);
}

TEST(ConnectionString, OfAnEventHub) {
  const std::string text = std::string(kNamespace) + ";EntityPath=orders";
  const ConnectionString parsed = parse_connection_string(text);
  EXPECT_EQ(parsed.entity_path, "orders");
  EXPECT_EQ(parsed.text, text) << "the password is the whole string";
}

TEST(ConnectionString, TakesOtherSpellings) {
  const ConnectionString parsed = parse_connection_string(
      " endpoint=SB://shop.servicebus.chinacloudapi.cn ; SHAREDACCESSKEYNAME=send;"
      "sharedaccesskey=k=;TransportType=Amqp; \n");
  EXPECT_EQ(parsed.host, "shop.servicebus.chinacloudapi.cn");
  EXPECT_EQ(parsed.key, "k=");
  EXPECT_EQ(parsed.text.back(), ';') << "white space goes, the rest stays";
}

TEST(ConnectionString, TakesAPort) {
  EXPECT_EQ(parse_connection_string(
                "Endpoint=sb://10.0.0.1:19093/;SharedAccessKeyName=s;SharedAccessKey=k")
                .port,
            19093);
}

TEST(ConnectionString, OfTheEmulator) {
  const ConnectionString parsed = parse_connection_string(
      "Endpoint=sb://localhost;SharedAccessKeyName=RootManageSharedAccessKey;"
      "SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true;");
  EXPECT_TRUE(parsed.emulator);
  EXPECT_EQ(parsed.host, "localhost");
  EXPECT_EQ(parsed.port, 9092);
}

TEST(ConnectionString, RefusesASignatureWithTheReason) {
  const std::string reason = refusal(
      "Endpoint=sb://a.b/;SharedAccessSignature=SharedAccessSignature sr=x&sig=secret&se=1&skn=y");
  EXPECT_NE(reason.find("takes access keys alone"), std::string::npos) << reason;
  EXPECT_EQ(reason.find("secret"), std::string::npos);
}

TEST(ConnectionString, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "is empty"},
      {" \n", "is empty"},
      {"nonsense", "Name=Value"},
      {"=x", "Name=Value"},
      {"SharedAccessKeyName=a;SharedAccessKey=b", "no Endpoint"},
      {"Endpoint=sb://a.b/;SharedAccessKey=b", "no SharedAccessKeyName"},
      {"Endpoint=sb://a.b/;SharedAccessKeyName=a", "no SharedAccessKey"},
      {"Endpoint=sb://a.b/;SharedAccessKeyName=a;SharedAccessKey=", "no SharedAccessKey"},
      {"Endpoint=https://a.b/;SharedAccessKeyName=a;SharedAccessKey=b", "sb://"},
      {"Endpoint=sb:///;SharedAccessKeyName=a;SharedAccessKey=b", "host name"},
      {"Endpoint=sb://a b.c/;SharedAccessKeyName=a;SharedAccessKey=b", "host name"},
      {"Endpoint=sb://shop/;SharedAccessKeyName=a;SharedAccessKey=b", "full host name"},
      {"Endpoint=sb://a.b:0/;SharedAccessKeyName=a;SharedAccessKey=b", "port"},
      {"Endpoint=sb://a.b:99999/;SharedAccessKeyName=a;SharedAccessKey=b", "port"},
      {"Endpoint=sb://a.b/;Endpoint=sb://c.d/;SharedAccessKeyName=a;SharedAccessKey=b", "twice"},
      {"Endpoint=sb://a.b/;SharedAccessKeyName=a;Shared\nAccessKey=b", "line break"},
      {"Endpoint=sb://a.b/;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=yes",
       "true or false"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_NE(refusal(text).find(expected), std::string::npos) << text << ": " << refusal(text);
  }
  EXPECT_NE(refusal(std::string(5000, 'x')).find("longer"), std::string::npos);
}

// Anything at all is either taken or refused with CONFIG, and a refusal never shows the key.
TEST(ConnectionString, SurvivesMutations) {
  const uint64_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::string secret = "c2VjcmV0S2V5Rm9yVGVzdHM";
  const std::string base =
      "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=send;"
      "SharedAccessKey=" +
      secret + "=;EntityPath=orders";
  const size_t secret_at = base.find(secret);
  for (int i = 0; i < 20'000; ++i) {
    std::string text = base;
    for (uint64_t edits = random() % 4; edits-- > 0;) {
      const size_t at = random() % text.size();
      if (at >= secret_at && at < secret_at + secret.size()) {
        continue;  // the secret itself stays whole so that a leak can be seen
      }
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          text.insert(at, 1, static_cast<char>(random() % 256));
          break;
        default:
          text.insert(at, ";=");
          break;
      }
    }
    const std::string answer = refusal(text);
    ASSERT_EQ(answer.find(secret), std::string::npos) << "seed " << seed << ": " << text;
  }
}

}  // namespace
}  // namespace eventhubs
