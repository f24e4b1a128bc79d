// The connectors a simulated pipeline runs: C ABI tables that act on World::current().
#pragma once

#include <memory>

#include "core/messages/encoder.h"
#include "core/plugins/registry.h"

namespace dstream::simulation {

// "sim-source", "sim-messages", "sim-records", "sim-letters".
const core::PluginRegistry& connectors();

// Value "c<index of the change>", a tombstone after a delete; refuses unencodable changes.
std::unique_ptr<core::Encoder> make_sim_encoder();

// Frees what the source handed out and got back. REQUIRES: no engine is left.
void forget_batches();

}  // namespace dstream::simulation
