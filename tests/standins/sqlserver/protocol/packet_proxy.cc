#include "tests/standins/sqlserver/protocol/packet_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace dstream::standin {
namespace {

constexpr size_t kClient = 0, kServer = 1;  // ends of a connection
constexpr size_t kHeaderBytes = 8;          // of a TDS packet
constexpr size_t kTlsHeaderBytes = 5;       // of a TLS record
constexpr size_t kReadBytes = 64 * 1024;

uint8_t byte_at(const std::string& bytes, size_t at) { return static_cast<uint8_t>(bytes[at]); }

// Of the packet that `bytes` begin with; 0 while that is not known.
size_t packet_bytes(const std::string& bytes) {
  const auto length_at = [&bytes](size_t at) {
    return static_cast<size_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
  };
  if (bytes.empty()) {
    return 0;
  }
  const bool is_tls = byte_at(bytes, 0) >= 0x14 && byte_at(bytes, 0) <= 0x17;
  if (is_tls) {
    return bytes.size() < kTlsHeaderBytes ? 0 : kTlsHeaderBytes + length_at(3);
  }
  return bytes.size() < kHeaderBytes ? 0 : std::max(length_at(2), kHeaderBytes);
}

// False if the other end is gone.
bool send_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t count = send(fd, data, size, MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) {
      return false;
    }
    data += std::max<ssize_t>(count, 0);
    size -= static_cast<size_t>(std::max<ssize_t>(count, 0));
  }
  return true;
}

bool send_in_pieces(int fd, const std::string& packet) {
  return std::all_of(packet.begin(), packet.end(),
                     [fd](const char& byte) { return send_all(fd, &byte, 1); });
}

}  // namespace

struct PacketProxy::Connection {
  std::array<int, 2> fds{-1, -1};
  std::array<std::string, 2> received;  // from each end, not a whole packet yet
  bool is_silent = false;
};

PacketProxy::PacketProxy(uint16_t target_port) : target_port_(target_port) {
  thread_ = std::thread(&PacketProxy::run, this);
}

PacketProxy::~PacketProxy() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  door_.wake();
  thread_.join();
}

void PacketProxy::spoil(Spoil spoil) {
  const std::lock_guard lock(mutex_);
  spoil_ = spoil;
  packets_ = 0;
  has_happened_ = false;
  what_.clear();
  reset_if(true);
  door_.wake();
}

uint64_t PacketProxy::packets() const {
  const std::lock_guard lock(mutex_);
  return packets_;
}

bool PacketProxy::has_happened() const {
  const std::lock_guard lock(mutex_);
  return has_happened_;
}

std::string PacketProxy::what() const {
  const std::lock_guard lock(mutex_);
  return what_;
}

void PacketProxy::move_to(uint16_t target_port) {
  const std::lock_guard lock(mutex_);
  target_port_ = target_port;
  reset_if(false);
  door_.wake();
}

void PacketProxy::reset_if(bool silent_only) {
  for (const auto& connection : connections_) {
    if (connection->is_silent || !silent_only) {
      close(*connection, true);
    }
  }
}

void PacketProxy::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    turn(lock);
  }
  reset_if(false);
}

// Without the lock while it waits.
void PacketProxy::turn(std::unique_lock<std::mutex>& lock) {
  std::erase_if(connections_, [](const auto& connection) { return connection->fds[kClient] < 0; });
  std::vector<pollfd> polled = {{door_.listen_fd(), POLLIN, 0}, {door_.wake_fd(), POLLIN, 0}};
  const size_t count = connections_.size();
  for (const auto& connection : connections_) {
    for (const int fd : connection->fds) {
      polled.push_back({connection->is_silent ? -1 : fd, POLLIN, 0});
    }
  }
  lock.unlock();
  poll(polled.data(), polled.size(), -1);
  door_.was_woken();
  lock.lock();
  for (size_t i = 0; i < count; ++i) {
    for (const size_t end : {kClient, kServer}) {
      if (polled[2 + 2 * i + end].revents != 0 && !connections_[i]->is_silent) {
        receive(*connections_[i], end);
      }
    }
  }
  if (polled[0].revents != 0) {
    accept_one();
  }
}

void PacketProxy::accept_one() {
  const auto pair = door_.accept(htonl(INADDR_LOOPBACK), htons(target_port_), 0);
  if (!pair) {
    return;
  }
  auto connection = std::make_unique<Connection>();
  connection->fds = {pair->client, pair->server};
  connections_.push_back(std::move(connection));
}

void PacketProxy::receive(Connection& connection, size_t from) {
  if (connection.fds[from] < 0) {
    return;
  }
  std::string& received = connection.received[from];
  const size_t had = received.size();
  received.resize(had + kReadBytes);
  const ssize_t count = recv(connection.fds[from], received.data() + had, kReadBytes, MSG_DONTWAIT);
  received.resize(had + static_cast<size_t>(std::max<ssize_t>(count, 0)));
  if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
    close(connection, count < 0);
    return;
  }
  for (size_t size = packet_bytes(received); size != 0 && size <= received.size();
       size = packet_bytes(received)) {
    const std::string packet = received.substr(0, size);
    received.erase(0, size);
    switch (pass(connection, from, packet)) {
      case Fate::kPassed:
        break;
      case Fate::kSilenced:
        connection.is_silent = true;
        return;
      case Fate::kReset:
      case Fate::kEnded:
        close(connection, spoil_.how == How::kReset);
        return;
    }
  }
}

PacketProxy::Fate PacketProxy::pass(Connection& connection, size_t from,
                                    const std::string& packet) {
  const int to = connection.fds[1 - from];
  const auto send_part = [&](size_t size) { send_all(to, packet.data(), size); };
  if (++packets_ != spoil_.packet) {
    send_part(packet.size());
    return Fate::kPassed;
  }
  has_happened_ = true;
  constexpr char kDigits[] = "0123456789abcdef";
  what_ = std::string(from == kClient ? "to server 0x" : "to client 0x") +
          kDigits[byte_at(packet, 0) >> 4] + kDigits[byte_at(packet, 0) & 15] + ", " +
          std::to_string(packet.size()) + " bytes";
  if (spoil_.how == How::kPieces) {
    send_in_pieces(to, packet);
    return Fate::kPassed;
  }
  send_part(spoil_.where == Where::kBefore   ? 0
            : spoil_.where == Where::kMiddle ? packet.size() / 2
                                             : packet.size());
  return spoil_.how == How::kSilence ? Fate::kSilenced
         : spoil_.how == How::kReset ? Fate::kReset
                                     : Fate::kEnded;
}

void PacketProxy::close(Connection& connection, bool reset) {
  for (int& fd : connection.fds) {
    close_end(&fd, reset);
  }
}

}  // namespace dstream::standin
