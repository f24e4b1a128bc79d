// dstream validate
#include <Poco/JSON/Array.h>

#include "host/commands.h"
#include "host/rehearsal.h"
#include "host/session.h"

namespace dstream::host {
namespace {

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
