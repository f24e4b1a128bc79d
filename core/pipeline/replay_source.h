// The source behind `dstream replay`: reads a file of dead letters, a record for each message.
//
// It is a connector like any other, linked in, so that a replay is a pipeline: back-off, order,
// checkpoints and a stop work as they do everywhere. Its records are messages already
// (core/messages/passed_message.h); between two messages of one letter there is no position, so
// that a letter is sent whole or again.
//
// Configuration: `file`, `bytes` (how much of it; look_at_dead_letters() says), `skip` (go past
// lines that cannot be sent).
//
// Thread rule: as the ABI has it for sources.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dstream/abi.h"

namespace dstream::core {

inline constexpr const char* kReplaySourceId = "dead-letters";

// Where a replay goes on.
struct ReplayPosition {
  uint64_t offset = 0;    // in the file, behind a line
  uint64_t lines = 0;     // before it
  uint64_t messages = 0;  // of those, sent
};
// "dead-letters 1 <offset> <lines> <messages>"
std::string format_replay_position(const ReplayPosition& position);
// nullopt for anything else.
std::optional<ReplayPosition> parse_replay_position(std::string_view text);

// For PluginRegistry::add().
const dstream_plugin& replay_plugin();

}  // namespace dstream::core
