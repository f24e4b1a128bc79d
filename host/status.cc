// dstream status
#include <Poco/JSON/Array.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "host/commands.h"
#include "host/http_client.h"
#include "host/session.h"
#include "host/status_text.h"

namespace dstream::host {
namespace {

// The answer with the chosen pipelines only; DS-ADMIN-NO-PIPELINE for one that is not there.
core::Result<core::JsonObject> chosen(const core::JsonObject& status,
                                      const std::vector<std::string>& names) {
  if (names.empty()) {
    return status;
  }
  Poco::JSON::Array::Ptr kept = new Poco::JSON::Array;
  std::vector<std::string> found;
  for (const core::Json& each : *status->getArray("pipelines")) {
    auto name = each.extract<core::JsonObject>()->getValue<std::string>("name");
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      kept->add(each);
      found.push_back(name);
    }
  }
  for (const std::string& name : names) {
    if (std::find(found.begin(), found.end(), name) == found.end()) {
      return core::fail("DS-ADMIN-NO-PIPELINE", "No pipeline named " + name + " runs there.",
                        "dstream status without --pipeline lists them.");
    }
  }
  core::JsonObject out = new_object();
  out->set("process", status->get("process"));
  out->set("pipelines", kept);
  return out;
}

bool any_failed(const core::JsonObject& status) {
  for (const core::Json& each : *status->getArray("pipelines")) {
    if (each.extract<core::JsonObject>()->getValue<std::string>("state") == "failed") {
      return true;
    }
  }
  return false;
}

// False if there was nothing to print; the errors are printed then.
bool print_once(const std::string& state_dir, const Arguments& arguments, const Output& output,
                int* exit_code) {
  HttpRequest request;
  request.method = "GET";
  request.path = "/status";
  auto status = ask_host_json(state_dir, request);
  if (!status) {
    *exit_code = output.fail({status.error()});
    return false;
  }
  auto shown = chosen(*status, arguments.pipelines);
  if (!shown) {
    *exit_code = output.fail({shown.error()});
    return false;
  }
  bool clears = arguments.watch && isatty(STDOUT_FILENO) == 1;
  output.succeed(core::Json(*shown), (clears ? "\x1b[H\x1b[2J" : "") + status_text(*shown));
  *exit_code = any_failed(*shown) ? 1 : 0;
  return true;
}

}  // namespace

int status_command(const Arguments& arguments, Output& output) {
  Session session;
  if (auto errors = find_state_dir(arguments, session); !errors.empty()) {
    return output.fail(errors);
  }
  int exit_code = 0;
  // A watch ends by a signal, or when the host has gone.
  while (print_once(session.state_dir, arguments, output, &exit_code) && arguments.watch) {
    poll(nullptr, 0, static_cast<int>(arguments.watch_interval_ms));
  }
  return exit_code;
}

}  // namespace dstream::host
