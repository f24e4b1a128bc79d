// dstream snapshot
#include <Poco/JSON/Object.h>

#include "host/commands.h"
#include "host/http_client.h"
#include "host/session.h"

namespace dstream::host {

int snapshot_command(const Arguments& arguments, Output& output) {
  Session session;
  if (auto errors = find_state_dir(arguments, session); !errors.empty()) {
    return output.fail(errors);
  }
  if (arguments.pipelines.front().find('/') != std::string::npos) {
    return output.fail({{"DS-ADMIN-NO-PIPELINE", "That is not the name of a pipeline.",
                         "dstream status lists them.", std::nullopt, core::ExitCode::kUsage}});
  }
  core::JsonObject body = new_object();
  body->set("table", arguments.table);
  HttpRequest request;
  request.method = "POST";
  request.path = "/pipelines/" + arguments.pipelines.front() + "/snapshot";
  request.content_type = "application/json";
  request.body = core::json_text(core::Json(body));
  auto answer = ask_host_json(session.state_dir, request);
  if (!answer) {
    return output.fail({answer.error()});
  }
  bool accepted = (*answer)->getValue<bool>("accepted");
  return output.succeed(
      core::Json(*answer),
      accepted ? arguments.table + " will be copied again; dstream status shows how far it is.\n"
               : "A copy of " + arguments.table + " is asked for or under way already.\n");
}

}  // namespace dstream::host
