// Does the state folder of a pipeline stand? What `dstream doctor` looks at before the plugins.
//
// Thread rule: plain functions. They change nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/base/file_system.h"
#include "core/plugins/guard.h"

namespace dstream::host {

// Below this a checkpoint may soon not be written any more.
inline constexpr uint64_t kStateSpaceBytesMin = 256ull << 20;

// Of the folder, which pipelines share: state.folder, state.owner, state.space.
void check_state_folder(const std::string& state_dir, const core::CheckHandler& handler);

// Of one pipeline: state.lock, state.checkpoint. `source_type` is what it is configured with.
// Returns the stored position if its source can go on from it, else "".
std::string check_pipeline_state(core::FileSystem& files, const std::string& state_dir,
                                 const std::string& pipeline, const std::string& source_type,
                                 const core::CheckHandler& handler);

}  // namespace dstream::host
