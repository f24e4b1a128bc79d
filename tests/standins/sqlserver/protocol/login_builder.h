// A client's LOGIN7 message and packets, for tests.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/protocol/tokens.h"

namespace dstream::standin {

struct LoginBuilder {
  std::string user = "sa";
  std::string password = "Secret-1";
  std::string database;
  std::string application;
  uint32_t tds_version = kTds74;
  uint32_t packet_size = 4096;
  bool read_only_intent = false;
  std::string features;  // a feature list, its terminator included; empty: no extension

  std::string body() const;
};

// A message of one type in packets of at most `packet_size` bytes.
std::string in_packets(uint8_t type, std::string_view body, size_t packet_size = 4096,
                       uint8_t first_status = 0);

// ALL_HEADERS with a transaction descriptor, as clients of TDS 7.2 and later send it.
std::string all_headers(uint64_t transaction = 0);

}  // namespace dstream::standin
