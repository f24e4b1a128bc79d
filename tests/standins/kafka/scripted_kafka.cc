#include "tests/standins/kafka/scripted_kafka.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <system_error>

#include "tests/standins/kafka/kafka_wire.h"

namespace dstream::standin {
namespace {

constexpr size_t kReadBytes = 256 * 1024;
constexpr int64_t kMs = 1'000'000;  // nanoseconds
constexpr int64_t kForever = INT64_MAX;

int64_t steady_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct ScriptedKafka::Connection {
  struct Late {
    std::string bytes;
    int64_t due_ns;
  };

  explicit Connection(int taken) : fd(taken) {}
  ~Connection() { ::close(fd); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd;
  bool ended = false;
  bool blocked = false;  // the peer takes nothing for now
  std::string received;
  uint64_t refused_bytes = 0;  // still to come of a request that is too large
  std::deque<Late> answers;
};

ScriptedKafka::ScriptedKafka(Options options) : options_(options) {
  listen_fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (listen_fd_ < 0 || wake_fd_ < 0 || bind(listen_fd_, raw, size) != 0 ||
      listen(listen_fd_, SOMAXCONN) != 0 || getsockname(listen_fd_, raw, &size) != 0) {
    const int error = errno;
    ::close(listen_fd_);
    ::close(wake_fd_);
    throw std::system_error(error, std::generic_category(), "a port for a scripted broker");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { run(); });
}

ScriptedKafka::~ScriptedKafka() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake();
  thread_.join();
  ::close(listen_fd_);
  ::close(wake_fd_);
}

std::string ScriptedKafka::brokers() const { return "127.0.0.1:" + std::to_string(port_); }

void ScriptedKafka::create_topic(const std::string& name, int partitions) {
  const std::lock_guard lock(mutex_);
  topics_[name].resize(static_cast<size_t>(partitions));
}

void ScriptedKafka::script(KafkaRequest request, std::vector<Answer> answers) {
  const std::lock_guard lock(mutex_);
  std::deque<Answer>& script = scripts_[static_cast<int16_t>(request)];
  script.insert(script.end(), answers.begin(), answers.end());
}

void ScriptedKafka::always(KafkaRequest request, Answer answer) {
  const std::lock_guard lock(mutex_);
  always_[static_cast<int16_t>(request)] = answer;
}

void ScriptedKafka::forget_producers() {
  const std::lock_guard lock(mutex_);
  forgotten_before_ = next_producer_id_;
}

ScriptedKafka::Counts ScriptedKafka::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::vector<KafkaRecord> ScriptedKafka::records(const std::string& topic) const {
  const std::lock_guard lock(mutex_);
  std::vector<KafkaRecord> out;
  const auto found = topics_.find(topic);
  if (found != topics_.end()) {
    for (const Partition& partition : found->second) {
      out.insert(out.end(), partition.records.begin(), partition.records.end());
    }
  }
  return out;
}

void ScriptedKafka::wake() { eventfd_write(wake_fd_, 1); }

int64_t ScriptedKafka::wait_ns(int64_t now_ns) const {
  int64_t due_ns = kForever;
  for (const auto& connection : connections_) {
    if (!connection->answers.empty() && !connection->blocked) {
      due_ns = std::min(due_ns, connection->answers.front().due_ns);
    }
  }
  return due_ns == kForever ? kForever : std::max<int64_t>(0, due_ns - now_ns);
}

void ScriptedKafka::run() {
  std::unique_lock lock(mutex_);
  std::vector<pollfd> polled;
  while (!stopping_) {
    polled = {{listen_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
    for (const auto& connection : connections_) {
      polled.push_back(
          {connection->fd, static_cast<short>(connection->blocked ? POLLIN | POLLOUT : POLLIN), 0});
    }
    const int64_t wait = wait_ns(steady_now_ns());
    const timespec timeout{wait / (1000 * kMs), wait % (1000 * kMs)};
    lock.unlock();
    ppoll(polled.data(), polled.size(), wait == kForever ? nullptr : &timeout, nullptr);
    lock.lock();
    for (size_t i = 0; i < connections_.size(); ++i) {
      Connection& connection = *connections_[i];
      const short events = polled[i + 2].revents;
      connection.blocked = connection.blocked && (events & (POLLOUT | POLLERR | POLLHUP)) == 0;
      if ((events & (POLLIN | POLLERR | POLLHUP)) != 0) {
        receive(connection);
      }
      send_due(connection, steady_now_ns());
    }
    std::erase_if(connections_, [](const auto& connection) { return connection->ended; });
    if (polled[0].revents != 0) {
      accept_one();
    }
  }
  connections_.clear();
}

void ScriptedKafka::accept_one() {
  const int fd = accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) {
    return;  // it left before we came
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ++counts_.connections;
  connections_.push_back(std::make_unique<Connection>(fd));
}

void ScriptedKafka::receive(Connection& connection) {
  static thread_local char bytes[kReadBytes];
  const ssize_t count = recv(connection.fd, bytes, sizeof bytes, 0);
  if (count <= 0) {
    connection.ended = count == 0 || (errno != EAGAIN && errno != EINTR);
    return;
  }
  connection.received.append(bytes, static_cast<size_t>(count));
  try {
    connection.ended = !(connection.refused_bytes > 0 ? refuse(connection)
                                                      : handle_whole_requests(connection));
  } catch (const std::runtime_error&) {
    ++counts_.broken;
    connection.ended = true;
  }
}

bool ScriptedKafka::handle_whole_requests(Connection& connection) {
  std::string_view left = connection.received;
  while (left.size() >= sizeof(int32_t)) {
    const auto size = WireReader(left).number<int32_t>();
    if (size < 0) {
      throw std::runtime_error("a request of a negative size");
    }
    if (static_cast<uint64_t>(size) > options_.request_bytes_max) {
      connection.refused_bytes = sizeof size + static_cast<uint64_t>(size);
      connection.received.erase(0, connection.received.size() - left.size());
      return refuse(connection);
    }
    if (left.size() - sizeof(int32_t) < static_cast<size_t>(size)) {
      break;
    }
    WireReader request(left.substr(sizeof(int32_t), static_cast<size_t>(size)));
    left.remove_prefix(sizeof(int32_t) + static_cast<size_t>(size));
    const auto kind = request.number<int16_t>();
    const auto version = request.number<int16_t>();
    WireWriter out;
    out.number(request.number<int32_t>());  // the client's number of the request
    request.nullable_text();                // the client's name
    int hold_ms = 0;
    if (!answer(kind, version, request, out, &hold_ms)) {
      return false;
    }
    const int64_t due_ns = steady_now_ns() + hold_ms * kMs;
    const int64_t before_ns = connection.answers.empty() ? 0 : connection.answers.back().due_ns;
    connection.answers.push_back(
        {WireWriter().bytes(out.str()).str(), std::max(due_ns, before_ns)});
  }
  connection.received.erase(0, connection.received.size() - left.size());
  return true;
}

// The request is taken whole before the connection is closed: a client does not count an attempt
// of which it could not send all, so how often it tries again would be up to the network's buffers.
bool ScriptedKafka::refuse(Connection& connection) {
  const uint64_t taken = std::min<uint64_t>(connection.refused_bytes, connection.received.size());
  connection.refused_bytes -= taken;
  connection.received.clear();
  if (connection.refused_bytes > 0) {
    return true;
  }
  ++counts_.too_large;
  return false;
}

void ScriptedKafka::send_due(Connection& connection, int64_t now_ns) {
  while (!connection.ended && !connection.blocked && !connection.answers.empty() &&
         connection.answers.front().due_ns <= now_ns) {
    std::string& bytes = connection.answers.front().bytes;
    const ssize_t count = send(connection.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count == static_cast<ssize_t>(bytes.size())) {
      connection.answers.pop_front();
    } else if (count >= 0) {
      bytes.erase(0, static_cast<size_t>(count));
    } else if (errno == EAGAIN) {
      connection.blocked = true;
    } else if (errno != EINTR) {
      connection.ended = true;
    }
  }
}

}  // namespace dstream::standin
