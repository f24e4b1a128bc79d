// PRELOGIN and LOGIN7: what a client says before its first statement, and the answers.
//
// Thread rule: plain values and functions, no shared state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"
#include "tests/standins/sqlserver/protocol/tokens.h"

namespace dstream::standin {

// The ENCRYPTION option of PRELOGIN, in both directions.
enum class EncryptionOption : uint8_t { kOff = 0, kOn = 1, kNotSupported = 2, kRequired = 3 };

struct PreloginRequest {
  EncryptionOption encryption = EncryptionOption::kNotSupported;
  bool has_encryption = false;
  bool asks_federated = false;  // option 6 was sent; it wants an answer
  bool wants_mars = false;
};

// False if the options lie outside the message or do not end.
bool read_prelogin(std::string_view body, PreloginRequest* request);

// The answer's body. MARS is always refused.
std::string prelogin_answer(const PreloginRequest& request, EncryptionOption encryption,
                            const ServerVersion& version);

enum class Feature : uint8_t {
  kSessionRecovery = 0x01,
  kUtf8Support = 0x0A,
};

struct Login7 {
  LoginRequest request;
  uint32_t tds_version = 0;
  uint32_t packet_size = 0;  // as asked for; 0 leaves it to the server
  bool integrated = false;   // SSPI instead of user and password
  std::string language;
  std::vector<uint8_t> features;  // ids, in the client's order
  bool wants_features = false;

  bool asks(Feature feature) const;
};

// False if the message is not a LOGIN7 of TDS 7.1-7.4 or 8.0. Text fields that lie outside the
// message make it false, too.
bool read_login7(std::string_view body, Login7* login);

// What the server answers with, worked out from the login and its own limits.
struct LoginAnswer {
  uint32_t tds_version = kTds74;
  uint32_t packet_size = 4096;
  std::string database;
  std::string server_name;
  ServerVersion version;
};
std::string login_accepted(const Login7& login, const LoginAnswer& answer);
// ERROR tokens and a DONE. 4060 (no such database) is followed by the 18456 that servers add.
std::string login_refused(const Login7& login, const ServerMessage& refusal,
                          std::string_view server_name);

// The packet size to use for what a client asked for.
uint32_t negotiated_packet_size(uint32_t asked);

}  // namespace dstream::standin
