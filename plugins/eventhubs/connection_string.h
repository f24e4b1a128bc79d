// The connection string of an Event Hubs namespace or of one event hub in it.
//
//   Endpoint=sb://NAME.servicebus.windows.net/;SharedAccessKeyName=POLICY;SharedAccessKey=KEY
//     [;EntityPath=HUB][;UseDevelopmentEmulator=true]
//
// Names count without regard to case. A port behind the host is taken for the Kafka port. Names
// that are not known here are left to the service, which gets the whole text as password,
// unchanged.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace eventhubs {

struct ConnectionString {
  std::string text;  // as it was given, without white space around it: the SASL password
  std::string host;
  uint16_t port = 9093;     // 9092 of the emulator
  std::string policy;       // SharedAccessKeyName
  std::string key;          // SharedAccessKey: a secret on its own (I11)
  std::string entity_path;  // empty: good for every event hub of the namespace
  bool emulator = false;    // no TLS
};

// Throws dstream::Error (CONFIG) with a sentence that says what is wrong and repeats no secret. A
// SharedAccessSignature is refused: the Kafka endpoint takes keys alone.
ConnectionString parse_connection_string(std::string_view text);

// "NAME.servicebus.windows.net[:port]", for which tokens are used: no text, policy and key. Throws
// likewise.
ConnectionString parse_namespace(std::string_view text);

}  // namespace eventhubs
