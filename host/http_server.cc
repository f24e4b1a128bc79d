#include "host/http_server.h"

#include <Poco/Net/NetException.h>
#include <Poco/Net/SocketAddress.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "core/base/assert.h"

namespace dstream::host {
namespace {

// Before accept() is tried again that has failed for want of descriptors or memory: whoever waits
// to be accepted would else keep the thread awake.
constexpr int64_t kAcceptPauseNs = 100 * core::kNanosPerMilli;

}  // namespace

struct HttpServer::Connection {
  Descriptor descriptor;
  bool local = false;
  int64_t deadline_ns = 0;
  std::string received;
  std::string answer;
  size_t sent = 0;
  enum class State { kReceiving, kSending, kClosing, kDone } state = State::kReceiving;
};

HttpServer::HttpServer(Handler handler, const core::Clock* clock)
    : HttpServer(std::move(handler), clock, Limits()) {}

HttpServer::HttpServer(Handler handler, const core::Clock* clock, Limits limits)
    : handler_(std::move(handler)), clock_(clock), limits_(limits) {}

HttpServer::~HttpServer() { DSTREAM_ASSERT(!thread_.joinable()); }

void HttpServer::add_listener(Descriptor listener, bool local) {
  listeners_.push_back({std::move(listener), local});
}

void HttpServer::start() {
  thread_ = std::thread([this] {
    run();
    ended_.set_value();
  });
}

bool HttpServer::stop(int64_t max_wait_ms) {
  if (!thread_.joinable()) {
    return true;
  }
  stop_.notify();
  if (ended_.get_future().wait_for(std::chrono::milliseconds(max_wait_ms)) !=
      std::future_status::ready) {
    thread_.detach();
    return false;
  }
  thread_.join();
  return true;
}

void HttpServer::run() {
  for (;;) {
    std::vector<pollfd> waits = {{stop_.descriptor(), POLLIN, 0}};
    int64_t now_ns = clock_->monotonic_ns();
    bool is_pausing = now_ns < accept_after_ns_;
    bool has_room = connections_.size() < limits_.connections_max && !is_pausing;
    for (const Listener& listener : listeners_) {
      waits.push_back({has_room ? listener.descriptor.get() : -1, POLLIN, 0});
    }
    int64_t wait_ns = is_pausing ? accept_after_ns_ - now_ns : -1;
    for (const auto& connection : connections_) {
      bool sends = connection->state == Connection::State::kSending;
      waits.push_back(
          {connection->descriptor.get(), static_cast<short>(sends ? POLLOUT : POLLIN), 0});
      int64_t left_ns = std::max<int64_t>(connection->deadline_ns - now_ns, 0);
      wait_ns = wait_ns < 0 ? left_ns : std::min(wait_ns, left_ns);
    }
    int timeout_ms = wait_ns < 0 ? -1 : static_cast<int>(wait_ns / core::kNanosPerMilli + 1);
    if (poll(waits.data(), waits.size(), timeout_ms) < 0 && errno != EINTR) {
      return;
    }
    if (waits[0].revents != 0) {
      return;
    }
    size_t first = 1 + listeners_.size();
    for (size_t i = 0; i < connections_.size(); ++i) {
      serve(*connections_[i], waits[first + i].revents);
    }
    std::erase_if(connections_, [](const auto& connection) {
      return connection->state == Connection::State::kDone;
    });
    for (size_t i = 0; i < listeners_.size(); ++i) {
      if (waits[1 + i].revents != 0) {
        accept_from(listeners_[i]);
      }
    }
  }
}

void HttpServer::accept_from(const Listener& listener) {
  while (connections_.size() < limits_.connections_max) {
    Descriptor accepted(
        accept4(listener.descriptor.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted.get() < 0) {
      bool is_short = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
      accept_after_ns_ = is_short ? clock_->monotonic_ns() + kAcceptPauseNs : 0;
      return;
    }
    auto connection = std::make_unique<Connection>();
    connection->descriptor = std::move(accepted);
    connection->local = listener.local;
    connection->deadline_ns =
        clock_->monotonic_ns() + limits_.request_ms_max * core::kNanosPerMilli;
    connections_.push_back(std::move(connection));
  }
}

void HttpServer::serve(Connection& connection, short events) {
  if (events != 0 && connection.state == Connection::State::kSending) {
    send_rest(connection);
  } else if (events != 0) {
    receive(connection);
  }
  if (clock_->monotonic_ns() >= connection.deadline_ns) {
    connection.state = Connection::State::kDone;
  }
}

void HttpServer::receive(Connection& connection) {
  char buffer[8192];
  for (;;) {
    ssize_t got = recv(connection.descriptor.get(), buffer, sizeof buffer, 0);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return;
    }
    if (got <= 0) {
      connection.state = Connection::State::kDone;
      return;
    }
    // What comes after the request is thrown away, so that the answer is not lost with it.
    if (connection.state == Connection::State::kReceiving) {
      connection.received.append(buffer, static_cast<size_t>(got));
      answer(connection);
      if (connection.state != Connection::State::kReceiving) {
        return;
      }
    }
  }
}

void HttpServer::answer(Connection& connection) {
  ParsedRequest parsed = parse_http_request(connection.received);
  if (parsed.state == ParsedRequest::State::kIncomplete) {
    return;
  }
  HttpResponse response = std::move(parsed.refusal);
  if (parsed.state == ParsedRequest::State::kComplete) {
    parsed.request.local = connection.local;
    try {
      response = handler_(parsed.request);
    } catch (const std::exception&) {
      response = http_error(500, "DS-INTERNAL", "An internal error.");
    }
  }
  connection.answer = http_text(response);
  connection.state = Connection::State::kSending;
  send_rest(connection);
}

void HttpServer::send_rest(Connection& connection) {
  while (connection.sent < connection.answer.size()) {
    ssize_t sent = send(connection.descriptor.get(), connection.answer.data() + connection.sent,
                        connection.answer.size() - connection.sent, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return;
    }
    if (sent < 0) {
      connection.state = Connection::State::kDone;
      return;
    }
    connection.sent += static_cast<size_t>(sent);
  }
  // The client closes when it has read the end.
  shutdown(connection.descriptor.get(), SHUT_WR);
  connection.state = Connection::State::kClosing;
}

core::Result<Descriptor> listen_on(const std::string& address) {
  auto failed = [&](const std::string& why) {
    return core::fail("DS-ADMIN-LISTEN",
                      "The admin interface cannot listen on " + address + ": " + why + ".",
                      "Choose another address or port: admin.listen.");
  };
  try {
    Poco::Net::SocketAddress parsed(address);
    Descriptor listener(
        socket(parsed.af(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
    int on = 1;
    setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listener.get() < 0 || bind(listener.get(), parsed.addr(), parsed.length()) != 0 ||
        listen(listener.get(), 16) != 0) {
      return failed(std::generic_category().message(errno));
    }
    return listener;
  } catch (const Poco::Exception& error) {
    return failed(error.displayText());
  }
}

std::string bound_address(const Descriptor& listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  return getsockname(listener.get(), raw, &size) == 0
             ? Poco::Net::SocketAddress(raw, size).toString()
             : std::string();
}

}  // namespace dstream::host
