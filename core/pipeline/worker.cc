#include "core/pipeline/worker.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace dstream::core {
namespace {

MetricLabels labels(const std::string& pipeline) { return {{"pipeline", pipeline}}; }

Counter& oversize_counter(MetricsRegistry& registry, const std::string& pipeline,
                          const char* action) {
  return registry.counter("dstream_oversize_records_total",
                          "Records whose messages were too large for the sink, by what was done.",
                          {{"pipeline", pipeline}, {"action", action}});
}

struct StatusText {
  const char* suffix;
  const char* hint;
  ExitCode exit_code;
};

StatusText status_text(dstream_status status) {
  switch (status) {
    case DSTREAM_AGAIN:
    case DSTREAM_RETRY:
      return {"RETRY", "It is tried again by itself.", ExitCode::kFailed};
    case DSTREAM_REOPEN:
      return {"REOPEN", "The connection is opened again by itself.", ExitCode::kFailed};
    case DSTREAM_REJECTED:
      return {"REJECTED",
              "Set on_reject: dead_letter to put such records aside and go on, or change what is "
              "refused.",
              ExitCode::kFailed};
    case DSTREAM_CONFIG:
      return {"CONFIG", "Change the configuration and start again.", ExitCode::kUsage};
    case DSTREAM_DENIED:
      return {"DENIED", "Check the credentials and what they are allowed to do.",
              ExitCode::kFailed};
    case DSTREAM_DATA_LOSS:
      return {"GAP",
              "Set on_data_loss: resnapshot to copy what is affected again, if the source can, or "
              "continue to go on with the oldest change still there; what is missing must then be "
              "copied by other means.",
              ExitCode::kRefused};
    case DSTREAM_UNSUPPORTED:
      return {"UNSUPPORTED", "", ExitCode::kFailed};
    default:
      return {"FATAL", "", ExitCode::kFailed};
  }
}

}  // namespace

PipelineMetrics::PipelineMetrics(MetricsRegistry& registry, const std::string& pipeline)
    : source_records(registry.counter("dstream_source_records_total",
                                      "Records read from the source.", labels(pipeline))),
      source_retries(registry.counter("dstream_source_retries_total",
                                      "Source calls that failed and were tried again.",
                                      labels(pipeline))),
      source_gaps(registry.counter("dstream_source_gaps_total",
                                   "Times changes were gone before they were read.",
                                   labels(pipeline))),
      sink_records(registry.counter("dstream_sink_records_total", "Records the sink has confirmed.",
                                    labels(pipeline))),
      sink_retries(registry.counter("dstream_sink_retries_total",
                                    "Sink calls and items that failed and were tried again.",
                                    labels(pipeline))),
      dead_letters(registry.counter("dstream_dead_letter_records_total",
                                    "Records put into the dead letters.", labels(pipeline))),
      dead_letters_refused(registry.counter(
          "dstream_dead_letter_refused_records_total",
          "Dead letters that their sink refused and that went to the file.", labels(pipeline))),
      oversize_refused(oversize_counter(registry, pipeline, "refused")),
      oversize_truncated(oversize_counter(registry, pipeline, "truncated")),
      oversize_split(oversize_counter(registry, pipeline, "split")),
      oversize_claimed(oversize_counter(registry, pipeline, "claim_check")),
      claim_check_bytes(registry.counter("dstream_claim_check_bytes_total",
                                         "Bytes of values that were stored because they were too "
                                         "large for the sink.",
                                         labels(pipeline))),
      claim_check_retries(registry.counter("dstream_claim_check_retries_total",
                                           "Attempts to store such a value that failed and were "
                                           "made again.",
                                           labels(pipeline))),
      checkpoint_writes(registry.counter("dstream_checkpoint_writes_total",
                                         "Positions made durable.", labels(pipeline))),
      checkpoint_failures(registry.counter("dstream_checkpoint_failures_total",
                                           "Positions that could not be made durable.",
                                           labels(pipeline))),
      checkpoint_age(registry.gauge("dstream_checkpoint_age_seconds",
                                    "Since the last durable position; 0 while it covers "
                                    "everything that was read.",
                                    labels(pipeline))),
      queue_bytes(registry.gauge("dstream_queue_bytes",
                                 "Memory in the queue, in flight and in encodings.",
                                 labels(pipeline))),
      queue_bytes_max(registry.gauge("dstream_queue_limit_bytes",
                                     "The limit of dstream_queue_bytes.", labels(pipeline))),
      in_flight_items(registry.gauge("dstream_sink_in_flight_items",
                                     "Items the sink has taken and not confirmed.",
                                     labels(pipeline))),
      latency(registry.histogram("dstream_end_to_end_latency_seconds",
                                 "From commit at the source to confirmation by the sink, of the "
                                 "newest record of each batch.",
                                 labels(pipeline))) {}

Error plugin_error(Role role, const std::string& connector, const char* call,
                   const CallResult& result) {
  StatusText text = status_text(result.status);
  Error error;
  error.code = std::string(role == Role::kSource ? "DS-SOURCE-" : "DS-SINK-") + text.suffix;
  std::string said(result.message());
  if (said.empty()) {
    said = "the plugin gave no reason";
  }
  error.message = connector + " (" + call + "): " + said;
  if (result.error.vendor_code != 0) {
    error.message += " [code " + std::to_string(result.error.vendor_code);
    if (result.error.sqlstate[0] != '\0') {
      error.message +=
          ", SQLSTATE " + std::string(result.error.sqlstate, strnlen(result.error.sqlstate, 8));
    }
    error.message += "]";
  }
  error.hint = text.hint;
  error.exit_code = text.exit_code;
  return error;
}

uint32_t to_wait_ms(int64_t wait_ns) {
  int64_t milliseconds = (std::max<int64_t>(wait_ns, 0) + kNanosPerMilli - 1) / kNanosPerMilli;
  return static_cast<uint32_t>(std::min<int64_t>(milliseconds, UINT32_MAX));
}

}  // namespace dstream::core
