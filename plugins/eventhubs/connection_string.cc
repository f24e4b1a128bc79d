#include "connection_string.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "dstream/plugin.hpp"

namespace eventhubs {
namespace {

constexpr size_t kTextBytesMax = 4096;
constexpr uint16_t kEmulatorPort = 9092;

[[noreturn]] void fail(const std::string& reason, const std::string& key = "/connection") {
  throw dstream::Error(DSTREAM_CONFIG, key + ": " + reason);
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return out;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) {
    return {};
  }
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

enum Part { kEndpoint, kKeyName, kKey, kSignature, kEntityPath, kEmulator, kPartCount };
constexpr std::array<std::string_view, kPartCount> kNames = {
    "Endpoint",   "SharedAccessKeyName",   "SharedAccessKey", "SharedAccessSignature",
    "EntityPath", "UseDevelopmentEmulator"};

using Parts = std::array<std::string_view, kPartCount>;

Parts split(std::string_view text) {
  Parts parts{};
  std::array<bool, kPartCount> seen{};
  while (!text.empty()) {
    const size_t end = std::min(text.find(';'), text.size());
    const std::string_view item = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (item.empty()) {
      continue;
    }
    // The first '=' only: keys are base64 and end in '='.
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      fail("A part of the connection string is not of the form Name=Value.");
    }
    const std::string name = lower(item.substr(0, equals));
    for (size_t part = 0; part < kPartCount; ++part) {
      if (name != lower(kNames[part])) {
        continue;
      }
      if (seen[part]) {
        fail("The connection string names " + std::string(kNames[part]) + " twice.");
      }
      seen[part] = true;
      parts[part] = item.substr(equals + 1);
    }
  }
  return parts;
}

// "host[:port][/]". `what` is how a message calls it, `key` where it stands.
void parse_host(std::string_view text, const std::string& what, const char* key,
                ConnectionString* out) {
  if (text.ends_with('/')) {
    text.remove_suffix(1);
  }
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    const auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), out->port);
    if (error != std::errc() || stop != port.data() + port.size() || out->port == 0) {
      fail("The port in " + what + " is not a number from 1 to 65535.", key);
    }
    text = text.substr(0, colon);
  }
  out->host = text;
  const bool clean = std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.';
  });
  if (text.empty() || !clean) {
    fail("There is no valid host name in " + what + ".", key);
  }
  if (!out->emulator && text.find('.') == std::string_view::npos) {
    fail("The full host name is needed in " + what + ", such as NAME.servicebus.windows.net.", key);
  }
}

void parse_endpoint(std::string_view endpoint, ConnectionString* out) {
  constexpr std::string_view kScheme = "sb://";
  if (!lower(endpoint).starts_with(kScheme)) {
    fail("Endpoint must be sb:// and the name of the namespace's host.");
  }
  parse_host(endpoint.substr(kScheme.size()), "Endpoint", "/connection", out);
}

}  // namespace

ConnectionString parse_connection_string(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) {
    fail("The connection string is empty.");
  }
  if (text.size() > kTextBytesMax) {
    fail("The connection string is longer than 4096 bytes.");
  }
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    fail("The connection string has a line break or another control character in it.");
  }
  const Parts parts = split(text);
  if (!parts[kSignature].empty()) {
    fail(
        "SharedAccessSignature does not work: the Kafka endpoint of Event Hubs takes access keys "
        "alone. Use a connection string with SharedAccessKeyName and SharedAccessKey.");
  }
  for (const Part part : {kEndpoint, kKeyName, kKey}) {
    if (parts[part].empty()) {
      fail("The connection string has no " + std::string(kNames[part]) + ".");
    }
  }
  ConnectionString out;
  out.text = text;
  out.policy = parts[kKeyName];
  out.key = parts[kKey];
  out.entity_path = parts[kEntityPath];
  const std::string emulator = lower(parts[kEmulator]);
  if (!emulator.empty() && emulator != "true" && emulator != "false") {
    fail("UseDevelopmentEmulator must be true or false.");
  }
  out.emulator = emulator == "true";
  out.port = out.emulator ? kEmulatorPort : out.port;
  parse_endpoint(parts[kEndpoint], &out);
  return out;
}

ConnectionString parse_namespace(std::string_view text) {
  ConnectionString out;
  parse_host(trimmed(text), "the namespace", "/namespace", &out);
  return out;
}

}  // namespace eventhubs
