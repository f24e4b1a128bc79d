// What the simulated connectors share.
#pragma once

#include <cstdio>

#include "dstream/abi.h"
#include "tests/simulation/world.h"

// The type that the ABI leaves to the plugin.
struct dstream_sink {
  const dstream_host* host = nullptr;
  uint64_t epoch = 0;
};

namespace dstream::simulation {

inline dstream_status say(dstream_error* error, dstream_status status, const char* message) {
  std::snprintf(error->message, sizeof error->message, "%s", message);
  World& world = *World::current();
  if (status == DSTREAM_RETRY && world.random.chance(200)) {
    error->retry_after_ms = static_cast<uint32_t>(world.random.between(1, 2000));
  }
  return status;
}

// A failure that passes.
inline dstream_status fail_somehow(World& world, dstream_error* error) {
  constexpr dstream_status kKinds[] = {DSTREAM_RETRY, DSTREAM_REOPEN, DSTREAM_DENIED};
  return say(error, kKinds[world.random.below(3)], "It failed.");
}

// The judge's exceptions must not cross the ABI: they are kept, and the scheduler throws them.
template <class Body>
dstream_status judged(Body&& body) noexcept {
  try {
    return body();
  } catch (const Violation& violation) {
    World::current()->verdict = violation.what;
    return DSTREAM_FATAL;
  }
}

}  // namespace dstream::simulation
