#include "dstream/plugin.hpp"
#include "schema.h"
#include "sink.h"

DSTREAM_PLUGIN(
    "eventhubs", "DStream", "MIT",
    dstream::message_sink<eventhubs::Sink>(
        "eventhubs", "1.0.0",
        "Writes messages to Azure Event Hubs, or to any Kafka, in order and without loss.",
        eventhubs::kConfigSchema));
