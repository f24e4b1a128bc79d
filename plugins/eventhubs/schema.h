// The connector's JSON Schema: what the host checks and what `dstream config schema` shows.
#pragma once

namespace eventhubs {

extern const char kConfigSchema[];

}  // namespace eventhubs
