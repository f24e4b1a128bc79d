// What the sink needs of a Kafka cluster, looked at step by step: `dstream doctor`.
//
// Ids, in order: name.resolves, tcp.connects (each broker), token (with oauth), tls, credentials,
// api.versions, topic, message.size, compression, transactions. Nothing is written to the cluster.
//
// Thread rule: [worker].
#pragma once

#include "dstream/plugin.hpp"
#include "producer.h"
#include "settings.h"

namespace eventhubs {

void run_checks(const Settings& settings, const Scrubber& scrubber, dstream::Host host,
                const dstream::Checks& checks);

}  // namespace eventhubs
