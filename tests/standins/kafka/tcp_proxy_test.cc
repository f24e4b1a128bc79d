#include "tests/standins/kafka/tcp_proxy.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <stdexcept>

namespace dstream::standin {
namespace {

using Direction = TcpProxy::Direction;
using std::chrono::milliseconds;

constexpr milliseconds kPatience(20'000);

// A blocking socket that gives up in the end.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    const timeval patience{kPatience.count() / 1000, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  static int connected_to(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  void write(const std::string& bytes) const {
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t count = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (count <= 0) {
        return;
      }
      at += static_cast<size_t>(count);
    }
  }
  void end() const { shutdown(fd_, SHUT_WR); }
  // This many bytes, or fewer if the connection ends before.
  std::string read(size_t count) const {
    std::string out(count, '\0');
    size_t at = 0;
    for (ssize_t got = 1; at < count && got > 0; at += got > 0 ? static_cast<size_t>(got) : 0) {
      got = recv(fd_, out.data() + at, count - at, 0);
    }
    out.resize(at);
    return out;
  }
  // What a read says now: 0 at the end, -errno, or the bytes.
  ssize_t peek() const {
    char byte = 0;
    const ssize_t got = recv(fd_, &byte, 1, MSG_PEEK);
    return got < 0 ? -errno : got;
  }

 private:
  int fd_;
};

// A server behind a proxy, and one connection through it.
struct Pair {
  Pair() { server = std::make_unique<Socket>(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC)); }
  ~Pair() { ::close(listener); }

  static int listen_somewhere() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(listen(fd, 8), 0);  // unbound: the kernel chooses the port
    return fd;
  }
  static std::string address_of(int fd) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }

  int listener = listen_somewhere();
  TcpProxy proxy{address_of(listener)};
  Socket client{Socket::connected_to(proxy.port())};
  std::unique_ptr<Socket> server;
};

TEST(TcpProxy, PassesBytesBothWaysAndCounts) {
  Pair pair;
  pair.client.write("question");
  EXPECT_EQ(pair.server->read(8), "question");
  pair.server->write("answer");
  EXPECT_EQ(pair.client.read(6), "answer");
  const TcpProxy::Counts counts = pair.proxy.counts();
  EXPECT_EQ(counts.bytes[0], 8u);
  EXPECT_EQ(counts.bytes[1], 6u);
  EXPECT_EQ(counts.accepted, 1u);
}

TEST(TcpProxy, PassesTheEndOfOneDirectionAlone) {
  Pair pair;
  pair.client.write("all");
  pair.client.end();
  EXPECT_EQ(pair.server->read(10), "all");
  pair.server->write("answer");
  EXPECT_EQ(pair.client.read(6), "answer");
  pair.server->end();
  EXPECT_EQ(pair.client.peek(), 0);
  EXPECT_TRUE(
      pair.proxy.wait_until([](const auto& counts) { return counts.open == 0; }, kPatience));
}

TEST(TcpProxy, DelaysWithoutTakingBandwidth) {
  Pair pair;
  const milliseconds one_way(100);
  pair.proxy.set_delay(one_way);
  const std::string sent(20'000'000, 'x');  // 80 chunks or more: one after the other, 8 s
  const auto start = std::chrono::steady_clock::now();
  auto writer = std::async(std::launch::async, [&] { pair.client.write(sent); });
  EXPECT_EQ(pair.server->read(1), "x");
  const auto first = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(pair.server->read(sent.size() - 1), sent.substr(1));
  const auto last = std::chrono::steady_clock::now() - start;
  writer.get();
  EXPECT_GE(first, one_way);
  EXPECT_LT(last, one_way * 40);
}

TEST(TcpProxy, StallsOneDirectionAndGoesOn) {
  Pair pair;
  pair.proxy.set_stalled(Direction::kToClient, true);
  pair.client.write("question");
  EXPECT_EQ(pair.server->read(8), "question");
  pair.server->write("answer");
  EXPECT_FALSE(pair.proxy.wait_until([](const auto& counts) { return counts.bytes[1] > 0; },
                                     milliseconds(20)));
  pair.proxy.set_stalled(Direction::kToClient, false);
  EXPECT_EQ(pair.client.read(6), "answer");
}

TEST(TcpProxy, CutsWhatIsConnectedAndTakesNewConnections) {
  Pair pair;
  pair.proxy.set_delay(kPatience);
  pair.client.write("never arrives");
  EXPECT_TRUE(
      pair.proxy.wait_until([](const auto& counts) { return counts.open == 1; }, kPatience));
  pair.proxy.cut();
  EXPECT_EQ(pair.client.peek(), -ECONNRESET);
  EXPECT_EQ(pair.server->peek(), -ECONNRESET);
  EXPECT_EQ(pair.proxy.counts().cuts, 1u);
  pair.proxy.set_delay(milliseconds(0));
  const Socket again(Socket::connected_to(pair.proxy.port()));
  const Socket server(accept4(pair.listener, nullptr, nullptr, SOCK_CLOEXEC));
  again.write("x");
  EXPECT_EQ(server.read(1), "x");
}

TEST(TcpProxy, CutsAfterExactlySoManyBytes) {
  Pair pair;
  pair.client.write("before");
  EXPECT_EQ(pair.server->read(6), "before");
  pair.proxy.cut_after(Direction::kToServer, 4);
  pair.client.write("abc");
  EXPECT_EQ(pair.server->read(3), "abc");
  pair.client.write("def");
  EXPECT_EQ(pair.server->read(10), "d");
  EXPECT_TRUE(
      pair.proxy.wait_until([](const auto& counts) { return counts.cuts == 1; }, kPatience));
  EXPECT_LE(pair.client.peek(), 0);
}

TEST(TcpProxy, EndsAConnectionThatNobodyTakes) {
  const int fd = Pair::listen_somewhere();
  const std::string target = Pair::address_of(fd);
  ::close(fd);
  const TcpProxy proxy(target);
  const Socket client(Socket::connected_to(proxy.port()));
  EXPECT_LE(client.peek(), 0);
}

TEST(TcpProxy, RefusesWhatIsNoAddress) {
  for (const char* text : {"", "127.0.0.1", "127.0.0.1:", "localhost:1", "127.0.0.1:0", ":1",
                           "127.0.0.1:70000", "127.0.0.1:1x"}) {
    EXPECT_THROW(TcpProxy{text}, std::invalid_argument) << text;
  }
}

}  // namespace
}  // namespace dstream::standin
