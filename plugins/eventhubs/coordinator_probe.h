// Why a cluster gives no transaction coordinator. librdkafka asks again for ever and keeps the
// broker's words to its log: a client of its own listens to them for a moment.
//
// Thread rule: one thread.
#pragma once

#include <string>

#include "dstream/plugin.hpp"
#include "producer.h"
#include "settings.h"

namespace eventhubs {

struct CoordinatorAnswer {
  bool works = false;
  bool refused = false;  // the cluster says no, and will not say otherwise in a while
  std::string text;      // what it said; empty if nothing
};

// Under a transactional id of its own, so that no pipeline is disturbed. REQUIRES:
// settings.transactional. Throws dstream::Error (CONFIG).
CoordinatorAnswer probe_coordinator(const Settings& settings, const Scrubber& scrubber,
                                    dstream::Host host, dstream::Millis max_wait);

// The sentence for an operator.
std::string describe_refusal(const Settings& settings, const CoordinatorAnswer& answer);

}  // namespace eventhubs
