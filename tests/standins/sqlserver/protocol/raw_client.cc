#include "tests/standins/sqlserver/protocol/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/packets.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"

namespace dstream::standin {
namespace {

constexpr int kWaitMs = 20'000;

bool is_readable(int fd) {
  pollfd poller{fd, POLLIN, 0};
  return ::poll(&poller, 1, kWaitMs) > 0;
}

std::string hex_number(uint16_t number) {
  std::string bytes;
  put_u16_be(&bytes, number);
  std::string text = to_hex(bytes);
  text.erase(0, std::min(text.find_first_not_of('0'), text.size() - 1));
  return text;
}

std::string done_name(uint8_t token) {
  return token == 0xFD ? "DONE" : token == 0xFE ? "DONEPROC" : "DONEINPROC";
}

}  // namespace

RawClient::~RawClient() { close(); }

void RawClient::close() {
  if (fd_ >= 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

void RawClient::reset() {
  const linger now{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close();
}

bool RawClient::connect(uint16_t port) {
  close();
  buffered_.clear();
  fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int yes = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  return ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

bool RawClient::log_in(const LoginBuilder& login) {
  std::string body;
  const std::string options = from_hex("00 000B 0006 01 0011 0001 FF 090000000000 02");
  if (!send(in_packets(kPrelogin, options)) || !receive(&body) ||
      !send(in_packets(kLogin7, login.body())) || !receive(&body)) {
    return false;
  }
  return body.find('\xAD') != std::string::npos && body[0] == '\xE3';
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void RawClient::finish_sending() { ::shutdown(fd_, SHUT_WR); }

bool RawClient::fill(size_t bytes) {
  while (buffered_.size() < bytes) {
    char piece[16 * 1024];
    if (!is_readable(fd_)) {
      return false;
    }
    const ssize_t got = ::recv(fd_, piece, sizeof(piece), 0);
    if (got <= 0) {
      return false;
    }
    buffered_.append(piece, static_cast<size_t>(got));
  }
  return true;
}

bool RawClient::receive(std::string* body) {
  body->clear();
  for (;;) {
    if (!fill(kPacketHeaderBytes)) {
      return false;
    }
    const size_t length = static_cast<size_t>(static_cast<uint8_t>(buffered_[2])) << 8 |
                          static_cast<uint8_t>(buffered_[3]);
    if (length < kPacketHeaderBytes || !fill(length)) {
      return false;
    }
    body->append(buffered_, kPacketHeaderBytes, length - kPacketHeaderBytes);
    const bool is_last = (static_cast<uint8_t>(buffered_[1]) & kEndOfMessage) != 0;
    buffered_.erase(0, length);
    if (is_last) {
      return true;
    }
  }
}

bool RawClient::receive_some(std::string* bytes) {
  if (!fill(buffered_.size() + 1)) {
    return false;
  }
  *bytes = std::move(buffered_);
  buffered_.clear();
  return true;
}

bool RawClient::skip_message(uint64_t* bytes) {
  std::vector<char> piece(256 * 1024);
  for (;;) {
    size_t at = 0;
    // Whole packets that are here already, then the rest of the one that is not.
    while (buffered_.size() - at >= kPacketHeaderBytes) {
      const size_t length = static_cast<size_t>(static_cast<uint8_t>(buffered_[at + 2])) << 8 |
                            static_cast<uint8_t>(buffered_[at + 3]);
      const bool ends = (static_cast<uint8_t>(buffered_[at + 1]) & kEndOfMessage) != 0;
      if (buffered_.size() - at < length) {
        break;
      }
      at += length;
      if (bytes != nullptr) {
        *bytes += length;
      }
      if (ends) {
        buffered_.erase(0, at);
        return true;
      }
    }
    buffered_.erase(0, at);
    const ssize_t got = ::recv(fd_, piece.data(), piece.size(), 0);
    if (got <= 0) {
      return false;
    }
    buffered_.append(piece.data(), static_cast<size_t>(got));
  }
}

bool RawClient::drain() {
  char piece[16 * 1024];
  for (;;) {
    if (!is_readable(fd_)) {
      return false;
    }
    if (::recv(fd_, piece, sizeof(piece), 0) <= 0) {
      return true;
    }
  }
}

std::string RawClient::batch(std::string_view sql, uint8_t first_status) {
  std::string body = all_headers();
  append_utf16(sql, &body);
  return in_packets(kSqlBatch, body, 4096, first_status);
}

std::string RawClient::attention() { return in_packets(kAttention, {}); }

std::string outline(std::string_view body) {
  ByteReader reader(body);
  std::string text;
  size_t rows = 0;
  while (!reader.at_end() && reader.ok()) {
    const uint8_t token = reader.u8();
    if (token == 0xD1) {
      reader.bytes(reader.u8());
      ++rows;
      continue;
    }
    if (rows > 0) {
      text += "ROW*" + std::to_string(rows) + " ";
      rows = 0;
    }
    if (token == 0x81) {
      reader.bytes(reader.u16() * size_t{8});
      reader.bytes(reader.u8() * size_t{2});
      text += "COLUMNS ";
    } else if (token == 0xFD || token == 0xFE || token == 0xFF) {
      text += done_name(token) + "(" + hex_number(reader.u16()) + ") ";
      reader.bytes(10);
    } else if (token == 0x79) {
      text += "STATUS(" + std::to_string(reader.get<int32_t>()) + ") ";
    } else if (token == 0xAA || token == 0xAB) {
      ByteReader message(reader.bytes(reader.u16()));
      text += (token == 0xAA ? "ERROR(" : "INFO(") + std::to_string(message.u32()) + ") ";
    } else if (token == 0xE3) {
      ByteReader change(reader.bytes(reader.u16()));
      text += "ENV(" + std::to_string(change.u8()) + ") ";
    } else {
      text += "TOKEN(" + to_hex(std::string(1, static_cast<char>(token))) + ") ";
      break;
    }
  }
  if (rows > 0) {
    text += "ROW*" + std::to_string(rows) + " ";
  }
  return text.empty() ? text : text.substr(0, text.size() - 1);
}

}  // namespace dstream::standin
