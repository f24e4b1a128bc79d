// dstream run
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/metrics.h"
#include "host/admin_service.h"
#include "host/commands.h"
#include "host/new_configuration.h"
#include "host/reload.h"
#include "host/session.h"
#include "host/signals.h"
#include "host/supervisor.h"

namespace dstream::host {
namespace {

uint64_t random_seed() {
  std::random_device device;
  return (static_cast<uint64_t>(device()) << 32) | device();
}

void write_start(core::Log& log, const Session& session, int64_t started_ns,
                 const core::Clock& clock) {
  log.write(core::LogLevel::kInfo, "DStream starts.",
            {{"version", DSTREAM_VERSION},
             {"pipelines", std::to_string(session.pipelines.size())},
             {"connectors", std::to_string(session.plugins.connectors().size())},
             {"state_dir", session.state_dir},
             {"checked_in_ms",
              std::to_string((clock.monotonic_ns() - started_ns) / core::kNanosPerMilli)}});
  for (const core::Refusal& refusal : session.plugins.refusals()) {
    log.write(core::LogLevel::kWarn, "A plugin file was refused: " + refusal.error.message,
              {{"file", refusal.file}, {"code", refusal.error.code}});
  }
  for (const core::Error& warning : session.config->warnings()) {
    log.write(core::LogLevel::kWarn, warning.message,
              {{"place", warning.place ? warning.place->text() : ""},
               {"code", warning.code},
               {"hint", warning.hint}});
  }
}

}  // namespace

int run_command(const Arguments& arguments, Output& output) {
  core::SystemClock clock;
  int64_t started_ns = clock.monotonic_ns();
  StopSignals signals;
  umask(077);  // state files are for their owner
  Session session;
  auto errors = open_session(arguments, session);
  output.redact_with(session.redactor());
  if (!errors.empty()) {
    return output.fail(errors);
  }
  const core::HostSettings& host = session.config->host();
  auto log =
      core::make_redacting_log(core::make_stderr_log(arguments.log_level.value_or(host.log_level),
                                                     arguments.log_format.value_or(host.log_format),
                                                     wants_color(STDERR_FILENO)),
                               session.redactor());
  write_start(*log, session, started_ns, clock);
  core::MetricsRegistry metrics;
  core::PipelineEnvironment environment;
  environment.clock = &clock;
  environment.files = session.files.get();
  environment.log = log.get();
  environment.metrics = &metrics;
  environment.plugins = &session.plugins;
  environment.state_dir = session.state_dir;
  environment.seed = random_seed();
  environment.rereads = rereads_from(session.config, &session.plugins);
  Supervisor supervisor(std::move(session.pipelines), environment, &signals,
                        arguments.status_interval_ms);
  Reloads reloads({[&] { return read_again(arguments, session); },
                   [&](const core::PipelineSettings& settings) {
                     return check_stored_position(settings, session);
                   },
                   &supervisor, log.get()});
  supervisor.on_hangup([&reloads] { reloads.request(""); });
  AdminSettings admin_settings{&supervisor,        &clock,          &metrics,
                               session.redactor(), DSTREAM_VERSION, session.state_dir,
                               host.admin_host,    &reloads};
  AdminService admin(admin_settings, session.files.get(), log.get());
  if (auto started = admin.start(host.admin_listen); !started) {
    return output.fail({started.error()});
  }
  reloads.start();
  int exit_code = supervisor.run();
  bool all_stopped = admin.stop();
  all_stopped = reloads.stop(AdminService::kStopTimeoutMs) && all_stopped;
  // In text form the log has said it all.
  if (arguments.json && !supervisor.errors().empty()) {
    output.fail(supervisor.errors());
  } else if (arguments.json) {
    core::JsonObject result = new_object();
    result->set("exit_code", exit_code);
    output.succeed(core::Json(result), "");
  }
  if (!all_stopped) {
    std::_Exit(exit_code);
  }
  return exit_code;
}

}  // namespace dstream::host
