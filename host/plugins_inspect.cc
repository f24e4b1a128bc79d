// dstream plugins inspect
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>

#include "core/plugins/inspect.h"
#include "host/commands.h"
#include "host/locations.h"

namespace dstream::host {
namespace {

std::string inspect_text(const core::JsonObject& document) {
  std::string out;
  for (const std::string& key : document->getNames()) {
    core::Json value = document->get(key);
    if (key != "connectors") {
      std::string text = value.isString() ? value.toString() : core::json_text(value);
      out += key + ":" + std::string(key.size() < 10 ? 10 - key.size() : 1, ' ') + text + "\n";
    }
  }
  auto connectors = document->getArray("connectors");
  for (unsigned i = 0; connectors && i < connectors->size(); ++i) {
    core::JsonObject connector = connectors->getObject(i);
    out += "\nconnector " + connector->optValue<std::string>("id", "?") + "\n";
    for (const std::string& key : connector->getNames()) {
      core::Json value = connector->get(key);
      if (key == "id") {
        continue;
      }
      bool document_value = value.type() == typeid(core::JsonObject);
      std::string text = value.isString() ? value.toString()
                         : document_value ? "\n" + core::json_text(value, true)
                                          : core::json_text(value);
      out += "  " + key + ": " + text + "\n";
    }
  }
  return out;
}

}  // namespace

int plugins_inspect_command(const Arguments& arguments, Output& output) {
  auto text = core::inspect_in_child(self_path(), arguments.plugin_file);
  if (!text) {
    return output.fail({text.error()});
  }
  Poco::JSON::Parser parser(new Poco::JSON::ParseHandler(true));
  core::Json document = parser.parse(*text);
  return output.succeed(document, inspect_text(document.extract<core::JsonObject>()));
}

}  // namespace dstream::host
