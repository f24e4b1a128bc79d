#include "core/messages/claim_check.h"

#include <algorithm>
#include <string_view>

#include "core/messages/json_text.h"

namespace dstream::core {
namespace {

constexpr std::string_view kIdHeader = "ce_id";
// With the hash well below the 255 bytes of a file's name.
constexpr size_t kIdBytesMax = 128;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

dstream_bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string id_of(const dstream_message& message) {
  for (uint32_t i = 0; i < message.header_count; ++i) {
    if (kIdHeader == message.headers[i].name) {
      const dstream_bytes& value = message.headers[i].value;
      return {reinterpret_cast<const char*>(value.data), value.size};
    }
  }
  return "";
}

}  // namespace

// What is lost of an id by this is in the hash's care.
std::string claim_name(const std::string& pipeline, const dstream_message& whole,
                       const std::string& sha256_hex) {
  std::string id = id_of(whole).substr(0, kIdBytesMax);
  std::replace_if(
      id.begin(), id.end(), [](char c) { return !is_plain(c); }, '_');
  return pipeline + "/" + (id.empty() ? "" : id + "-") + sha256_hex;
}

dstream_message claim_message(const dstream_message& whole, const std::string& name,
                              const std::string& location, const std::string& sha256_hex,
                              Arena& arena) {
  const std::string body =
      R"({"claim_check":{"location":)" + json_string(location) + R"(,"name":)" + json_string(name) +
      R"(,"bytes":)" + std::to_string(whole.value.size) + R"(,"sha256":")" + sha256_hex + R"("}})";
  dstream_message message = whole;
  message.value = bytes_of(arena.copy(body));
  auto* headers = static_cast<dstream_field*>(
      arena.allocate((whole.header_count + 1) * sizeof(dstream_field), alignof(dstream_field)));
  std::copy_n(whole.headers, whole.header_count, headers);
  headers[whole.header_count] = {kClaimCheckHeader, bytes_of(arena.copy(name))};
  message.headers = headers;
  message.header_count = whole.header_count + 1;
  return message;
}

}  // namespace dstream::core
