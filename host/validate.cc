// dstream validate
#include <Poco/JSON/Array.h>

#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/pipeline/data_loss.h"
#include "core/pipeline/exactly_once.h"
#include "core/pipeline/size_limit.h"
#include "core/plugins/guard.h"
#include "host/commands.h"
#include "host/no_settles.h"
#include "host/session.h"

namespace dstream::host {
namespace {

// create() does no I/O; it is where a plugin says what its schema cannot say.
class Rehearsal {
 public:
  std::vector<core::Error> check(const core::PipelineSettings& pipeline,
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

 private:
  static void add(core::Error error, const core::ConnectorSettings& connector,
                  std::vector<core::Error>& errors) {
    if (!error.place) {
      error.place = connector.place;
    }
    error.exit_code = core::ExitCode::kUsage;
    errors.push_back(std::move(error));
  }

  std::shared_ptr<core::Log> log_ = core::make_null_log();
  core::MetricsRegistry metrics_;
  core::SystemClock clock_;
  NoSettles settles_;
};

core::Json result_json(const Session& session) {
  core::JsonObject out = new_object();
  Poco::JSON::Array::Ptr files = new Poco::JSON::Array;
  for (const std::string& file : session.config_files) {
    files->add(file);
  }
  Poco::JSON::Array::Ptr pipelines = new Poco::JSON::Array;
  for (const core::PipelineSettings& pipeline : session.pipelines) {
    core::JsonObject one = new_object();
    one->set("name", pipeline.name);
    one->set("source", pipeline.source.type);
    one->set("sink", pipeline.sink.type);
    pipelines->add(one);
  }
  Poco::JSON::Array::Ptr warnings = new Poco::JSON::Array;
  for (const core::Error& warning : session.config->warnings()) {
    warnings->add(error_json(warning));
  }
  out->set("files", files);
  out->set("pipelines", pipelines);
  out->set("warnings", warnings);
  return out;
}

}  // namespace

int validate_command(const Arguments& arguments, Output& output) {
  Session session;
  auto errors = open_session(arguments, session);
  output.redact_with(session.redactor());
  if (errors.empty()) {
    Rehearsal rehearsal;
    for (const core::PipelineSettings& pipeline : session.pipelines) {
      for (core::Error& error : rehearsal.check(pipeline, session.plugins)) {
        errors.push_back(std::move(error));
      }
    }
  }
  if (!errors.empty()) {
    return output.fail(errors);
  }
  for (const core::Error& warning : session.config->warnings()) {
    output.warn(warning);
  }
  std::string text;
  for (const core::PipelineSettings& pipeline : session.pipelines) {
    text += pipeline.name + ": " + pipeline.source.type + " -> " + pipeline.sink.type + "\n";
  }
  size_t pipelines = session.pipelines.size();
  size_t files = session.config_files.size();
  text += "Valid: " + std::to_string(pipelines) + (pipelines == 1 ? " pipeline" : " pipelines") +
          " in " + std::to_string(files) + (files == 1 ? " file" : " files") + ".\n";
  return output.succeed(result_json(session), text);
}

}  // namespace dstream::host
