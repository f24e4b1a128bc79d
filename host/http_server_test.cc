// The server, the client and the socket in the state folder, over real sockets.
#include "host/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "host/http_client.h"
#include "host/unix_socket.h"

namespace dstream::host {
namespace {

using ::testing::HasSubstr;

// The server looks at it in every round. It can be put forward, which wakes nobody.
class CountingClock final : public core::Clock {
 public:
  int64_t monotonic_ns() const override {
    looks_.fetch_add(1);
    return system_.monotonic_ns() + ahead_ns_.load();
  }
  int64_t wall_ns() const override { return system_.wall_ns(); }
  int64_t looks() const { return looks_.load(); }
  void put_forward(int64_t ns) { ahead_ns_.fetch_add(ns); }

 private:
  core::SystemClock system_;
  mutable std::atomic<int64_t> looks_{0};
  std::atomic<int64_t> ahead_ns_{0};
};

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "dstream-http-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~HttpServerTest() override {
    if (server_) {
      EXPECT_TRUE(server_->stop(10'000));
    }
    std::filesystem::remove_all(folder_);
  }

  void serve(HttpServer::Limits limits = {}) {
    server_ = std::make_unique<HttpServer>(
        [this](const HttpRequest& request) { return handle(request); }, &clock_, limits);
    auto socket = listen_in_folder(folder_);
    ASSERT_TRUE(socket.has_value()) << socket.error().text();
    server_->add_listener(std::move(*socket), true);
    auto listener = listen_on("127.0.0.1:0");
    ASSERT_TRUE(listener.has_value()) << listener.error().text();
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(listener->get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    server_->add_listener(std::move(*listener), false);
    server_->start();
  }
  virtual HttpResponse handle(const HttpRequest& request) {
    if (request.path == "/throw") {
      throw std::runtime_error("secret");
    }
    if (request.path == "/large") {
      return {200, "text/plain", std::string(20 << 20, 'x')};
    }
    return {200, "text/plain", request.local ? "local" : "tcp"};
  }
  core::Result<HttpResponse> get(const std::string& path) {
    HttpRequest request;
    request.method = "GET";
    request.path = path;
    return ask_host(folder_, request);
  }
  // A blocking connection over TCP.
  Descriptor connect_tcp() const {
    Descriptor connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    connect_to_server(connection);
    return connection;
  }
  void connect_to_server(const Descriptor& connection) const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(connection.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  static void say(const Descriptor& connection, const std::string& text) {
    EXPECT_EQ(send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  // Until the other side closes.
  static std::string rest(const Descriptor& connection) {
    std::string out;
    char buffer[4096];
    for (ssize_t got = 0; (got = recv(connection.get(), buffer, sizeof buffer, 0)) > 0;) {
      out.append(buffer, static_cast<size_t>(got));
    }
    return out;
  }

  CountingClock clock_;
  std::string folder_;
  std::unique_ptr<HttpServer> server_;
  uint16_t port_ = 0;
};

TEST_F(HttpServerTest, AnswersOnTheSocketAndOnAnAddress) {
  serve();
  auto answer = get("/");
  ASSERT_TRUE(answer.has_value()) << answer.error().text();
  EXPECT_EQ(answer->body, "local");
  Descriptor connection = connect_tcp();
  say(connection, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(rest(connection), HasSubstr("\r\n\r\ntcp"));
}

TEST_F(HttpServerTest, SendsALargeAnswerWhole) {
  serve();
  auto answer = get("/large");
  ASSERT_TRUE(answer.has_value()) << answer.error().text();
  EXPECT_EQ(answer->body.size(), size_t{20} << 20);
}

TEST_F(HttpServerTest, AHandlerThatThrowsIsAnErrorOfOneRequest) {
  serve();
  auto answer = get("/throw");
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 500);
  EXPECT_THAT(answer->body, ::testing::Not(HasSubstr("secret")));
  EXPECT_EQ(get("/")->status, 200);
}

TEST_F(HttpServerTest, AClientThatSaysNothingOrLittleIsCutOff) {
  HttpServer::Limits limits;
  limits.request_ms_max = 50;
  serve(limits);
  Descriptor silent = connect_tcp();
  Descriptor slow = connect_tcp();
  say(slow, "GET / HTTP/1.1\r\nX: ");
  EXPECT_EQ(rest(silent), "");
  EXPECT_EQ(rest(slow), "");
}

// Limits of real time are for clients that do nothing: one that does is not sure to be quick.
constexpr int64_t kHourMs = 3'600'000;

TEST_F(HttpServerTest, NobodyWaitsForAClientThatSaysNothingOrLittle) {
  HttpServer::Limits limits;
  limits.request_ms_max = kHourMs;
  serve(limits);
  Descriptor silent = connect_tcp();
  Descriptor slow = connect_tcp();
  say(slow, "GET / HTTP/1.1\r\nX: ");
  EXPECT_EQ(get("/")->status, 200);
}

TEST_F(HttpServerTest, AClientThatDoesNotReadIsCutOff) {
  HttpServer::Limits limits;
  limits.request_ms_max = kHourMs;
  serve(limits);
  Descriptor deaf = connect_tcp();
  say(deaf, "GET /large HTTP/1.1\r\n\r\n");
  // An answer in part shows that the request was read; the next client wakes the server.
  pollfd begun{deaf.get(), POLLIN, 0};
  ASSERT_EQ(poll(&begun, 1, -1), 1);
  EXPECT_EQ(get("/")->status, 200) << "nobody waits for it";
  clock_.put_forward(kHourMs * core::kNanosPerMilli);
  EXPECT_EQ(get("/")->status, 200);
  EXPECT_LT(rest(deaf).size(), size_t{20} << 20);
}

TEST_F(HttpServerTest, MoreClientsThanItTakesAreServedLater) {
  HttpServer::Limits limits;
  limits.connections_max = 2;
  limits.request_ms_max = 50;
  serve(limits);
  std::vector<Descriptor> silent;
  for (int i = 0; i < 6; ++i) {
    silent.push_back(connect_tcp());
  }
  EXPECT_EQ(get("/")->status, 200);
}

TEST_F(HttpServerTest, ServesAgainOnceThereAreDescriptors) {
  serve();
  Descriptor waiting = connect_tcp();
  say(waiting, "GET / HTTP/1.1\r\n\r\n");
  EXPECT_THAT(rest(waiting), HasSubstr("tcp"));
  Descriptor client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = before;
  few.rlim_cur = 128;
  setrlimit(RLIMIT_NOFILE, &few);
  std::vector<Descriptor> taken;
  for (int each = 0; each >= 0;) {
    each = dup(client.get());
    taken.emplace_back(each);
  }
  connect_to_server(client);
  say(client, "GET / HTTP/1.1\r\n\r\n");
  const int64_t looks = clock_.looks();
  pollfd wait{client.get(), POLLIN, 0};
  EXPECT_EQ(poll(&wait, 1, 500), 0) << "there is no descriptor to accept it with";
  EXPECT_LT(clock_.looks() - looks, 100) << "nobody runs in circles meanwhile";
  setrlimit(RLIMIT_NOFILE, &before);
  taken.clear();
  EXPECT_THAT(rest(client), HasSubstr("tcp"));
}

TEST_F(HttpServerTest, TooLongARequestIsAnswered) {
  serve();
  Descriptor connection = connect_tcp();
  say(connection, std::string(kHttpHeadBytesMax + 10, 'x'));
  EXPECT_THAT(rest(connection), HasSubstr("HTTP/1.1 431 "));
}

TEST_F(HttpServerTest, TheSocketIsItsOwnersAndReplacesAStaleOne) {
  { ASSERT_TRUE(listen_in_folder(folder_).has_value()); }
  std::string file = folder_ + "/" + kAdminSocketName;
  ASSERT_TRUE(std::filesystem::exists(file)) << "what a killed process leaves behind";
  auto none = get("/");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, "DS-ADMIN-NO-HOST");
  serve();
  struct stat info {};
  ASSERT_EQ(stat(file.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(get("/")->status, 200);
}

TEST_F(HttpServerTest, AFolderMayBeDeeperThanAnAddress) {
  std::string top = folder_;
  for (int i = 0; i < 8; ++i) {
    folder_ += "/a_folder_with_a_long_name";
  }
  std::filesystem::create_directories(folder_);
  serve();
  EXPECT_EQ(get("/")->status, 200);
  EXPECT_TRUE(server_->stop(10'000));
  server_.reset();
  folder_ = top;
}

TEST_F(HttpServerTest, WhereNobodyListensThereIsNoHost) {
  EXPECT_EQ(get("/").error().code, "DS-ADMIN-NO-HOST");
  folder_ += "/nowhere";
  EXPECT_EQ(get("/").error().code, "DS-ADMIN-NO-HOST");
}

TEST_F(HttpServerTest, AnAddressThatIsTakenIsAnError) {
  serve();
  auto again = listen_on("127.0.0.1:" + std::to_string(port_));
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, "DS-ADMIN-LISTEN");
  EXPECT_EQ(listen_on("127.0.0.1:99999").error().code, "DS-ADMIN-LISTEN");
}

TEST(HttpServerStop, DoesNotWaitForAHandlerThatHangs) {
  // Left behind on purpose, as the program would: its thread is still inside.
  struct Left {
    std::promise<void> release;
    std::promise<void> entered;
    core::SystemClock clock;
    std::unique_ptr<HttpServer> server;
  };
  static auto* all = new std::vector<std::unique_ptr<Left>>;
  Left& left = *all->emplace_back(std::make_unique<Left>());
  left.server = std::make_unique<HttpServer>(
      [&left](const HttpRequest&) {
        left.entered.set_value();
        left.release.get_future().wait();
        return HttpResponse();
      },
      &left.clock);
  std::string folder = std::filesystem::temp_directory_path() / "dsh-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  auto socket = listen_in_folder(folder);
  ASSERT_TRUE(socket.has_value());
  left.server->add_listener(std::move(*socket), true);
  left.server->start();
  auto client = std::async(std::launch::async, [&folder] {
    HttpRequest request;
    request.method = "GET";
    request.path = "/";
    return ask_host(folder, request);
  });
  left.entered.get_future().wait();
  EXPECT_FALSE(left.server->stop(10));
  left.release.set_value();
  EXPECT_TRUE(client.get().has_value()) << "the answer under way is still sent";
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace dstream::host
