// dstream plugins list
#include <Poco/JSON/Array.h>

#include "host/commands.h"
#include "host/session.h"

namespace dstream::host {
namespace {

const char* kind_of(const core::LoadedConnector& loaded) {
  return loaded.is_source() ? "source" : "sink";
}

core::Json connector_json(const core::LoadedConnector& loaded) {
  core::JsonObject out = new_object();
  out->set("id", std::string(loaded.connector->id));
  out->set("kind", std::string(kind_of(loaded)));
  out->set("takes_messages", loaded.wants_messages());
  out->set("version", std::string(loaded.connector->version));
  out->set("summary", std::string(loaded.connector->summary));
  out->set("plugin", std::string(loaded.plugin->name));
  out->set("vendor", std::string(loaded.plugin->vendor));
  out->set("license", std::string(loaded.plugin->license));
  out->set("file", loaded.file);
  return out;
}

core::Json list_json(const core::PluginRegistry& plugins) {
  Poco::JSON::Array::Ptr connectors = new Poco::JSON::Array;
  for (const core::LoadedConnector& loaded : plugins.connectors()) {
    connectors->add(connector_json(loaded));
  }
  Poco::JSON::Array::Ptr refused = new Poco::JSON::Array;
  for (const core::Refusal& refusal : plugins.refusals()) {
    core::JsonObject one = new_object();
    one->set("file", refusal.file);
    one->set("error", error_json(refusal.error));
    refused->add(one);
  }
  core::JsonObject out = new_object();
  out->set("connectors", connectors);
  out->set("refused", refused);
  return out;
}

std::string list_text(const core::PluginRegistry& plugins) {
  std::vector<std::vector<std::string>> rows = {
      {"CONNECTOR", "KIND", "TAKES", "VERSION", "SUMMARY", "FILE"}};
  for (const core::LoadedConnector& loaded : plugins.connectors()) {
    std::string takes = loaded.is_source() ? "-" : loaded.wants_messages() ? "messages" : "records";
    rows.push_back({loaded.connector->id, kind_of(loaded), takes, loaded.connector->version,
                    loaded.connector->summary, loaded.file});
  }
  std::string out = rows.size() == 1 ? "No connectors.\n" : text_table(rows);
  if (!plugins.refusals().empty()) {
    out += "\nRefused:\n";
    for (const core::Refusal& refusal : plugins.refusals()) {
      out += "  " + refusal.file + ": " + refusal.error.code + ": " + refusal.error.message + "\n";
    }
  }
  return out;
}

}  // namespace

int plugins_list_command(const Arguments& arguments, Output& output) {
  Session session;
  if (!arguments.paths.empty()) {
    if (auto errors = read_config(arguments, session); !errors.empty()) {
      return output.fail(errors);
    }
  }
  std::vector<std::string> configured;
  if (session.config) {
    configured = session.config->host().plugin_dirs;
  }
  if (auto errors = load_plugins(arguments, configured, session.plugins); !errors.empty()) {
    return output.fail(errors);
  }
  return output.succeed(list_json(session.plugins), list_text(session.plugins));
}

}  // namespace dstream::host
