#include "tests/standins/sqlserver/protocol/login_builder.h"

#include <algorithm>

#include "tests/standins/sqlserver/protocol/bytes.h"
#include "tests/standins/sqlserver/protocol/packets.h"
#include "tests/standins/sqlserver/protocol/text_codec.h"

namespace dstream::standin {
namespace {

constexpr size_t kFixedBytes = 94;

std::string hidden(std::string_view password) {
  std::string bytes;
  append_utf16(password, &bytes);
  for (char& byte : bytes) {
    const auto plain = static_cast<uint8_t>(byte);
    byte = static_cast<char>(static_cast<uint8_t>(plain << 4 | plain >> 4) ^ 0xA5u);
  }
  return bytes;
}

}  // namespace

std::string LoginBuilder::body() const {
  std::string fixed;
  std::string data;
  const auto field = [&](const std::string& bytes, size_t units) {
    put_u16(&fixed, static_cast<uint16_t>(kFixedBytes + data.size()));
    put_u16(&fixed, static_cast<uint16_t>(units));
    data += bytes;
  };
  const auto text = [&](std::string_view utf8) {
    std::string bytes;
    append_utf16(utf8, &bytes);
    field(bytes, bytes.size() / 2);
  };
  put_u32(&fixed, 0);  // the total, below
  put_u32(&fixed, tds_version);
  put_u32(&fixed, packet_size);
  fixed.append(12, '\0');
  put_u8(&fixed, 0xE0);
  put_u8(&fixed, 0x03);
  put_u8(&fixed, read_only_intent ? 0x20 : 0x00);
  put_u8(&fixed, features.empty() ? 0x08 : 0x18);
  fixed.append(8, '\0');
  text("testhost");
  text(user);
  const std::string secret = hidden(password);
  field(secret, secret.size() / 2);
  text(application);
  text("localhost");
  const size_t extension_at = data.size();
  field(features.empty() ? "" : std::string(4, '\0'), features.empty() ? 0 : 4);
  text("tests");
  text("us_english");
  text(database);
  fixed.append(6, '\0');  // the client's MAC
  field({}, 0);           // SSPI
  field({}, 0);           // attached file
  field({}, 0);           // new password
  put_u32(&fixed, 0);
  if (!features.empty()) {
    patch(&data, extension_at, static_cast<uint32_t>(kFixedBytes + data.size()));
    data += features;
  }
  patch(&fixed, 0, static_cast<uint32_t>(fixed.size() + data.size()));
  return fixed + data;
}

std::string in_packets(uint8_t type, std::string_view body, size_t packet_size,
                       uint8_t first_status) {
  std::string packets;
  uint8_t number = 0;
  do {
    const size_t piece = std::min(body.size(), packet_size - kPacketHeaderBytes);
    const bool is_last = piece == body.size();
    put_u8(&packets, type);
    put_u8(&packets,
           static_cast<uint8_t>((number == 0 ? first_status : 0) | (is_last ? kEndOfMessage : 0)));
    put_u16_be(&packets, static_cast<uint16_t>(piece + kPacketHeaderBytes));
    put_u16_be(&packets, 0);
    put_u8(&packets, ++number);
    put_u8(&packets, 0);
    packets.append(body.substr(0, piece));
    body.remove_prefix(piece);
  } while (!body.empty());
  return packets;
}

std::string all_headers(uint64_t transaction) {
  std::string bytes;
  put_u32(&bytes, 22);
  put_u32(&bytes, 18);
  put_u16(&bytes, 2);
  put_u64(&bytes, transaction);
  put_u32(&bytes, 1);
  return bytes;
}

}  // namespace dstream::standin
