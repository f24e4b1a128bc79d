#include "host/admin_status.h"

#include <Poco/JSON/Parser.h>

#include <algorithm>

#include "core/base/log_line.h"
#include "host/output.h"

namespace dstream::host {
namespace {

// The guard has checked that it is an object.
core::Json parsed(const std::optional<std::string>& text) {
  return text ? Poco::JSON::Parser().parse(*text) : core::Json();
}

// How far delivery is behind the source: what the source says, else, while records are delivered,
// the age of the newest one. Null if nobody knows.
core::Json lag_ms(const core::Json& source_status, const PipelineView& view, int64_t wall_ns) {
  if (source_status.type() == typeid(core::JsonObject)) {
    core::Json said = source_status.extract<core::JsonObject>()->get("lag_ms");
    if (said.isNumeric()) {
      return said;
    }
  }
  bool delivers = view.status && view.records_per_second > 0;
  if (!delivers || view.status->last_commit_time_ns == 0) {
    return {};
  }
  return std::max<int64_t>(wall_ns - view.status->last_commit_time_ns, 0) / core::kNanosPerMilli;
}

}  // namespace

std::string state_text(const PipelineView& view) {
  return view.status ? core::to_string(view.status->state)
                     : core::to_string(view.create_error ? core::PipelineState::kFailed
                                                         : core::PipelineState::kStarting);
}

core::Json pipeline_json(const PipelineView& view, int64_t wall_ns) {
  core::PipelineStatus status = view.status.value_or(core::PipelineStatus());
  std::optional<core::Error> error = view.status ? status.last_error : view.create_error;
  core::Json source_status = parsed(view.plugins.source);
  core::JsonObject source = new_object();
  source->set("type", view.source_type);
  source->set("status", source_status);
  core::JsonObject sink = new_object();
  sink->set("type", view.sink_type);
  sink->set("status", parsed(view.plugins.sink));
  core::JsonObject out = new_object();
  out->set("name", view.name);
  out->set("state", state_text(view));
  bool has_since = view.status && status.since_wall_ns != 0;
  out->set("since",
           has_since ? core::Json(core::utc_time_text(status.since_wall_ns)) : core::Json());
  out->set("in_state_ms", has_since
                              ? core::Json(std::max<int64_t>(wall_ns - status.since_wall_ns, 0) /
                                           core::kNanosPerMilli)
                              : core::Json());
  out->set("lag_ms", lag_ms(source_status, view, wall_ns));
  out->set("records_per_second", view.records_per_second);
  out->set("records_read", status.records_read);
  out->set("records_delivered", status.records_delivered);
  out->set("records_dead_lettered", status.records_dead_lettered);
  out->set("in_flight_records", status.in_flight_records);
  out->set("queue_bytes", status.queue_bytes);
  out->set("checkpoint_age_ms", status.checkpoint_age_ns / core::kNanosPerMilli);
  out->set("last_commit_time", status.last_commit_time_ns != 0
                                   ? core::Json(core::utc_time_text(status.last_commit_time_ns))
                                   : core::Json());
  out->set("last_error", error ? error_json(*error) : core::Json());
  out->set("source", source);
  out->set("sink", sink);
  return out;
}

}  // namespace dstream::host
