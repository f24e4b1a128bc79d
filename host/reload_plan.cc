#include "host/reload_plan.h"

#include <Poco/JSON/Parser.h>

#include <algorithm>

#include "core/config/json_text.h"

namespace dstream::host {
namespace {

// Poco's parser sorts the keys unless it is told to keep their order.
std::string sorted_keys(const std::string& json) {
  return core::json_text(Poco::JSON::Parser().parse(json));
}

void strip(core::ConnectorSettings& connector) {
  connector.place.reset();
  connector.config_json = sorted_keys(connector.config_json);
}

core::PipelineSettings stripped(core::PipelineSettings settings) {
  settings.place.reset();
  strip(settings.source);
  strip(settings.sink);
  if (settings.dead_letter.sink) {
    strip(*settings.dead_letter.sink);
  }
  return settings;
}

PlannedPipeline planned(const core::PipelineSettings& configured,
                        const ConfiguredPipeline* running) {
  if (running == nullptr) {
    return {configured.name, ReloadAction::kStarted, configured};
  }
  if (running->failed) {
    return {configured.name, ReloadAction::kStartedAgain, configured};
  }
  if (!same_configuration(running->settings, configured)) {
    return {configured.name, ReloadAction::kChanged, configured};
  }
  return {configured.name, ReloadAction::kUnchanged, std::nullopt};
}

}  // namespace

const char* to_string(ReloadAction action) {
  switch (action) {
    case ReloadAction::kUnchanged:
      return "unchanged";
    case ReloadAction::kChanged:
      return "changed";
    case ReloadAction::kStarted:
      return "started";
    case ReloadAction::kStartedAgain:
      return "started_again";
    case ReloadAction::kStopped:
      return "stopped";
    case ReloadAction::kNotAsked:
      return "not_asked";
  }
  return "unknown";
}

bool same_configuration(const core::PipelineSettings& one, const core::PipelineSettings& other) {
  return stripped(one) == stripped(other);
}

std::vector<PlannedPipeline> plan_reload(const std::vector<ConfiguredPipeline>& running,
                                         const std::vector<core::PipelineSettings>& configured,
                                         const std::string& only) {
  std::vector<PlannedPipeline> out;
  for (const core::PipelineSettings& settings : configured) {
    auto same_name = [&](const ConfiguredPipeline& each) {
      return each.settings.name == settings.name;
    };
    auto found = std::find_if(running.begin(), running.end(), same_name);
    out.push_back(planned(settings, found == running.end() ? nullptr : &*found));
  }
  for (const ConfiguredPipeline& each : running) {
    const std::string& name = each.settings.name;
    if (std::none_of(configured.begin(), configured.end(),
                     [&](const core::PipelineSettings& other) { return other.name == name; })) {
      out.push_back({name, ReloadAction::kStopped, std::nullopt});
    }
  }
  for (PlannedPipeline& each : out) {
    if (!only.empty() && each.name != only && each.action != ReloadAction::kUnchanged) {
      each = {each.name, ReloadAction::kNotAsked, std::nullopt};
    }
  }
  return out;
}

}  // namespace dstream::host
