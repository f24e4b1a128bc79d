#include "host/running_checks.h"

#include <Poco/JSON/Array.h>
#include <fmt/format.h>

#include <algorithm>

#include "host/status_text.h"

namespace dstream::host {
namespace {

using Result = core::InstanceCheck::Result;

constexpr int64_t kLatelyMs = 3'600'000;

core::InstanceCheck made(Result result, const std::string& sentence, const std::string& mend = "") {
  return {result, "throttled", "", sentence, mend};
}

// "sink.status.throttled" of the pipeline; null if it is not there.
core::JsonObject throttled_of(const core::JsonObject& status, const std::string& pipeline,
                              bool* runs) {
  *runs = false;
  if (!status->isArray("pipelines")) {
    return {};
  }
  for (const core::Json& each : *status->getArray("pipelines")) {
    if (each.type() != typeid(core::JsonObject)) {
      continue;
    }
    const auto& one = each.extract<core::JsonObject>();
    if (one->optValue<std::string>("name", "") != pipeline) {
      continue;
    }
    *runs = true;
    core::JsonObject node = one;
    for (const char* key : {"sink", "status", "throttled"}) {
      if (!node->isObject(key)) {
        return {};
      }
      node = node->getObject(key);
    }
    return node;
  }
  return {};
}

// A number that a plugin says, as far as it is one.
int64_t number(const core::JsonObject& object, const char* key, int64_t otherwise) {
  const core::Json value = object->get(key);
  return !value.isEmpty() && value.isInteger() && value.convert<double>() < 9e18
             ? std::max<int64_t>(value.convert<int64_t>(), 0)
             : otherwise;
}

}  // namespace

core::InstanceCheck throttle_check(const core::Result<core::JsonObject>& status,
                                   const std::string& pipeline) {
  if (!status) {
    return status.error().code == "DS-ADMIN-NO-HOST"
               ? made(Result::kSkipped, "Not known: the pipeline does not run now.")
               : made(Result::kSkipped, "Not known: " + status.error().message);
  }
  bool runs = false;
  const core::JsonObject throttled = throttled_of(*status, pipeline, &runs);
  if (!runs) {
    return made(Result::kSkipped, "Not known: the pipeline does not run now.");
  }
  if (!throttled) {
    return made(Result::kSkipped, "Not known: the sink that runs does not tell.");
  }
  const int64_t ago_ms = number(throttled, "ago_ms", kLatelyMs);
  if (ago_ms >= kLatelyMs) {
    return made(Result::kOk,
                "The sink that runs was not throttled in the last hour, or since it started.");
  }
  const int64_t percent = std::min<int64_t>(number(throttled, "percent_of_last_minute", 0), 100);
  return made(
      Result::kWarning,
      fmt::format("The sink that runs was throttled {} ago, {} % of the last minute, {} "
                  "since it started.",
                  duration_text(ago_ms), percent, duration_text(number(throttled, "total_ms", 0))),
      "Give the other side more throughput (Event Hubs: throughput units), or send less: "
      "max_events_per_second, max_bytes_per_second.");
}

}  // namespace dstream::host
