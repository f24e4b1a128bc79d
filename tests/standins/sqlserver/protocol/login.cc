#include "tests/standins/sqlserver/protocol/login.h"

#include <algorithm>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/packets.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"
#include "tests/standins/sqlserver/protocol/wire_type.h"

namespace dstream::standin {
namespace {

constexpr uint8_t kOptionVersion = 0;
constexpr uint8_t kOptionEncryption = 1;
constexpr uint8_t kOptionMars = 4;
constexpr uint8_t kOptionFederated = 6;
constexpr uint8_t kOptionsEnd = 0xFF;

constexpr uint8_t kFlag2IntegratedSecurity = 0x80;
constexpr uint8_t kTypeFlagReadOnlyIntent = 0x20;
constexpr uint8_t kFlag3Extension = 0x10;

// One offset and length pair of LOGIN7.
struct Field {
  uint16_t offset = 0;
  uint16_t length = 0;
};

Field read_field(ByteReader* reader) {
  Field field;
  field.offset = reader->u16();
  field.length = reader->u16();
  return field;
}

// The bytes of a field; `unit_bytes` is 2 for text. An empty field may point anywhere.
bool field_bytes(std::string_view body, Field field, size_t unit_bytes, std::string_view* bytes) {
  *bytes = {};
  if (field.length == 0) {
    return true;
  }
  const size_t size = field.length * unit_bytes;
  if (field.offset > body.size() || size > body.size() - field.offset) {
    return false;
  }
  *bytes = body.substr(field.offset, size);
  return true;
}

bool field_text(std::string_view body, Field field, std::string* text) {
  std::string_view bytes;
  if (!field_bytes(body, field, 2, &bytes)) {
    return false;
  }
  *text = utf8_of_utf16(bytes);
  return true;
}

// Each byte was XORed with A5 after its halves were swapped.
bool field_password(std::string_view body, Field field, std::string* password) {
  std::string_view bytes;
  if (!field_bytes(body, field, 2, &bytes)) {
    return false;
  }
  std::string plain;
  for (const char byte : bytes) {
    const auto mixed = static_cast<uint8_t>(static_cast<uint8_t>(byte) ^ 0xA5u);
    plain.push_back(static_cast<char>(static_cast<uint8_t>(mixed << 4 | mixed >> 4)));
  }
  *password = utf8_of_utf16(plain);
  return true;
}

// The extension field holds the offset of the feature list.
bool read_features(std::string_view body, Field extension, Login7* login) {
  std::string_view pointer;
  if (!field_bytes(body, extension, 1, &pointer)) {
    return false;
  }
  ByteReader pointer_reader(pointer);
  const uint32_t offset = pointer_reader.u32();
  if (!pointer_reader.ok() || offset > body.size()) {
    return false;
  }
  ByteReader reader(body.substr(offset));
  for (;;) {
    const uint8_t id = reader.u8();
    if (!reader.ok()) {
      return false;
    }
    if (id == 0xFF) {
      return true;
    }
    login->features.push_back(id);
    reader.bytes(reader.u32());
  }
}

bool is_known_version(uint32_t version) {
  const uint32_t major = version >> 24;
  return (major >= 0x71 && major <= 0x7F) || version == kTds80;
}

void append_info(int32_t number, uint8_t state, std::string text, const LoginAnswer& answer,
                 const Dialect& dialect, std::string* out) {
  ServerMessage message;
  message.number = number;
  message.state = state;
  message.severity = 0;
  message.text = std::move(text);
  append_message(message, answer.server_name, dialect, out);
}

}  // namespace

bool read_prelogin(std::string_view body, PreloginRequest* request) {
  ByteReader options(body);
  for (;;) {
    const uint8_t option = options.u8();
    if (!options.ok()) {
      return false;
    }
    if (option == kOptionsEnd) {
      return true;
    }
    const uint16_t offset = options.u16_be();
    const uint16_t length = options.u16_be();
    if (!options.ok() || offset > body.size() || length > body.size() - offset) {
      return false;
    }
    const uint8_t first = length > 0 ? static_cast<uint8_t>(body[offset]) : uint8_t{0};
    if (option == kOptionEncryption && length > 0) {
      // The top bit asks for client certificates; the lower ones are as ever.
      request->has_encryption = true;
      request->encryption = static_cast<EncryptionOption>(first & 0x03);
    } else if (option == kOptionMars) {
      request->wants_mars = first != 0;
    } else if (option == kOptionFederated) {
      request->asks_federated = true;
    }
  }
}

std::string prelogin_answer(const PreloginRequest& request, EncryptionOption encryption,
                            const ServerVersion& version) {
  struct Option {
    uint8_t id;
    std::string data;
  };
  std::string version_data;
  put_u8(&version_data, version.major);
  put_u8(&version_data, version.minor);
  put_u16_be(&version_data, version.build);
  put_u16(&version_data, 0);
  std::vector<Option> options = {{kOptionVersion, version_data},
                                 {kOptionEncryption, std::string(1, static_cast<char>(encryption))},
                                 {2, std::string(1, '\0')},
                                 {3, {}},
                                 {kOptionMars, std::string(1, '\0')}};
  if (request.asks_federated) {
    options.push_back({kOptionFederated, std::string(1, '\0')});
  }
  std::string head;
  std::string data;
  const size_t head_bytes = options.size() * 5 + 1;
  for (const Option& option : options) {
    put_u8(&head, option.id);
    put_u16_be(&head, static_cast<uint16_t>(head_bytes + data.size()));
    put_u16_be(&head, static_cast<uint16_t>(option.data.size()));
    data += option.data;
  }
  put_u8(&head, kOptionsEnd);
  return head + data;
}

bool Login7::asks(Feature feature) const {
  return std::find(features.begin(), features.end(), static_cast<uint8_t>(feature)) !=
         features.end();
}

bool read_login7(std::string_view body, Login7* login) {
  ByteReader reader(body);
  const uint32_t total = reader.u32();
  login->tds_version = reader.u32();
  login->packet_size = reader.u32();
  reader.bytes(12);  // client program version, process id, connection id
  reader.u8();
  const uint8_t flags2 = reader.u8();
  const uint8_t type_flags = reader.u8();
  const uint8_t flags3 = reader.u8();
  reader.bytes(8);  // time zone, locale
  const Field host = read_field(&reader);
  const Field user = read_field(&reader);
  const Field password = read_field(&reader);
  const Field application = read_field(&reader);
  read_field(&reader);  // the server's name
  const Field extension = read_field(&reader);
  const Field library = read_field(&reader);
  const Field language = read_field(&reader);
  const Field database = read_field(&reader);
  if (!reader.ok() || total > body.size() || !is_known_version(login->tds_version)) {
    return false;
  }
  login->integrated = (flags2 & kFlag2IntegratedSecurity) != 0;
  LoginRequest* request = &login->request;
  request->read_only_intent = (type_flags & kTypeFlagReadOnlyIntent) != 0;
  login->wants_features = (flags3 & kFlag3Extension) != 0 && extension.length > 0;
  if (login->wants_features && !read_features(body, extension, login)) {
    return false;
  }
  return field_text(body, host, &request->host) && field_text(body, user, &request->user) &&
         field_password(body, password, &request->password) &&
         field_text(body, application, &request->application) &&
         field_text(body, library, &request->client_library) &&
         field_text(body, language, &login->language) &&
         field_text(body, database, &request->database);
}

uint32_t negotiated_packet_size(uint32_t asked) {
  return asked == 0 ? kPacketSizeDefault : std::clamp(asked, kPacketSizeMin, kPacketSizeMax);
}

std::string login_accepted(const Login7& login, const LoginAnswer& answer) {
  const Dialect dialect = dialect_of(answer.tds_version);
  std::string out;
  append_environment_text(EnvironmentChange::kDatabase, answer.database, "master", &out);
  append_info(5701, 2, "Changed database context to '" + answer.database + "'.", answer, dialect,
              &out);
  append_environment_bytes(EnvironmentChange::kCollation, kDefaultCollation, {}, &out);
  append_environment_text(EnvironmentChange::kLanguage, "us_english", {}, &out);
  append_info(5703, 1, "Changed language setting to us_english.", answer, dialect, &out);
  append_login_acknowledged(answer.tds_version, answer.version, &out);
  append_environment_text(EnvironmentChange::kPacketSize, std::to_string(answer.packet_size),
                          std::to_string(negotiated_packet_size(login.packet_size)), &out);
  if (login.wants_features) {
    put_u8(&out, 0xAE);
    if (login.asks(Feature::kUtf8Support)) {
      put_u8(&out, static_cast<uint8_t>(Feature::kUtf8Support));
      put_u32(&out, 1);
      put_u8(&out, 1);
    }
    put_u8(&out, 0xFF);
  }
  append_done(DoneToken::kDone, 0, 0, 0, dialect, &out);
  return out;
}

std::string login_refused(const Login7& login, const ServerMessage& refusal,
                          std::string_view server_name) {
  constexpr int32_t kNoSuchDatabase = 4060;
  const Dialect dialect = dialect_of(login.tds_version);
  std::string out;
  append_message(refusal, server_name, dialect, &out);
  if (refusal.number == kNoSuchDatabase) {
    ServerMessage failed;
    failed.number = 18456;
    failed.severity = 14;
    failed.text = "Login failed for user '" + login.request.user + "'.";
    append_message(failed, server_name, dialect, &out);
  }
  append_done(DoneToken::kDone, kDoneError, 0, 0, dialect, &out);
  return out;
}

}  // namespace dstream::standin
