#include "host/rehearsal.h"

#include <utility>

#include "core/pipeline/data_loss.h"
#include "core/pipeline/exactly_once.h"
#include "core/pipeline/size_limit.h"
#include "core/plugins/guard.h"

namespace dstream::host {
namespace {

void add(core::Error error, const core::ConnectorSettings& connector,
         std::vector<core::Error>& errors) {
  if (!error.place) {
    error.place = connector.place;
  }
  error.exit_code = core::ExitCode::kUsage;
  errors.push_back(std::move(error));
}

}  // namespace

std::vector<core::Error> Rehearsal::check(const core::PipelineSettings& pipeline,
                                          const core::PluginRegistry& plugins) {
  std::vector<core::Error> errors;
  core::InstanceOptions options{pipeline.name, pipeline.source.config_json, log_.get(), &metrics_,
                                &clock_};
  auto source = core::make_source(*plugins.find_source(pipeline.source.type), options);
  if (!source) {
    add(source.error(), pipeline.source, errors);
  } else if (auto set = core::set_data_loss_policy(**source, pipeline); !set) {
    add(set.error(), pipeline.source, errors);
  }
  options.config_json = pipeline.sink.config_json;
  auto sink = core::make_sink(*plugins.find_sink(pipeline.sink.type), options, &settles_);
  if (!sink) {
    add(sink.error(), pipeline.sink, errors);
  } else if (auto used = core::use_transactions(**sink, pipeline); !used) {
    add(used.error(), pipeline.sink, errors);
  } else if (auto limited = core::require_size_limit(**sink, pipeline); !limited) {
    add(limited.error(), pipeline.sink, errors);
  }
  if (pipeline.dead_letter.sink) {
    options.config_json = pipeline.dead_letter.sink->config_json;
    auto letters =
        core::make_sink(*plugins.find_sink(pipeline.dead_letter.sink->type), options, &settles_);
    if (!letters) {
      add(letters.error(), *pipeline.dead_letter.sink, errors);
    }
  }
  return errors;
}

}  // namespace dstream::host
