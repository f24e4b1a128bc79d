// A client that speaks packets, for tests of what no driver does on purpose.
//
// Thread rule: one thread a client.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/login_builder.h"

namespace dstream::standin {

class RawClient {
 public:
  RawClient() = default;
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool connect(uint16_t port);
  // Prelogin without encryption, LOGIN7, and the whole answer; false if it was refused.
  bool log_in(const LoginBuilder& login = {});
  bool send(std::string_view bytes);
  // Says that nothing more will be sent.
  void finish_sending();
  // The body of the next message, or nothing if the server closed first; waits 20 s at most.
  bool receive(std::string* body);
  // Whatever comes next, as it is on the socket; false at the end.
  bool receive_some(std::string* bytes);
  // Takes the next message off the socket without keeping it, as fast as it comes. Adds its bytes,
  // packet headers included, to *bytes.
  bool skip_message(uint64_t* bytes = nullptr);
  // All bytes until the server closes; false if it did not within 20 s.
  bool drain();
  void close();
  void reset();  // closes as a crash would, with RST

  // A batch in one message, TDS 7.4.
  static std::string batch(std::string_view sql, uint8_t first_status = 0);
  static std::string attention();

 private:
  bool fill(size_t bytes);

  int fd_ = -1;
  std::string buffered_;
};

// The tokens of a response in short: "COLUMNS ROW*3 DONE(10) ..." with DONE statuses in
// hexadecimal. Columns and rows must be of one bigint column; other tokens are named and skipped.
std::string outline(std::string_view body);

}  // namespace dstream::standin
