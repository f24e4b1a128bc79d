// One seeded run: draws a world, drives the engine through it step by step, and judges.
#pragma once

#include <cstdint>
#include <string>

namespace dstream::simulation {

struct Outcome {
  bool ok = false;
  std::string violation;  // what was violated, if not ok
  uint64_t steps = 0;
  uint64_t crashes = 0;
  uint64_t stops = 0;
  uint64_t failures = 0;  // pipelines that failed as they should
  uint64_t duplicates = 0;
};

// `verbose` prints what happens.
Outcome run(uint64_t seed, bool verbose);

}  // namespace dstream::simulation
