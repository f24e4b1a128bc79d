// The configuration of a running host as its files have it now.
//
// Thread rule: one thread, which need not be the one that opened the session.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/config/config.h"
#include "host/arguments.h"
#include "host/reload.h"
#include "host/session.h"

namespace dstream::host {

// Where the secrets of `config` are read again. `plugins` is borrowed.
core::Rereads rereads_from(std::shared_ptr<const core::Config> config,
                           const core::PluginRegistry* plugins);

// Reads what `arguments` name and checks it as `validate` does, with the plugins of `session`, to
// whose secrets it adds. `session` is that of the start. All errors there are, with exit code 2:
// those of `validate`, and DS-RELOAD-RESTART for a state folder that is not the one in use.
tl::expected<NewConfiguration, std::vector<core::Error>> read_again(const Arguments& arguments,
                                                                    const Session& session);

// Whether a pipeline with these settings could go on from what is in the state folder, as
// Pipeline::create() will see it: DS-CHECKPOINT-*.
std::optional<core::Error> check_stored_position(const core::PipelineSettings& settings,
                                                 const Session& session);

}  // namespace dstream::host
