// dstream reload
#include <poll.h>

#include "core/base/clock.h"
#include "host/commands.h"
#include "host/http_client.h"
#include "host/reload_report.h"
#include "host/session.h"

namespace dstream::host {
namespace {

constexpr int kLookAgainMs = 50;

core::Result<uint64_t> ask(const std::string& state_dir, const Arguments& arguments) {
  core::JsonObject body = new_object();
  if (!arguments.pipelines.empty()) {
    body->set("pipeline", arguments.pipelines.front());
  }
  HttpRequest request;
  request.method = "POST";
  request.path = "/reload";
  request.content_type = "application/json";
  request.body = core::json_text(core::Json(body));
  auto answer = ask_host_json(state_dir, request);
  if (!answer) {
    return core::fail(answer.error());
  }
  return (*answer)->getValue<uint64_t>("number");
}

// The report once there is nothing more to wait for.
core::Result<core::JsonObject> await_end(const std::string& state_dir, uint64_t number,
                                         int64_t timeout_ms) {
  core::SystemClock clock;
  const int64_t until_ns = clock.monotonic_ns() + timeout_ms * core::kNanosPerMilli;
  HttpRequest request;
  request.method = "GET";
  request.path = "/reload/" + std::to_string(number);
  for (;;) {
    auto report = ask_host_json(state_dir, request);
    if (!report) {
      return report;
    }
    auto state = (*report)->getValue<std::string>("state");
    if (state == to_string(ReloadState::kDone) || state == to_string(ReloadState::kRefused)) {
      return report;
    }
    if (clock.monotonic_ns() >= until_ns) {
      return core::fail("DS-RELOAD-TIMEOUT",
                        "The reload goes on (" + state + "), and was not done in time.",
                        "dstream status shows how the pipelines are; --timeout waits longer.");
    }
    poll(nullptr, 0, kLookAgainMs);
  }
}

}  // namespace

int reload_command(const Arguments& arguments, Output& output) {
  Session session;
  if (auto errors = find_state_dir(arguments, session); !errors.empty()) {
    return output.fail(errors);
  }
  auto number = ask(session.state_dir, arguments);
  if (!number) {
    return output.fail({number.error()});
  }
  auto report = await_end(session.state_dir, *number, arguments.reload_timeout_ms);
  if (!report) {
    return output.fail({report.error()});
  }
  if (auto errors = reload_errors(*report); !errors.empty()) {
    return output.fail(errors);
  }
  output.succeed(core::Json(*report), reload_text(*report));
  return (*report)->getValue<int>("exit_code");
}

}  // namespace dstream::host
