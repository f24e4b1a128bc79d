// Against a server in this process; certificates are made once.
#include "http/http_call.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "tests/standins/kafka/tcp_proxy.h"
#include "tests/standins/tokens/token_endpoint.h"
#include "token_request.h"

namespace eventhubs {
namespace {

using dstream::standin::TokenEndpoint;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

class Http : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ =
        (std::filesystem::temp_directory_path() / ("dstream-http-" + std::to_string(getpid())))
            .string();
    const std::string command = std::string(DSTREAM_MAKE_CERTS) + " " + folder_;
    ASSERT_EQ(std::system(command.c_str()), 0);
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  static TokenEndpoint::Options options(bool tls = true) {
    TokenEndpoint::Options out;
    out.certs = folder_;
    out.tls = tls;
    return out;
  }
  static OAuthSettings application(const TokenEndpoint& endpoint) {
    OAuthSettings out;
    out.token_url = endpoint.url() + "/tenant-1/oauth2/v2.0/token";
    out.client_id = "app-1";
    out.client_secret = "s3cret+/=&";
    out.scope = "https://ns.servicebus.windows.net/.default";
    return out;
  }
  static HttpAnswer send(const HttpRequestText& request, const std::string& ca = "ca.pem") {
    return HttpCall(folder_ + "/" + ca, milliseconds(5000)).send(request);
  }

  static std::string folder_;
};

std::string Http::folder_;

TEST_F(Http, GetsATokenOfEachKind) {
  TokenEndpoint endpoint(options());
  EXPECT_FALSE(read_token(send(make_token_request(application(endpoint))), 0).text.empty());

  TokenEndpoint::Options with_identity = options(false);
  with_identity.identity_header = "h";
  TokenEndpoint machine(with_identity);
  OAuthSettings identity;
  identity.method = TokenMethod::kManagedIdentity;
  identity.scope = "https://ns.servicebus.windows.net/.default";
  identity.token_url = machine.instance_metadata_url();
  EXPECT_FALSE(read_token(send(make_token_request(identity)), 0).text.empty());
  identity.token_url = machine.app_service_url();
  EXPECT_EQ(send(make_token_request(identity)).status, 400) << "the header is missing";
  identity.identity_header = "h";
  EXPECT_FALSE(read_token(send(make_token_request(identity)), 0).text.empty());
}

TEST_F(Http, SaysWhyATokenIsRefused) {
  TokenEndpoint endpoint(options());
  OAuthSettings wrong = application(endpoint);
  wrong.client_secret = "other";
  const HttpAnswer answer = send(make_token_request(wrong));
  EXPECT_EQ(answer.status, 401);
  try {
    read_token(answer, 0);
    FAIL() << "a token was given";
  } catch (const TokenError& error) {
    EXPECT_EQ(error.kind, TokenError::Kind::kRefused);
    EXPECT_NE(std::string(error.what()).find("AADSTS7000215"), std::string::npos) << error.what();
  }
}

TEST_F(Http, TrustsNobodyElsesCertificate) {
  TokenEndpoint endpoint(options());
  const HttpRequestText request = make_token_request(application(endpoint));
  for (const char* ca : {"other-ca.pem", "jwks.json"}) {
    try {
      send(request, ca);
      FAIL() << "trusted with " << ca;
    } catch (const HttpError& error) {
      EXPECT_TRUE(error.is_tls) << error.what();
      EXPECT_EQ(std::string(error.what()).find("s3cret"), std::string::npos);
    }
  }
  HttpRequestText by_other_name = request;
  by_other_name.url.replace(by_other_name.url.find("localhost"), 9, "127.0.0.2");
  EXPECT_THROW(send(by_other_name), HttpError) << "the certificate is not for that name";
  EXPECT_EQ(endpoint.requests(), 0);
}

TEST_F(Http, SaysThatNobodyAnswers) {
  HttpRequestText request;
  {
    TokenEndpoint gone(options());
    request = make_token_request(application(gone));
  }
  try {
    send(request);
    FAIL() << "somebody answered";
  } catch (const HttpError& error) {
    EXPECT_FALSE(error.is_tls);
    EXPECT_NE(std::string(error.what()).find("localhost:"), std::string::npos) << error.what();
  }
}

TEST_F(Http, EndsWhenItIsCancelled) {
  TokenEndpoint endpoint(options());
  endpoint.stall(true);
  HttpCall call(folder_ + "/ca.pem", milliseconds(60'000));
  const auto start = steady_clock::now();
  std::thread other([&endpoint, &call] {
    EXPECT_TRUE(endpoint.wait_stalled(10'000));
    call.cancel();
  });
  const HttpRequestText request = make_token_request(application(endpoint));
  EXPECT_THROW(call.send(request), HttpError);
  other.join();
  EXPECT_THROW(call.send(request), HttpError) << "and stays cancelled";
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(15));
}

TEST_F(Http, GivesUpWhenTheTimeIsOver) {
  TokenEndpoint endpoint(options());
  endpoint.stall(true);
  HttpCall call(folder_ + "/ca.pem", milliseconds(200));
  EXPECT_THROW(call.send(make_token_request(application(endpoint))), HttpError);
}

}  // namespace
}  // namespace eventhubs
