#include "tests/standins/kafka/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <stdexcept>

#include "tests/standins/kafka/delay_line.h"
#include "tests/standins/kafka/port_rewrite.h"

namespace dstream::standin {
namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr size_t kOnTheWayBytesMax = 64 * 1024 * 1024;  // a second of 500 Mbit/s
constexpr int64_t kSecond = 1'000'000'000;              // nanoseconds

int64_t steady_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

sockaddr_in parse_address(std::string_view text) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  const size_t colon = text.rfind(':');
  const std::string host(text.substr(0, colon));
  uint16_t port = 0;
  const char* end = text.data() + text.size();
  if (colon == std::string_view::npos || inet_pton(AF_INET, host.c_str(), &out.sin_addr) != 1 ||
      std::from_chars(text.data() + colon + 1, end, port).ptr != end || port == 0) {
    throw std::invalid_argument("Not an IPv4 address and a port: " + std::string(text));
  }
  out.sin_port = htons(port);
  return out;
}

TcpProxy::Direction other(TcpProxy::Direction direction) {
  return static_cast<TcpProxy::Direction>(1 - static_cast<int>(direction));
}

constexpr TcpProxy::Direction kBoth[] = {TcpProxy::Direction::kToServer,
                                         TcpProxy::Direction::kToClient};

}  // namespace

struct TcpProxy::Connection {
  struct Way {
    DelayLine line{kOnTheWayBytesMax};
    std::optional<PortRewrite> rewrite;
    bool blocked = false;   // the receiver takes nothing now
    bool finished = false;  // the end was passed on
  };
  Way& way(Direction direction) { return ways[static_cast<size_t>(direction)]; }
  // The end that gives, or takes, what goes in this direction.
  int from(Direction direction) const { return fds[static_cast<size_t>(direction)]; }
  int to(Direction direction) const { return from(other(direction)); }

  Way ways[2];
  int fds[2];            // of the client, of the server; -1: closed
  size_t polled_at = 0;  // where its two are among the polled; 0: not yet
};

TcpProxy::TcpProxy(const std::string& target)
    : target_address_(parse_address(target).sin_addr.s_addr),
      target_port_(parse_address(target).sin_port) {
  thread_ = std::thread(&TcpProxy::run, this);
}

TcpProxy::~TcpProxy() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  door_.wake();
  thread_.join();
}

std::string TcpProxy::address() const { return "127.0.0.1:" + std::to_string(port()); }

void TcpProxy::set_delay(std::chrono::microseconds one_way) {
  const std::lock_guard lock(mutex_);
  delay_ns_ = std::chrono::nanoseconds(one_way).count();
}

void TcpProxy::set_stalled(Direction direction, bool stalled) {
  const std::lock_guard lock(mutex_);
  stalled_[static_cast<size_t>(direction)] = stalled;
  door_.wake();
}

void TcpProxy::cut() {
  std::unique_lock lock(mutex_);
  cutting_ = true;
  door_.wake();
  changed_.wait(lock, [this] { return !cutting_; });
}

void TcpProxy::cut_after(Direction direction, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto index = static_cast<size_t>(direction);
  cut_at_[index] = counts_.bytes[index] + bytes;
}

void TcpProxy::rewrite_ports(const std::string& host, const std::map<uint16_t, uint16_t>& ports) {
  const std::lock_guard lock(mutex_);
  rewritten_host_ = host;
  rewritten_ports_ = ports;
}

TcpProxy::Counts TcpProxy::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

void TcpProxy::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    now_ns_ = steady_now_ns();
    for (const auto& connection : connections_) {
      if (cutting_) {
        ++counts_.cuts;
        close(*connection, true);
      }
      for (const Direction direction : kBoth) {
        send_due(*connection, direction);
      }
      if (connection->ways[0].finished && connection->ways[1].finished) {
        close(*connection, false);
      }
    }
    cutting_ = false;
    std::erase_if(connections_, [](const auto& connection) { return connection->fds[0] < 0; });
    counts_.open = connections_.size();
    changed_.notify_all();
    wait_for_work(lock);
  }
  for (const auto& connection : connections_) {
    close(*connection, true);
  }
}

// Without the lock while it waits; only this thread touches connections.
void TcpProxy::wait_for_work(std::unique_lock<std::mutex>& lock) {
  std::vector<pollfd> polled = {{door_.listen_fd(), POLLIN, 0}, {door_.wake_fd(), POLLIN, 0}};
  std::optional<int64_t> next_ns;
  for (const auto& connection : connections_) {
    connection->polled_at = polled.size();
    short events[2] = {0, 0};
    for (const Direction direction : kBoth) {
      const auto index = static_cast<size_t>(direction);
      Connection::Way& way = connection->ways[index];
      if (stalled_[index]) {
        continue;
      }
      if (!way.line.is_ended() && way.line.room_bytes() >= kReadBytes) {
        events[index] |= POLLIN;
      }
      if (way.blocked) {
        events[1 - index] |= POLLOUT;
      } else if (const auto due_ns = way.line.next_due_ns(); due_ns && !way.finished) {
        next_ns = std::min(next_ns.value_or(*due_ns), *due_ns);
      }
    }
    for (size_t i = 0; i < 2; ++i) {  // without events the kernel would still report a hang-up
      polled.push_back({events[i] == 0 ? -1 : connection->fds[i], events[i], 0});
    }
  }
  lock.unlock();
  const int64_t wait_ns = next_ns ? std::max<int64_t>(0, *next_ns - steady_now_ns()) : 0;
  const timespec timeout{wait_ns / kSecond, wait_ns % kSecond};
  ppoll(polled.data(), polled.size(), next_ns ? &timeout : nullptr, nullptr);
  door_.was_woken();
  lock.lock();
  now_ns_ = steady_now_ns();
  for (const auto& connection : connections_) {
    for (const Direction direction : kBoth) {
      const auto index = static_cast<size_t>(direction);
      const pollfd& end = polled[connection->polled_at + index];
      if ((end.revents & (POLLOUT | POLLERR | POLLHUP)) != 0) {
        connection->way(other(direction)).blocked = false;
      }
      if ((end.events & POLLIN) != 0 && end.revents != 0) {
        receive(*connection, direction);
      }
    }
  }
  if (polled[0].revents != 0) {
    accept_one();
  }
}

void TcpProxy::accept_one() {
  const auto pair = door_.accept(target_address_, target_port_, SOCK_NONBLOCK);
  if (!pair) {
    return;
  }
  auto connection = std::make_unique<Connection>();
  connection->fds[0] = pair->client;
  connection->fds[1] = pair->server;
  if (!rewritten_ports_.empty()) {
    connection->way(Direction::kToClient).rewrite.emplace(rewritten_host_, rewritten_ports_);
  }
  ++counts_.accepted;
  connections_.push_back(std::move(connection));
}

void TcpProxy::receive(Connection& connection, Direction direction) {
  if (connection.fds[0] < 0) {
    return;
  }
  static thread_local char bytes[kReadBytes];
  Connection::Way& way = connection.way(direction);
  const ssize_t count = recv(connection.from(direction), bytes, sizeof bytes, 0);
  if (count < 0) {
    if (errno != EAGAIN && errno != EINTR) {
      close(connection, true);
    }
    return;
  }
  const int64_t due_ns = now_ns_ + delay_ns_;
  std::string text(bytes, static_cast<size_t>(count));
  if (way.rewrite) {
    text = count == 0 ? way.rewrite->end() : way.rewrite->pass(text);
  }
  if (!text.empty()) {
    way.line.push(std::move(text), due_ns);
  }
  if (count == 0) {
    way.line.end(due_ns);
  }
}

void TcpProxy::send_due(Connection& connection, Direction direction) {
  const auto index = static_cast<size_t>(direction);
  Connection::Way& way = connection.ways[index];
  std::string_view due;
  while (connection.fds[0] >= 0 && !stalled_[index] && !way.blocked &&
         !(due = way.line.due(now_ns_)).empty()) {
    uint64_t& passed = counts_.bytes[index];
    if (cut_at_[index]) {
      due = due.substr(0, *cut_at_[index] - passed);
    }
    if (due.empty()) {
      cut_at_[index].reset();
      ++counts_.cuts;
      close(connection, false);
      return;
    }
    const ssize_t count = send(connection.to(direction), due.data(), due.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      passed += static_cast<uint64_t>(count);
      way.line.pop(static_cast<size_t>(count));
    } else if (errno == EAGAIN) {
      way.blocked = true;
    } else if (errno != EINTR) {
      close(connection, true);
    }
  }
  if (connection.fds[0] >= 0 && !stalled_[index] && !way.finished && way.line.end_is_due(now_ns_)) {
    shutdown(connection.to(direction), SHUT_WR);
    way.finished = true;
  }
}

void TcpProxy::close(Connection& connection, bool reset) {
  for (int& fd : connection.fds) {
    close_end(&fd, reset);
  }
}

}  // namespace dstream::standin
