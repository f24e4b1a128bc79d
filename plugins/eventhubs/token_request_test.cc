#include "token_request.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "settings.h"

namespace eventhubs {
namespace {

constexpr int64_t kNowMs = 1'700'000'000'000;

HttpAnswer answer(int status, const std::string& body, uint32_t retry_after_s = 0) {
  return {status, retry_after_s, body};
}

TokenError error_of(const HttpAnswer& from) {
  try {
    read_token(from, kNowMs);
  } catch (const TokenError& error) {
    return error;
  }
  return {TokenError::Kind::kRefused, "no error"};
}

TEST(TokenRequest, OfAnApplicationIsAFormWithTheSecretEscaped) {
  OAuthSettings settings;
  settings.token_url = "https://login.example/t/oauth2/v2.0/token";
  settings.client_id = "app";
  settings.client_secret = "a+b/c=&d";
  settings.scope = "https://shop.servicebus.windows.net/.default";
  const HttpRequestText request = make_token_request(settings);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url, settings.token_url);
  EXPECT_NE(request.body.find("grant_type=client_credentials"), std::string::npos);
  EXPECT_NE(request.body.find("client_secret=a%2Bb%2Fc%3D%26d"), std::string::npos) << request.body;
  EXPECT_EQ(request.body.find("assertion"), std::string::npos);
}

TEST(TokenRequest, OfAWorkloadReadsItsFileEachTime) {
  const std::string path =
      (std::filesystem::temp_directory_path() / ("dstream-token-" + std::to_string(getpid())))
          .string();
  OAuthSettings settings;
  settings.method = TokenMethod::kWorkloadIdentity;
  settings.client_id = "app";
  settings.token_file = path;
  EXPECT_THROW(make_token_request(settings), TokenError) << "there is no file";
  std::ofstream(path) << "first\n";
  EXPECT_NE(make_token_request(settings).body.find("client_assertion=first"), std::string::npos);
  std::ofstream(path) << "second";
  EXPECT_NE(make_token_request(settings).body.find("client_assertion=second"), std::string::npos);
  std::filesystem::remove(path);
}

TEST(TokenRequest, OfAMachineGoesToTheMetadataService) {
  OAuthSettings settings;
  settings.method = TokenMethod::kManagedIdentity;
  settings.token_url = "http://169.254.169.254/metadata/identity/oauth2/token";
  settings.scope = "https://shop.servicebus.windows.net/.default";
  HttpRequestText request = make_token_request(settings);
  EXPECT_EQ(request.method, "GET");
  EXPECT_NE(request.url.find("api-version=2018-02-01"), std::string::npos) << request.url;
  EXPECT_NE(request.url.find("resource=https"), std::string::npos) << request.url;
  EXPECT_EQ(request.url.find(".default"), std::string::npos) << "a resource is no scope";
  EXPECT_EQ(request.url.find("client_id"), std::string::npos);
  EXPECT_EQ(request.headers.at(0), (std::pair<std::string, std::string>("Metadata", "true")));

  settings.identity_header = "secret-header";
  settings.client_id = "mine";
  request = make_token_request(settings);
  EXPECT_NE(request.url.find("api-version=2019-08-01"), std::string::npos) << request.url;
  EXPECT_NE(request.url.find("client_id=mine"), std::string::npos) << request.url;
  EXPECT_EQ(request.headers.at(0),
            (std::pair<std::string, std::string>("X-IDENTITY-HEADER", "secret-header")));
}

TEST(TokenAnswer, LifetimeIsANumberOrTextForASpanOrAnInstant) {
  EXPECT_EQ(
      read_token(answer(200, R"({"access_token":"t","expires_in":3600})"), kNowMs).expires_at_ms,
      kNowMs + 3'600'000);
  EXPECT_EQ(
      read_token(answer(200, R"({"access_token":"t","expires_in":"60"})"), kNowMs).expires_at_ms,
      kNowMs + 60'000);
  EXPECT_EQ(read_token(answer(200, R"({"access_token":"t","expires_on":"1700000100"})"), kNowMs)
                .expires_at_ms,
            kNowMs + 100'000);
}

TEST(TokenAnswer, WithoutAUsableTokenIsRefused) {
  for (const char* body :
       {"", "[]", "{}", "\xff", R"({"access_token":""})", R"({"access_token":"t"})",
        R"({"access_token":"t","expires_in":0})", R"({"access_token":"t","expires_in":-5})",
        R"({"access_token":"t","expires_in":"soon"})", R"({"access_token":{},"expires_in":[1]})",
        R"({"access_token":"t","expires_on":"1600000000"})"}) {
    EXPECT_EQ(error_of(answer(200, body)).kind, TokenError::Kind::kRefused) << body;
  }
  EXPECT_EQ(error_of(answer(200, std::string(500'000, '['))).kind, TokenError::Kind::kRefused);
}

TEST(TokenAnswer, TellsWhatWillPassFromWhatWillNot) {
  for (const int status : {404, 408, 410, 429, 500, 503}) {
    EXPECT_EQ(error_of(answer(status, "")).kind, TokenError::Kind::kUnreachable) << status;
  }
  for (const int status : {302, 400, 401, 403}) {
    EXPECT_EQ(error_of(answer(status, "")).kind, TokenError::Kind::kRefused) << status;
  }
  EXPECT_EQ(error_of(answer(429, "", 17)).retry_after_s, 17u);
  const TokenError said = error_of(
      answer(401, R"({"error":"invalid_client","error_description":"AADSTS7000215: x\r\nTrace"})"));
  EXPECT_STREQ(said.what(),
               "The token endpoint answered with HTTP 401. invalid_client. AADSTS7000215: x");
}

// ---- the configuration --------------------------------------------------------------------------

std::string refusal(const std::string& config) {
  try {
    parse_settings(config);
  } catch (const dstream::Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(OAuthSettings, OfANamespace) {
  const Settings settings = parse_settings(
      R"({"namespace":"shop.servicebus.windows.net","oauth":{"method":"client_secret",
          "tenant_id":"t","client_id":"app","client_secret":"s"}})");
  EXPECT_EQ(settings.brokers, "shop.servicebus.windows.net:9093");
  EXPECT_TRUE(settings.tls.enabled);
  EXPECT_EQ(settings.sasl.mechanism, "OAUTHBEARER");
  ASSERT_TRUE(settings.oauth);
  EXPECT_EQ(settings.oauth->token_url, "https://login.microsoftonline.com/t/oauth2/v2.0/token");
  EXPECT_EQ(settings.oauth->scope, "https://shop.servicebus.windows.net/.default");
  EXPECT_EQ(settings.secrets(), std::vector<std::string>{"s"});
}

TEST(OAuthSettings, RefuseWhatCannotWorkOrWouldShowASecret) {
  const std::string secret =
      R"("oauth":{"method":"client_secret","tenant_id":"t","client_id":"a","client_secret":"s"})";
  const std::pair<std::string, std::string> cases[] = {
      {R"({"namespace":"shop.servicebus.windows.net"})", "/oauth: "},
      {R"({"namespace":"sb://x/","oauth":{"method":"managed_identity"}})", "/namespace: "},
      {R"({"namespace":"a.b:0","oauth":{"method":"managed_identity"}})", "/namespace: "},
      {R"({"namespace":"a.b","brokers":"c:1","oauth":{"method":"managed_identity"}})",
       "/connection: "},
      {R"({"namespace":"a.b","sasl":{"username":"u","password":"p"},)" + secret + "}", "/sasl: "},
      {R"({"brokers":"b:1","tls":{"enabled":false},)" + secret + "}", "/tls/enabled: "},
      {R"({"brokers":"b:1","oauth":{"method":"managed_identity"}})", "/oauth/scope: "},
      {R"({"brokers":"b:1","oauth":{"method":"client_secret","client_id":"a",
           "client_secret":"s"}})",
       "/oauth/tenant_id: "},
      {R"({"brokers":"b:1","oauth":{"method":"client_secret","client_id":"a","client_secret":"s",
           "tenant_id":"../x"}})",
       "/oauth/tenant_id: "},
      {R"({"brokers":"b:1","oauth":{"method":"client_secret","client_id":"a"}})",
       "/oauth/client_secret: "},
      {R"({"brokers":"b:1","oauth":{"method":"client_secret","client_id":"a","client_secret":"s",
           "token_url":"http://login.example/token"}})",
       "/oauth/token_url: "},
      {R"({"brokers":"b:1","oauth":{"method":"workload_identity","client_id":"a",
           "tenant_id":"t"}})",
       "/oauth/token_file: "},
  };
  for (const auto& [config, place] : cases) {
    EXPECT_EQ(refusal(config).substr(0, place.size()), place) << config;
  }
  EXPECT_EQ(refusal(R"({"brokers":"b:1",)" + secret + "}"), "accepted");
}

TEST(OAuthSettings, TakeWhatThePlatformSays) {
  std::map<std::string, std::string> variables = {
      {"AZURE_TENANT_ID", "tenant"},
      {"AZURE_CLIENT_ID", "app"},
      {"AZURE_FEDERATED_TOKEN_FILE", "/var/run/token"},
      {"AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/"}};
  const Environment environment = [&variables](const char* name) { return variables[name]; };
  const auto settings_of = [&environment](const char* method) {
    Poco::JSON::Object::Ptr object = new Poco::JSON::Object;
    object->set("method", method);
    return read_oauth(SettingsReader(object, "/oauth"), "https://h/.default", environment);
  };
  const OAuthSettings workload = settings_of("workload_identity");
  EXPECT_EQ(workload.token_url, "https://login.microsoftonline.us/tenant/oauth2/v2.0/token");
  EXPECT_EQ(workload.client_id, "app");
  EXPECT_EQ(workload.token_file, "/var/run/token");

  EXPECT_EQ(settings_of("managed_identity").token_url,
            "http://169.254.169.254/metadata/identity/oauth2/token");
  variables["IDENTITY_ENDPOINT"] = "http://127.0.0.1:41000/msi/token";
  variables["IDENTITY_HEADER"] = "h";
  const OAuthSettings app_service = settings_of("managed_identity");
  EXPECT_EQ(app_service.token_url, "http://127.0.0.1:41000/msi/token");
  EXPECT_EQ(app_service.identity_header, "h");
}

}  // namespace
}  // namespace eventhubs
