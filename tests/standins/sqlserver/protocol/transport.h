// The bytes of one client: a socket, and TLS over it from the moment the protocol says so.
//
// Thread rule: one thread reads, writes and waits; shutdown() may be called from any thread and
// makes every other call return at once. [any-thread] where marked.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

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

  // Reads at least one byte, at most `capacity`. 0 if the peer has gone, the connection was shut
  // down, or nothing came for `timeout_ms` (-1 waits for ever).
  size_t read(char* data, size_t capacity, int timeout_ms);
  // True if read() would not wait; waits up to `timeout_ms` for that. Also true once the peer has
  // gone, so that the read finds out.
  bool wait_readable(int timeout_ms);
  // True once the peer has closed its side; waits up to `timeout_ms` for that.
  bool wait_hangup(int timeout_ms);
  // Sends everything. False once the peer has gone or the connection was shut down.
  bool write(std::string_view bytes);

  // Ends both directions; other calls return at once. [any-thread]
  void shutdown();

  void set_filter(OutgoingFilter* filter) { filter_ = filter; }
  uint64_t sent_bytes() const { return sent_bytes_; }
  int fd() const { return fd_; }

 private:
  bool send_some(std::string_view* bytes);

  const int fd_;
  OutgoingFilter* filter_ = nullptr;
  uint64_t sent_bytes_ = 0;
  std::atomic<bool> is_shut_down_{false};
};

}  // namespace dstream::standin
