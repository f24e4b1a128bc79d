// One drawn world: what the source holds, how often what goes wrong, how the pipeline is set.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/pipeline/settings.h"
#include "tests/simulation/random.h"

namespace dstream::simulation {

// One change in the source, or a watermark. Its index in the log is its identity.
struct Change {
  uint32_t key = 0;
  uint32_t sequence = 0;  // among the changes of its key, from 0
  bool watermark = false;
  bool deletes = false;    // a second message, the tombstone, follows
  bool resumable = false;  // carries a position
  bool rejected = false;   // the sink never takes it
  bool unencodable = false;
  bool letter_refused = false;  // by the sink of the dead letters, if there is one
};

struct Scenario {
  std::vector<Change> log;
  uint32_t keys = 1;
  bool messages = true;  // else the sink takes records
  bool gapless = true;   // the sink keeps order per key when an item fails
  bool settles_in_write = false;
  bool other_hosts = false;  // with exactly_once: after a crash the state folder may be another one
  bool ends = true;          // the source says END after the last change; else it is stopped
  uint32_t sink_capacity = 16;
  uint32_t partitions = 1;
  uint32_t row_bytes = 100;
  int64_t pruned_before = 0;  // changes below it vanish upstream once, midway
  // Chances per mille, of each call or scheduling decision.
  uint64_t source_fails = 0;
  uint64_t sink_fails = 0;
  uint64_t items_retried = 0;
  uint64_t letters_fail = 0;  // calls of the sink of the dead letters
  uint64_t disk_fails = 0;
  uint64_t crashes = 0;
  uint64_t stops = 0;
  core::PipelineSettings settings;

  static Scenario draw(Random& random);
};

}  // namespace dstream::simulation
