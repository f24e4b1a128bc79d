// dstream doctor
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <thread>

#include "core/base/clock.h"
#include "core/base/metrics.h"
#include "core/pipeline/data_loss.h"
#include "core/pipeline/exactly_once.h"
#include "core/pipeline/worker.h"
#include "core/plugins/guard.h"
#include "host/claim_checks.h"
#include "host/commands.h"
#include "host/doctor_report.h"
#include "host/http_client.h"
#include "host/no_settles.h"
#include "host/registry_checks.h"
#include "host/running_checks.h"
#include "host/session.h"
#include "host/state_checks.h"

namespace dstream::host {
namespace {

using Result = core::InstanceCheck::Result;

// Beyond the time the checks are given and the second the contract allows.
constexpr int64_t kHangGraceMs = 5000;

class Doctor {
 public:
  Doctor(const Session& session, DoctorReport* report, int64_t timeout_ms)
      : session_(session), report_(report), timeout_ms_(timeout_ms) {}

  void look_at(const core::PipelineSettings& pipeline) {
    report_->begin_pipeline(pipeline.name, pipeline.source.type, pipeline.sink.type);
    auto host = [&](const core::InstanceCheck& check) { report_->add("host", check); };
    host({Result::kOk, "config", "", "The configuration is valid.", ""});
    check_state_folder(session_.state_dir, host);
    const std::string position = check_pipeline_state(*session_.files, session_.state_dir,
                                                      pipeline.name, pipeline.source.type, host);
    check_claim_store(*session_.files, pipeline, timeout_ms_,
                      clock_.wall_ns() / core::kNanosPerSecond, host);
    check_registry(pipeline, timeout_ms_, host);
    core::InstanceOptions options{pipeline.name, pipeline.source.config_json, log_.get(), &metrics_,
                                  &clock_};
    const core::LoadedConnector* source = session_.plugins.find_source(pipeline.source.type);
    check_plugin(
        "source", *source,
        [&]() -> core::Result<std::unique_ptr<core::GuardedSource>> {
          auto made = core::make_source(*source, options);
          if (made) {
            if (auto set = core::set_data_loss_policy(**made, pipeline); !set) {
              return core::fail(set.error());
            }
          }
          return made;
        },
        [&](core::GuardedSource& made, const core::CheckHandler& handler) {
          return made.run_checks(wait_ms(), position, handler);
        });
    options.config_json = pipeline.sink.config_json;
    const bool tells =
        check_sink("sink", pipeline.sink.type, options, [&](core::GuardedSink& made) {
          // So that the sink looks at what it takes to deliver exactly once.
          return core::use_transactions(made, pipeline);
        });
    if (tells) {
      report_->add("sink", throttle_check(ask_running_host(), pipeline.name));
    }
    if (pipeline.dead_letter.sink) {
      options.config_json = pipeline.dead_letter.sink->config_json;
      check_sink("dead_letter.sink", pipeline.dead_letter.sink->type, options,
                 [](core::GuardedSink&) { return core::Result<void>(); });
    }
  }

 private:
  // True if the sink tells its status. `prepare` has the sink before it is asked.
  template <class Prepare>
  bool check_sink(const std::string& side, const std::string& type,
                  const core::InstanceOptions& options, Prepare&& prepare) {
    const core::LoadedConnector* sink = session_.plugins.find_sink(type);
    bool tells = false;
    check_plugin(
        side, *sink,
        [&]() -> core::Result<std::unique_ptr<core::GuardedSink>> {
          auto made = core::make_sink(*sink, options, &settles_);
          if (made) {
            if (auto prepared = prepare(**made); !prepared) {
              return core::fail(prepared.error());
            }
          }
          return made;
        },
        [&](core::GuardedSink& made, const core::CheckHandler& handler) {
          tells = made.status_json().has_value();
          return made.run_checks(wait_ms(), handler);
        });
    return tells;
  }

  core::Result<core::JsonObject> ask_running_host() const {
    HttpRequest request;
    request.method = "GET";
    request.path = "/status";
    return ask_host_json(session_.state_dir, request);
  }

  uint32_t wait_ms() const { return static_cast<uint32_t>(timeout_ms_); }

  template <class Make, class Run>
  void check_plugin(const std::string& side, const core::LoadedConnector& loaded, Make&& make,
                    Run&& run) {
    auto add = [&](const core::InstanceCheck& check) { report_->add(side, check); };
    std::string name = loaded.connector->id;
    add({Result::kOk, "plugin", "", name + " " + loaded.connector->version + " from " + loaded.file,
         ""});
    auto made = make();
    if (!made) {
      add({Result::kFailed, "settings", "", made.error().message, made.error().hint});
      return;
    }
    add({Result::kOk, "settings", "", name + " accepts its settings.", ""});
    std::optional<core::CallResult> ended = run_checks(side, [&] { return run(**made, add); });
    if (!ended) {
      add({Result::kSkipped, "checks", "", name + " has no checks of its own.", ""});
    } else if (ended->status == DSTREAM_CANCELLED) {
      add({Result::kSkipped, "checks", "", name + " was stopped.", ""});
    } else if (!ended->ok()) {
      add({Result::kFailed, "checks", "",
           "The checks could not go on: " + std::string(ended->message()), ""});
    }
  }

  // On a thread of its own: a plugin that hangs in it must not keep the answer from the reader.
  template <class Run>
  std::optional<core::CallResult> run_checks(const std::string& side, Run&& run) {
    std::promise<std::optional<core::CallResult>> result;
    auto future = result.get_future();
    std::thread worker([&] { result.set_value(run()); });
    if (future.wait_for(std::chrono::milliseconds(timeout_ms_ + kHangGraceMs)) !=
        std::future_status::ready) {
      report_->add(side,
                   {Result::kFailed, "checks", "", "The plugin does not come back from its checks.",
                    "Tell its vendor. What comes after it was not looked at."});
      report_->finish();
      std::fflush(stdout);
      std::_Exit(1);
    }
    worker.join();
    return future.get();
  }

  const Session& session_;
  DoctorReport* const report_;
  const int64_t timeout_ms_;
  std::shared_ptr<core::Log> log_ = core::make_null_log();
  core::MetricsRegistry metrics_;
  core::SystemClock clock_;
  NoSettles settles_;
};

}  // namespace

int doctor_command(const Arguments& arguments, Output& output) {
  Session session;
  auto errors = open_session(arguments, session);
  output.redact_with(session.redactor());
  if (!errors.empty()) {
    return output.fail(errors);
  }
  const std::vector<std::string>& wanted = arguments.pipelines;
  for (const std::string& name : wanted) {
    bool known = std::any_of(session.pipelines.begin(), session.pipelines.end(),
                             [&](const auto& pipeline) { return pipeline.name == name; });
    if (!known) {
      return output.fail({{"DS-ADMIN-NO-PIPELINE", "The files have no pipeline named " + name + ".",
                           "dstream validate lists them.", std::nullopt, core::ExitCode::kUsage}});
    }
  }
  DoctorReport report(output);
  Doctor doctor(session, &report, arguments.timeout_ms);
  for (const core::PipelineSettings& pipeline : session.pipelines) {
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), pipeline.name) != wanted.end()) {
      doctor.look_at(pipeline);
    }
  }
  return report.finish();
}

}  // namespace dstream::host
