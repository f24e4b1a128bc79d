#include "tests/standins/sqlserver/protocol/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "tests/standins/sqlserver/protocol/connection.h"

namespace dstream::standin {
namespace {

constexpr int kBacklog = 512;
constexpr int kSocketBufferBytes = 1 << 20;
constexpr uint16_t kFirstSessionId = 51;  // lower ones are a server's own

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

bool parse_address(const std::string& text, uint16_t port, Address* address) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address->storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address->size = sizeof(sockaddr_in);
    return true;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address->storage);
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address->size = sizeof(sockaddr_in6);
    return true;
  }
  return false;
}

uint16_t port_of(const sockaddr_storage& storage) {
  return storage.ss_family == AF_INET6
             ? ntohs(reinterpret_cast<const sockaddr_in6&>(storage).sin6_port)
             : ntohs(reinterpret_cast<const sockaddr_in&>(storage).sin_port);
}

std::string text_of(const sockaddr_storage& storage) {
  char text[INET6_ADDRSTRLEN] = {};
  const void* address =
      storage.ss_family == AF_INET6
          ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr)
          : static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(storage).sin_addr);
  inet_ntop(storage.ss_family, address, text, sizeof(text));
  return std::string(text) + ":" + std::to_string(port_of(storage));
}

void set_option(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof(value));
}

}  // namespace

class Server::State {
 public:
  State(Handler* handler, ServerOptions options)
      : handler_(handler), options_(std::move(options)), statistics_(options_.requests_kept) {}
  ~State() { stop(); }

  bool start(std::string* error);
  void stop();
  void drop_connections();

  uint16_t port_ = 0;
  Faults faults_;
  std::unique_ptr<TlsContext> tls_;

  Statistics& statistics() { return statistics_; }

 private:
  struct Client {
    std::unique_ptr<Connection> connection;
    std::thread thread;
    bool has_ended = false;
  };

  void accept_loop();
  void admit(int fd, const sockaddr_storage& peer);
  void serve(Client* client);
  void join_ended();
  uint64_t connected_clients() const;
  uint16_t next_session_id();

  Handler* handler_;
  const ServerOptions options_;
  Statistics statistics_;
  int listener_ = -1;
  int wake_ = -1;  // an eventfd that ends the accept loop
  std::thread acceptor_;

  std::mutex mutex_;  // guards all below it
  std::list<Client> clients_;
  uint16_t last_session_id_ = kFirstSessionId - 1;
};

bool Server::State::start(std::string* error) {
  const auto fail = [&](const std::string& what, int code) {
    *error = what + " " + options_.address + ":" + std::to_string(options_.port) + ": " +
             std::generic_category().message(code) + ".";
    stop();
    return false;
  };
  if (options_.encryption != EncryptionPolicy::kUnsupported) {
    tls_ = TlsContext::make(options_.certificate_file, options_.key_file, error);
    if (tls_ == nullptr) {
      return false;
    }
  }
  Address address;
  if (!parse_address(options_.address, options_.port, &address)) {
    *error = "The address " + options_.address + " is not a numeric IPv4 or IPv6 address.";
    return false;
  }
  listener_ = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener_ < 0) {
    return fail("Cannot make a socket for", errno);
  }
  set_option(listener_, SOL_SOCKET, SO_REUSEADDR, 1);
  set_option(listener_, SOL_SOCKET, SO_SNDBUF, kSocketBufferBytes);
  auto* name = reinterpret_cast<sockaddr*>(&address.storage);
  if (::bind(listener_, name, address.size) != 0 || ::listen(listener_, kBacklog) != 0) {
    return fail("Cannot listen on", errno);
  }
  socklen_t size = sizeof(address.storage);
  ::getsockname(listener_, name, &size);
  port_ = port_of(address.storage);
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  if (wake_ < 0) {
    return fail("Cannot watch", errno);
  }
  acceptor_ = std::thread([this] { accept_loop(); });
  return true;
}

void Server::State::accept_loop() {
  for (;;) {
    pollfd pollers[2] = {{listener_, POLLIN, 0}, {wake_, POLLIN, 0}};
    if (::poll(pollers, 2, -1) < 0 && errno != EINTR) {
      return;
    }
    if (pollers[1].revents != 0) {
      return;
    }
    if ((pollers[0].revents & POLLIN) == 0) {
      continue;
    }
    sockaddr_storage peer{};
    socklen_t size = sizeof(peer);
    const int fd = ::accept4(listener_, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_CLOEXEC);
    if (fd >= 0) {
      admit(fd, peer);
    }
  }
}

void Server::State::admit(int fd, const sockaddr_storage& peer) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const std::lock_guard lock(mutex_);
  join_ended();
  if (clients_.size() >= options_.connections_max) {
    statistics_.update([](ServerCounters& counters) { ++counters.connections_refused; });
    ::close(fd);
    return;
  }
  clients_.emplace_back();
  Client* client = &clients_.back();
  client->connection = std::make_unique<Connection>(fd, next_session_id(), text_of(peer), options_,
                                                    tls_.get(), handler_, &statistics_, &faults_);
  const uint64_t connected = connected_clients();
  statistics_.update([connected](ServerCounters& counters) {
    ++counters.connections_opened;
    ++counters.connections_open;
    counters.connections_peak = std::max(counters.connections_peak, connected);
  });
  client->thread = std::thread([this, client] { serve(client); });
}

void Server::State::serve(Client* client) {
  client->connection->run();
  // The socket is closed here, not when somebody gets round to joining the thread.
  std::unique_ptr<Connection> ended;
  {
    const std::lock_guard lock(mutex_);
    ended = std::move(client->connection);
    client->has_ended = true;
  }
  ended.reset();
  statistics_.update([](ServerCounters& counters) { --counters.connections_open; });
}

// REQUIRES: mutex_ is held. A thread that has ended takes it no more.
void Server::State::join_ended() {
  for (auto client = clients_.begin(); client != clients_.end();) {
    if (client->has_ended) {
      client->thread.join();
      client = clients_.erase(client);
    } else {
      ++client;
    }
  }
}

// REQUIRES: mutex_ is held. Asked when a client has connected: who counts here was connected then.
uint64_t Server::State::connected_clients() const {
  return static_cast<uint64_t>(
      std::count_if(clients_.begin(), clients_.end(), [](const Client& client) {
        return client.connection != nullptr && client.connection->is_connected();
      }));
}

// Session ids start again when the numbers run out; one in use is not checked for, as no client
// lives through 60,000 others.
uint16_t Server::State::next_session_id() {
  last_session_id_ =
      last_session_id_ >= 65'000 ? kFirstSessionId : static_cast<uint16_t>(last_session_id_ + 1);
  return last_session_id_;
}

void Server::State::drop_connections() {
  const std::lock_guard lock(mutex_);
  for (Client& client : clients_) {
    if (client.connection != nullptr) {
      client.connection->shutdown();
    }
  }
}

void Server::State::stop() {
  if (acceptor_.joinable()) {
    const uint64_t one = 1;
    while (::write(wake_, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
    acceptor_.join();
  }
  drop_connections();
  // The acceptor is gone, so the list only shrinks here.
  for (Client& client : clients_) {
    client.thread.join();
  }
  clients_.clear();
  for (int* fd : {&listener_, &wake_}) {
    if (*fd >= 0) {
      ::close(*fd);
      *fd = -1;
    }
  }
}

Server::Server(Handler* handler, ServerOptions options)
    : state_(std::make_unique<State>(handler, std::move(options))) {}
Server::~Server() = default;

bool Server::start(std::string* error) { return state_->start(error); }
void Server::stop() { state_->stop(); }
uint16_t Server::port() const { return state_->port_; }
std::string Server::certificate_pem() const {
  return state_->tls_ == nullptr ? std::string() : state_->tls_->certificate_pem();
}
Faults& Server::faults() { return state_->faults_; }
Statistics& Server::statistics() { return state_->statistics(); }
void Server::drop_connections() { state_->drop_connections(); }

}  // namespace dstream::standin
