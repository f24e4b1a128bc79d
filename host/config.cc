// dstream config show, schema and example
#include "core/config/config.h"

#include <Poco/JSON/Parser.h>

#include "core/config/file_schema.h"
#include "core/config/schema_markdown.h"
#include "host/commands.h"
#include "host/example.h"
#include "host/session.h"

namespace dstream::host {

int config_show_command(const Arguments& arguments, Output& output) {
  Session session;
  auto errors = open_session(arguments, session);
  output.redact_with(session.redactor());
  if (!errors.empty()) {
    return output.fail(errors);
  }
  Poco::JSON::Parser parser(new Poco::JSON::ParseHandler(true));
  core::Json shown = parser.parse(session.config->shown_json());
  return output.succeed(shown, session.redactor()->apply(session.config->shown_yaml()));
}

int config_schema_command(const Arguments& arguments, Output& output) {
  core::PluginRegistry plugins;
  if (auto errors = load_plugins(arguments, {}, plugins); !errors.empty()) {
    return output.fail(errors);
  }
  if (arguments.markdown) {
    auto markdown = core::schema_markdown(plugins);
    return markdown ? output.succeed(core::Json(*markdown), *markdown)
                    : output.fail({markdown.error()});
  }
  auto schema = core::composed_schema(plugins);
  if (!schema) {
    return output.fail({schema.error()});
  }
  core::Json document = *schema;
  return output.succeed(document, core::json_text(document, true) + "\n");
}

int config_example_command(const Arguments&, Output& output) {
  return output.succeed(core::Json(std::string(kExample)), std::string(kExample));
}

}  // namespace dstream::host
