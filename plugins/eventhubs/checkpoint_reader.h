// Reads a pipeline's checkpoint back from the checkpoint topic: the newest committed record with
// its key, in partition 0.
//
// Thread rule: [worker]. Blocks, in steps that look at `stop`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "dstream/plugin.hpp"
#include "producer.h"
#include "settings.h"

namespace eventhubs {

enum class ReadUpTo {
  // What is decided now. An older open transaction of anybody may hide what came later.
  kDecided,
  // Everything that is there now, waiting until open transactions of others are decided.
  kEverything
};

struct FoundCheckpoint {
  std::string value;    // "" if there is none
  int64_t offset = -1;  // where it stands
};

// Throws dstream::Error: CONFIG, CANCELLED, REOPEN if it takes too long.
FoundCheckpoint read_checkpoint(const Settings& settings, const Scrubber& scrubber,
                                dstream::Host host, ReadUpTo up_to, const dstream::StopToken& stop);

}  // namespace eventhubs
