#include "core/pipeline/engine.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/pipeline/data_loss.h"
#include "core/pipeline/exactly_once.h"
#include "core/pipeline/size_limit.h"

namespace dstream::core {
namespace {

Error unknown_plugin(const char* kind, const ConnectorSettings& connector) {
  return Error{"DS-PLUGIN-UNKNOWN",
               std::string("No plugin offers the ") + kind + " '" + connector.type + "'.",
               "`dstream plugins list` shows what is there; --plugin-dir adds a folder.",
               connector.place, ExitCode::kUsage};
}

// Says where in the configuration, if the error does not know already.
Error at_place(Error error, const std::optional<Place>& place) {
  if (!error.place) {
    error.place = place;
  }
  return error;
}

Result<std::unique_ptr<GuardedSource>> make_source_of(const PipelineSettings& settings,
                                                      const LoadedConnector& connector,
                                                      const InstanceOptions& options) {
  auto made = make_source(connector, options);
  if (!made) {
    return fail(at_place(made.error(), settings.source.place));
  }
  if (auto set = set_data_loss_policy(**made, settings); !set) {
    return fail(set.error());
  }
  return made;
}

}  // namespace

Result<std::unique_ptr<PipelineEngine>> PipelineEngine::create(
    const PipelineSettings& settings, const PipelineEnvironment& environment,
    std::unique_ptr<Encoder> encoder) {
  DSTREAM_ASSERT(!settings.name.empty() && settings.name.find('/') == std::string::npos);
  std::unique_ptr<PipelineEngine> engine(new PipelineEngine(settings, environment));
  if (Result<void> made = engine->make_parts(std::move(encoder)); !made) {
    return fail(made.error());
  }
  return engine;
}

PipelineEngine::PipelineEngine(const PipelineSettings& settings,
                               const PipelineEnvironment& environment)
    : settings_(settings),
      environment_(environment),
      metrics_(*environment.metrics, settings.name),
      lifecycle_(settings.name, environment.clock, environment.log, environment.metrics,
                 settings.stop_timeout_ms),
      budget_(settings.queue_max_bytes),
      queue_(&budget_, &lifecycle_.sink_wakeup()) {
  metrics_.queue_bytes_max.set(static_cast<double>(settings.queue_max_bytes));
  counters_.last_durable_ns.store(environment.clock->monotonic_ns());
}

PipelineEngine::~PipelineEngine() = default;

Result<std::unique_ptr<Encoder>> PipelineEngine::make_own_encoder() {
  if (settings_.messages.format == "avro") {
    RegistryClient::Environment environment;
    environment.log = environment_.log;
    environment.pipeline = settings_.name;
    environment.changed = [this] { lifecycle_.sink_wakeup().notify(); };
    if (environment_.rereads.registry) {
      environment.reread = [this] { return environment_.rereads.registry(settings_.name); };
    }
    environment.denied_for_ms = settings_.retry.denied_for_ms;
    environment.seed = environment_.seed;
    registry_ = std::make_unique<RegistryClient>(settings_.messages.registry, environment);
  }
  return make_encoder(settings_.messages, registry_.get());
}

Result<void> PipelineEngine::make_parts(std::unique_ptr<Encoder> encoder) {
  const LoadedConnector* source = environment_.plugins->find_source(settings_.source.type);
  const LoadedConnector* sink = environment_.plugins->find_sink(settings_.sink.type);
  if (source == nullptr) {
    return fail(unknown_plugin("source", settings_.source));
  }
  if (sink == nullptr) {
    return fail(unknown_plugin("sink", settings_.sink));
  }
  if (sink->wants_messages() && encoder == nullptr) {
    auto made = make_own_encoder();
    if (!made) {
      return fail(at_place(made.error(), settings_.place));
    }
    encoder = std::move(*made);
  } else if (!sink->wants_messages()) {
    encoder = nullptr;
  }
  OversizeEncoder* oversize = nullptr;
  if (encoder != nullptr && settings_.on_oversize != OnOversize::kOnReject) {
    auto wrapped = std::make_unique<OversizeEncoder>(std::move(encoder), settings_.on_oversize,
                                                     settings_.messages);
    oversize = wrapped.get();
    make_claims(oversize);
    encoder = std::move(wrapped);
  }
  auto store = CheckpointStore::open(*environment_.files, environment_.state_dir, settings_.name,
                                     settings_.source.type);
  if (!store) {
    return fail(store.error());
  }
  store_ = std::move(*store);

  InstanceOptions options{settings_.name, settings_.source.config_json, environment_.log,
                          environment_.metrics, environment_.clock};
  auto made_source = make_source_of(settings_, *source, options);
  if (!made_source) {
    return fail(made_source.error());
  }
  source_ = std::move(*made_source);
  sink_worker_ = std::make_unique<SinkWorker>(context(0), store_.get(), environment_.files,
                                              environment_.state_dir, std::move(encoder));
  options.config_json = settings_.sink.config_json;
  auto made_sink = make_sink(*sink, options, sink_worker_.get());
  if (!made_sink) {
    return fail(at_place(made_sink.error(), settings_.sink.place));
  }
  sink_ = std::move(*made_sink);
  if (auto offered = require_transactions(*sink_, settings_); !offered) {
    return fail(offered.error());
  }
  sink_worker_->set_sink(sink_.get());
  sink_worker_->set_oversize(oversize);
  if (auto limited = require_size_limit(*sink_, settings_); !limited) {
    return fail(limited.error());
  }
  if (Result<void> made = make_dead_letter_sink(); !made) {
    return made;
  }
  source_worker_ = std::make_unique<SourceWorker>(
      context(2), source_.get(), store_->current() ? store_->current()->position : std::string());
  return {};
}

void PipelineEngine::make_claims(OversizeEncoder* oversize) {
  if (settings_.on_oversize != OnOversize::kClaimCheck) {
    return;
  }
  ClaimUploads::Environment environment;
  environment.files = environment_.files;
  environment.clock = environment_.clock;
  environment.log = environment_.log;
  environment.metrics = &metrics_;
  environment.reread = environment_.rereads.claim_check;
  environment.changed = [this] { lifecycle_.sink_wakeup().notify(); };
  environment.seed = environment_.seed;
  claims_ = std::make_unique<ClaimUploads>(settings_, std::move(environment));
  oversize->set_claims(claims_.get());
}

Result<void> PipelineEngine::make_dead_letter_sink() {
  if (!settings_.dead_letter.sink) {
    return {};
  }
  const ConnectorSettings& connector = *settings_.dead_letter.sink;
  const LoadedConnector* loaded = environment_.plugins->find_sink(connector.type);
  if (loaded == nullptr) {
    return fail(unknown_plugin("sink", connector));
  }
  auto topic = TopicTemplate::parse(settings_.dead_letter.topic);
  if (!topic) {
    return fail(at_place(topic.error(), connector.place));
  }
  dead_letters_ = std::make_unique<DeadLetterSink>(context(4), connector.type, std::move(*topic));
  // A name of its own, so that its instruments are not those of the pipeline's sink.
  InstanceOptions options{settings_.name + ".dead-letter", connector.config_json, environment_.log,
                          environment_.metrics, environment_.clock};
  auto made = make_sink(*loaded, options, dead_letters_.get());
  if (!made) {
    return fail(at_place(made.error(), connector.place));
  }
  dead_letter_sink_ = std::move(*made);
  dead_letters_->set_sink(dead_letter_sink_.get());
  sink_worker_->set_dead_letter_sink(dead_letters_.get());
  return {};
}

WorkerContext PipelineEngine::context(uint64_t seed_offset) {
  WorkerContext out;
  out.settings = &settings_;
  out.clock = environment_.clock;
  out.log = environment_.log;
  out.lifecycle = &lifecycle_;
  out.budget = &budget_;
  out.queue = &queue_;
  out.positions = &positions_;
  out.metrics = &metrics_;
  out.counters = &counters_;
  out.reread_config = environment_.rereads.connector;
  out.seed = environment_.seed + seed_offset;
  return out;
}

StepResult PipelineEngine::step(Role role, int64_t now_ns, int64_t max_wait_ns) {
  int64_t deadline_ns = lifecycle_.deadline_ns();
  if (now_ns < deadline_ns) {
    max_wait_ns = std::min(max_wait_ns, deadline_ns - now_ns);
  }
  StepResult result = role == Role::kSource ? source_worker_->step(now_ns, max_wait_ns)
                                            : sink_worker_->step(now_ns, max_wait_ns);
  if (role == Role::kSource && lifecycle_.stop_requested() && lifecycle_.reading_finished()) {
    sink_worker_->end_idle_open();
  }
  // A stop that came during the step has a deadline, whatever else the worker waits for (I10).
  deadline_ns = lifecycle_.deadline_ns();
  if (now_ns < deadline_ns) {
    result.wait_until_ns = std::min(result.wait_until_ns, deadline_ns);
  }
  return result;
}

Wakeup& PipelineEngine::wakeup(Role role) {
  return role == Role::kSource ? lifecycle_.source_wakeup() : lifecycle_.sink_wakeup();
}

void PipelineEngine::request_stop(int64_t now_ns) {
  lifecycle_.request_stop(now_ns);
  source_worker_->request_stop();
}

void PipelineEngine::stop_now() {
  lifecycle_.stop_now();
  source_->request_stop();
  sink_->request_stop();
  if (dead_letter_sink_ != nullptr) {
    dead_letter_sink_->request_stop();
  }
}

PipelineStatus PipelineEngine::status(int64_t now_ns) const {
  PipelineStatus status;
  lifecycle_.fill(&status);
  // In this order the difference is never below zero, whatever is read meanwhile.
  const uint64_t watermarks = counters_.watermarks_read.load();
  const uint64_t read = counters_.records_read.load();
  status.records_read = read - watermarks;
  status.records_delivered = counters_.records_delivered.load();
  status.records_dead_lettered = counters_.records_dead_lettered.load();
  status.queue_bytes = budget_.used();
  status.in_flight_records = counters_.records_open.load();
  status.last_commit_time_ns = counters_.last_commit_time_ns.load();
  if (counters_.records_durable.load() < read) {
    status.checkpoint_age_ns = std::max<int64_t>(now_ns - counters_.last_durable_ns.load(), 0);
  }
  return status;
}

PluginStatus PipelineEngine::plugin_status() const {
  return {source_->status_json(), sink_->status_json()};
}

std::optional<CallResult> PipelineEngine::request_snapshot(const std::string& table) {
  return source_->request_snapshot(table);
}

std::optional<CallInProgress> PipelineEngine::call_in_progress(Role role) const {
  if (role == Role::kSource) {
    return source_->call_in_progress();
  }
  auto call = sink_->call_in_progress();
  return call || dead_letter_sink_ == nullptr ? call : dead_letter_sink_->call_in_progress();
}

}  // namespace dstream::core
