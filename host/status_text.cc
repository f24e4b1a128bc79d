#include "host/status_text.h"

#include <Poco/JSON/Array.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "core/plugins/text.h"
#include "host/output.h"

namespace dstream::host {
namespace {

constexpr int64_t kSecondMs = 1000;
constexpr int64_t kMinuteMs = 60 * kSecondMs;
constexpr int64_t kHourMs = 60 * kMinuteMs;
constexpr int64_t kDayMs = 24 * kHourMs;

// A number of a plugin may be of any size and sign.
std::optional<double> number(const core::JsonObject& object, const std::string& key) {
  core::Json value = object->get(key);
  if (value.isEmpty() || value.isBoolean() || !value.isNumeric()) {
    return std::nullopt;
  }
  double out = value.convert<double>();
  return std::isfinite(out) && out >= 0 && out < 9e18 ? std::optional(out) : std::nullopt;
}

std::string text(const core::JsonObject& object, const std::string& key) {
  core::Json value = object->get(key);
  return value.isString() ? core::printable(value.convert<std::string>()) : std::string();
}

std::string or_dash(const std::optional<double>& ms) {
  return ms ? duration_text(static_cast<int64_t>(*ms)) : "-";
}

std::string count_or_dash(const core::JsonObject& object, const std::string& key) {
  auto found = number(object, key);
  return found ? count_text(static_cast<uint64_t>(*found)) : "-";
}

std::vector<std::string> pipeline_row(const core::JsonObject& pipeline) {
  auto rate = number(pipeline, "records_per_second").value_or(0);
  auto queue = number(pipeline, "queue_bytes").value_or(0);
  return {text(pipeline, "name"),
          text(pipeline, "state"),
          or_dash(number(pipeline, "in_state_ms")),
          or_dash(number(pipeline, "lag_ms")),
          fmt::format("{}/s", count_text(static_cast<uint64_t>(std::llround(rate)))),
          count_or_dash(pipeline, "records_read"),
          count_or_dash(pipeline, "records_delivered"),
          size_text(static_cast<uint64_t>(queue)),
          or_dash(number(pipeline, "checkpoint_age_ms"))};
}

// "rows/estimate, percent, time left" of one copy, as far as it says so.
std::string snapshot_line(const std::string& pipeline, const core::JsonObject& snapshot) {
  auto rows = number(snapshot, "rows");
  auto estimate = number(snapshot, "rows_estimate");
  auto left_ms = number(snapshot, "left_ms");
  std::string state = text(snapshot, "state");
  std::string out = pipeline + ": snapshot of " + text(snapshot, "table");
  out += state.empty() ? "" : " " + state;
  if (rows && estimate && *estimate > 0) {
    out += fmt::format(", {} of about {} rows ({:.0f} %)", count_text(static_cast<uint64_t>(*rows)),
                       count_text(static_cast<uint64_t>(*estimate)),
                       std::min(*rows / *estimate, 1.0) * 100);
  } else if (rows) {
    out += fmt::format(", {} rows", count_text(static_cast<uint64_t>(*rows)));
  }
  if (left_ms) {
    out += ", about " + duration_text(static_cast<int64_t>(*left_ms)) + " left";
  }
  return out + "\n";
}

std::string snapshot_lines(const core::JsonObject& pipeline) {
  core::JsonObject source = pipeline->getObject("source");
  if (!source || !source->isObject("status") ||
      !source->getObject("status")->isArray("snapshots")) {
    return {};
  }
  std::string out;
  for (const core::Json& each : *source->getObject("status")->getArray("snapshots")) {
    if (each.type() == typeid(core::JsonObject)) {
      out += snapshot_line(text(pipeline, "name"), each.extract<core::JsonObject>());
    }
  }
  return out;
}

core::JsonObject sink_status(const core::JsonObject& pipeline) {
  core::JsonObject sink = pipeline->getObject("sink");
  return sink && sink->isObject("status") ? sink->getObject("status") : core::JsonObject();
}

std::string partition_line(const std::string& pipeline, const core::JsonObject& change) {
  std::string out = fmt::format("{}: topic {} has {} partitions instead of {}, found {} ago",
                                pipeline, text(change, "topic"), count_or_dash(change, "to"),
                                count_or_dash(change, "from"), or_dash(number(change, "ago_ms")));
  return out + (text(change, "state") == "draining"
                    ? "; it takes nothing more until what is under way is delivered\n"
                    : "\n");
}

// What the sink says: topics that grew, and how much of the last minute it had to wait.
std::string sink_lines(const core::JsonObject& pipeline) {
  core::JsonObject status = sink_status(pipeline);
  std::string out;
  if (status && status->isArray("partition_changes")) {
    for (const core::Json& each : *status->getArray("partition_changes")) {
      if (each.type() == typeid(core::JsonObject)) {
        out += partition_line(text(pipeline, "name"), each.extract<core::JsonObject>());
      }
    }
  }
  if (status && status->isObject("throttled")) {
    const double percent =
        number(status->getObject("throttled"), "percent_of_last_minute").value_or(0);
    if (percent > 0) {
      out += fmt::format("{}: the sink was throttled for {:.0f} % of the last minute\n",
                         text(pipeline, "name"), std::min(percent, 100.0));
    }
  }
  return out;
}

std::string error_lines(const core::JsonObject& pipeline) {
  if (!pipeline->isObject("last_error")) {
    return {};
  }
  core::JsonObject error = pipeline->getObject("last_error");
  std::string hint = text(error, "hint");
  return text(pipeline, "name") + ": " + text(error, "code") + ": " + text(error, "message") +
         "\n" + (hint.empty() ? "" : "    hint: " + hint + "\n");
}

}  // namespace

std::string duration_text(int64_t ms) {
  if (ms < kSecondMs) {
    return fmt::format("{} ms", ms);
  }
  if (ms < kMinuteMs) {
    return fmt::format("{} s", ms / kSecondMs);
  }
  if (ms < kHourMs) {
    return fmt::format("{} min", ms / kMinuteMs);
  }
  return ms < kDayMs ? fmt::format("{} h {} min", ms / kHourMs, ms % kHourMs / kMinuteMs)
                     : fmt::format("{} d {} h", ms / kDayMs, ms % kDayMs / kHourMs);
}

std::string size_text(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  for (; size >= 1024 && unit + 1 < std::size(kUnits); ++unit) {
    size /= 1024;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", size, kUnits[unit]);
}

std::string count_text(uint64_t count) {
  std::string out = std::to_string(count);
  for (size_t at = out.size(); at > 3; at -= 3) {
    out.insert(at - 3, 1, ',');
  }
  return out;
}

std::string status_text(const core::JsonObject& status) {
  core::JsonObject process = status->getObject("process");
  std::string out = fmt::format("DStream {}, process {}, up {}, state in {}\n\n",
                                text(process, "version"), process->optValue<int64_t>("pid", 0),
                                or_dash(number(process, "uptime_ms")), text(process, "state_dir"));
  std::vector<std::vector<std::string>> rows = {
      {"PIPELINE", "STATE", "FOR", "LAG", "RATE", "READ", "DELIVERED", "QUEUE", "CHECKPOINT AGE"}};
  std::string details;
  std::string errors;
  for (const core::Json& each : *status->getArray("pipelines")) {
    const auto& pipeline = each.extract<core::JsonObject>();
    rows.push_back(pipeline_row(pipeline));
    details += snapshot_lines(pipeline) + sink_lines(pipeline);
    errors += error_lines(pipeline);
  }
  out += text_table(rows);
  out += details.empty() ? "" : "\n" + details;
  return out + (errors.empty() ? "" : "\n" + errors);
}

}  // namespace dstream::host
