// What a new configuration means for the pipelines that run: the decision of a reload, without any
// of its doing. docs/design/011-reload.md has the reasons.
//
// Thread rule: plain functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/pipeline/settings.h"

namespace dstream::host {

enum class ReloadAction {
  kUnchanged,     // runs on, untouched
  kChanged,       // drained, closed, and made anew with other settings
  kStarted,       // new in the files
  kStartedAgain,  // had failed; its settings may be the same
  kStopped,       // no longer in the files
  kNotAsked       // would be one of the others, but the reload was for another pipeline
};
// As in JSON: "started_again".
const char* to_string(ReloadAction action);

// A pipeline of the process, with the settings it was made from.
struct ConfiguredPipeline {
  core::PipelineSettings settings;
  bool failed = false;
};

struct PlannedPipeline {
  std::string name;
  ReloadAction action = ReloadAction::kUnchanged;
  // Those to run with from now on; nullopt: those it has, or none.
  std::optional<core::PipelineSettings> settings;
};

// Whether a pipeline would do the same with either. Secrets count as what they resolve to; places
// in the files and the order of a connector's keys do not count.
bool same_configuration(const core::PipelineSettings& one, const core::PipelineSettings& other);

// One entry for each name of either side: those of the files in their order, then those that are
// gone from them. `only` chooses one pipeline; empty: all.
std::vector<PlannedPipeline> plan_reload(const std::vector<ConfiguredPipeline>& running,
                                         const std::vector<core::PipelineSettings>& configured,
                                         const std::string& only);

}  // namespace dstream::host
