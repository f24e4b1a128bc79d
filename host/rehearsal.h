// Makes a pipeline's instances and lets them go again.
//
// A plugin's create() connects nowhere; it is where a plugin says what its schema cannot say. So a
// configuration is checked with it, by `validate` and before a running host takes a file.
//
// Thread rule: one thread at a time. It may run beside pipelines of the same plugins.
#pragma once

#include <memory>
#include <vector>

#include "core/base/clock.h"
#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/metrics.h"
#include "core/pipeline/settings.h"
#include "core/plugins/registry.h"
#include "host/no_settles.h"

namespace dstream::host {

class Rehearsal {
 public:
  // What the plugins have against the settings, with places and exit code 2. REQUIRES: `plugins`
  // has the connectors.
  std::vector<core::Error> check(const core::PipelineSettings& pipeline,
                                 const core::PluginRegistry& plugins);

 private:
  std::shared_ptr<core::Log> log_ = core::make_null_log();
  core::MetricsRegistry metrics_;
  core::SystemClock clock_;
  NoSettles settles_;
};

}  // namespace dstream::host
