#include "host/http_message.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <random>

namespace dstream::host {
namespace {

using State = ParsedRequest::State;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPost =
    "POST /pipelines/a%20b/snapshot?x=1 HTTP/1.1\r\nHost: LocalHost:9707\r\n"
    "Content-Type: Application/JSON; charset=utf-8\r\nContent-Length: 4\r\n\r\n{} \n";

TEST(HttpRequest, IsReadOnceItIsWhole) {
  std::string text = kPost;
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(parse_http_request(text.substr(0, size)).state, State::kIncomplete) << size;
  }
  ParsedRequest parsed = parse_http_request(text + "more");
  ASSERT_EQ(parsed.state, State::kComplete);
  EXPECT_EQ(parsed.request.method, "POST");
  EXPECT_EQ(parsed.request.path, "/pipelines/a b/snapshot");
  EXPECT_EQ(parsed.request.host, "localhost");
  EXPECT_EQ(parsed.request.content_type, "application/json");
  EXPECT_EQ(parsed.request.body, "{} \n");
}

TEST(HttpRequest, KnowsAddressesAsHosts) {
  auto host = [](const std::string& text) {
    return parse_http_request("GET / HTTP/1.1\r\nHost: " + text + "\r\n\r\n").request.host;
  };
  EXPECT_EQ(host("[::1]:9707"), "[::1]");
  EXPECT_EQ(host("[::1]"), "[::1]");
  EXPECT_EQ(host("10.0.0.1"), "10.0.0.1");
}

TEST(HttpRequest, IsRefusedWhereItIsTooMuchOrNone) {
  auto refusal = [](const std::string& text) {
    ParsedRequest parsed = parse_http_request(text);
    return parsed.state == State::kRefused ? parsed.refusal.status : 0;
  };
  EXPECT_EQ(refusal(std::string(kHttpHeadBytesMax + 1, 'x')), 431);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nA: " + std::string(kHttpHeadBytesMax, 'x') + "\r\n\r\n"),
            431);
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n"), 413);
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n"), 400);
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"), 400);
  EXPECT_EQ(refusal("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), 501);
  EXPECT_EQ(refusal("\r\n\r\n"), 400);
  EXPECT_EQ(refusal("\x16\x03\x01\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / SPDY/3\r\n\r\n"), 400);
}

// Whatever comes in, it is one of the three states, and what it says does not quote the bytes.
TEST(HttpRequest, SurvivesBytesOfAnyKind) {
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  int complete = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = kPost;
    for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
      size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random() % 256);
          break;
        case 1:
          text.erase(at, 1 + random() % 8);
          break;
        default:
          text.insert(at, 1 + random() % 3, static_cast<char>(random() % 256));
          break;
      }
      text += " ";
    }
    ParsedRequest parsed = parse_http_request(text);
    complete += parsed.state == State::kComplete ? 1 : 0;
    EXPECT_LE(parsed.request.body.size(), kHttpBodyBytesMax);
    EXPECT_EQ(parsed.state == State::kRefused, parsed.refusal.status >= 400);
    parse_http_response(text);
  }
  EXPECT_GT(complete, 0);
}

TEST(HttpResponse, IsReadAsItWasWritten) {
  HttpResponse sent{503, "text/plain", "a\r\n\r\nb"};
  std::string text = http_text(sent);
  EXPECT_THAT(text, HasSubstr("HTTP/1.1 503 "));
  EXPECT_THAT(text, HasSubstr("Connection: Close"));
  auto read = parse_http_response(text);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->status, 503);
  EXPECT_EQ(read->content_type, "text/plain");
  EXPECT_EQ(read->body, sent.body);
  EXPECT_FALSE(parse_http_response(text.substr(0, text.size() - 1)).has_value()) << "cut short";
  EXPECT_FALSE(parse_http_response("HTTP/1.1 200 OK\r\n\r\n").has_value());
  EXPECT_FALSE(parse_http_response("").has_value());
}

TEST(HttpRequest, IsReadAsItWasWritten) {
  HttpRequest sent;
  sent.method = "POST";
  sent.path = "/x";
  sent.content_type = "application/json";
  sent.body = "{}";
  ParsedRequest read = parse_http_request(http_text(sent));
  ASSERT_EQ(read.state, State::kComplete);
  EXPECT_EQ(read.request.body, "{}");
  EXPECT_EQ(read.request.content_type, "application/json");
  EXPECT_EQ(read.request.host, "localhost");
}

}  // namespace
}  // namespace dstream::host
