// The bytes of one client: a socket, and TLS over it from the moment the protocol says so.
//
// Thread rule: one thread reads, writes and waits; shutdown() may be called from any thread and
// makes every other call return at once. [any-thread] where marked.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/protocol/tls.h"

namespace dstream::standin {

// Looks at every byte on its way out; how faults reach the socket.
class OutgoingFilter {
 public:
  virtual ~OutgoingFilter() = default;
  // How many of the `size` bytes may go now, after `sent_bytes` went before. Fewer than `size`
  // means: send these, then ask again; 0 means the connection is to be cut. May wait.
  virtual size_t allow(uint64_t sent_bytes, size_t size) = 0;
};

class Transport {
 public:
  // Owns the connected socket `fd` from here on.
  explicit Transport(int fd);
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Reads at least one byte, at most `capacity`. 0 if the peer has gone or the connection was shut
  // down; nothing if no byte came for `timeout_ms` (-1 waits for ever).
  std::optional<size_t> read(char* data, size_t capacity, int timeout_ms);
  // True if something can be read, be it the end; waits up to `timeout_ms` for that.
  bool wait_readable(int timeout_ms);
  // True once the peer has closed its side; waits up to `timeout_ms` for that. [any-thread]
  bool wait_hangup(int timeout_ms);
  // Sends everything. False once the peer has gone or the connection was shut down.
  bool write(std::string_view bytes);
  // The next byte without taking it, as it is on the socket. REQUIRES: nothing was read yet.
  std::optional<uint8_t> peek(int timeout_ms);

  // From here on both directions are encrypted; `received` are bytes read ahead of it. False if
  // they are not TLS.
  bool start_tls(std::unique_ptr<TlsSession> tls, std::string_view received);
  // From here on both directions are plain again.
  void stop_tls() { tls_.reset(); }
  bool is_encrypted() const { return tls_ != nullptr; }

  // Ends both directions; other calls return at once. [any-thread]
  void shutdown();

  // Bytes are counted and filtered as they go over the network.
  void set_filter(OutgoingFilter* filter) { filter_ = filter; }
  uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  std::optional<size_t> read_socket(char* data, size_t capacity, int timeout_ms);
  bool write_socket(std::string_view bytes);
  size_t take_plain(char* data, size_t capacity);

  const int fd_;
  std::unique_ptr<TlsSession> tls_;
  std::string plain_;  // decrypted and not yet read
  size_t plain_at_ = 0;
  std::string encrypted_;
  OutgoingFilter* filter_ = nullptr;
  uint64_t sent_bytes_ = 0;
  std::atomic<bool> is_shut_down_{false};
};

}  // namespace dstream::standin
