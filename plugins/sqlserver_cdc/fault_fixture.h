// A source behind a network that goes wrong, and what a host does about it: it asks again after
// RETRY, opens again at the last position after REOPEN (and, for a while, DENIED), and nothing
// else.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/test_database.h"
#include "tests/standins/sqlserver/protocol/packet_proxy.h"

namespace dstream::sqlserver {

using standin::PacketProxy;

// What one reading of everything took.
struct Reading {
  std::vector<Seen> seen;
  int reopened = 0;
  int retried = 0;
  std::vector<dstream_status> statuses;  // of all calls that failed, in order
  bool ended = false;                    // END arrived
  std::vector<std::string> problems;     // errors that are neither RETRY, REOPEN nor DENIED
};

class FaultFixture : public SourceFixture {
 public:
  void SetUp() override;
  void TearDown() override;

  static bool uses_microsoft_driver();
  PacketProxy& proxy() { return *proxy_; }
  // url() by way of the proxy.
  std::string proxy_url() const;

  // Opens at `position` by way of the proxy and reads until there are `count` records or the source
  // ends. Gives up, with a problem, when that takes longer than a test may wait.
  Reading read_all(const std::vector<std::string>& tables, const std::string& options,
                   const std::string& position, size_t count);

 private:
  void read_batch_into(Reading& reading, std::string& position, size_t count);
  std::unique_ptr<PacketProxy> proxy_;
};

}  // namespace dstream::sqlserver
