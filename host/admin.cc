#include "host/admin.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>
#include <arpa/inet.h>
#include <unistd.h>

#include <charconv>
#include <map>
#include <utility>

#include "core/base/log_line.h"
#include "host/admin_status.h"
#include "host/output.h"
#include "host/reload_report.h"

namespace dstream::host {
namespace {

constexpr const char* kPrometheus = "text/plain; version=0.0.4; charset=utf-8";

HttpResponse json_answer(int status, const core::JsonObject& body) {
  return {status, "application/json", core::json_text(core::Json(body)) + "\n"};
}

int http_status_of(const core::Error& error) {
  static const std::map<std::string, int> kStatuses = {
      {"DS-ADMIN-NO-PIPELINE", 404},    {"DS-SNAPSHOT-TABLE", 422},
      {"DS-SNAPSHOT-UNSUPPORTED", 501}, {"DS-SNAPSHOT-NOT-YET", 503},
      {"DS-SNAPSHOT-NOT-RUNNING", 409}, {"DS-SNAPSHOT-FAILED", 500}};
  return kStatuses.at(error.code);
}

// NAME of "/pipelines/NAME/snapshot"; nullopt for other paths.
std::optional<std::string> snapshot_pipeline(const std::string& path) {
  constexpr std::string_view kBefore = "/pipelines/";
  constexpr std::string_view kAfter = "/snapshot";
  if (!path.starts_with(kBefore) || !path.ends_with(kAfter) ||
      path.size() <= kBefore.size() + kAfter.size()) {
    return std::nullopt;
  }
  std::string name = path.substr(kBefore.size(), path.size() - kBefore.size() - kAfter.size());
  return name.find('/') == std::string::npos ? std::optional(name) : std::nullopt;
}

bool is_address(std::string host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  unsigned char ignored[16];
  return inet_pton(AF_INET, host.c_str(), ignored) == 1 ||
         inet_pton(AF_INET6, host.c_str(), ignored) == 1;
}

}  // namespace

Admin::Admin(AdminSettings settings)
    : settings_(std::move(settings)),
      started_monotonic_ns_(settings_.clock->monotonic_ns()),
      started_wall_ns_(settings_.clock->wall_ns()) {}

HttpResponse Admin::answer(const HttpRequest& request) {
  HttpResponse response =
      request.local || knows_host(request.host)
          ? route(request)
          : http_error(403, "DS-ADMIN-HOST", "This name is not one of the admin interface.",
                       "Use its address, or localhost.");
  response.body = settings_.redactor->apply(response.body);  // I11
  return response;
}

bool Admin::knows_host(const std::string& host) const {
  return host == "localhost" || host == settings_.listen_host || is_address(host);
}

HttpResponse Admin::route(const HttpRequest& request) {
  constexpr std::string_view kReports = "/reload/";
  std::optional<std::string> pipeline = snapshot_pipeline(request.path);
  const bool report = request.path.starts_with(kReports);
  const bool posted = pipeline || request.path == "/reload";
  bool known = posted || report || request.path == "/status" || request.path == "/metrics" ||
               request.path == "/health" || request.path == "/ready";
  if (!known) {
    return http_error(404, "DS-ADMIN-REQUEST", "There is nothing here.",
                      "There are /status, /metrics, /health, /ready and, with POST, /reload and "
                      "/pipelines/NAME/snapshot.");
  }
  if (request.method != (posted ? "POST" : "GET")) {
    return http_error(405, "DS-ADMIN-REQUEST",
                      std::string("This takes ") + (posted ? "POST." : "GET."));
  }
  // A form of a web page cannot have this type.
  if (posted && request.content_type != "application/json") {
    return http_error(415, "DS-ADMIN-REQUEST", "The body is to be application/json.");
  }
  if (posted) {
    return pipeline ? snapshot(*pipeline, request) : ask_to_reload(request);
  }
  if (report) {
    return reload_report(request.path.substr(kReports.size()));
  }
  if (request.path == "/metrics") {
    return {200, kPrometheus, settings_.metrics->prometheus_text()};
  }
  if (request.path == "/health") {
    core::JsonObject body = new_object();
    body->set("healthy", true);
    return json_answer(200, body);
  }
  return request.path == "/ready" ? ready() : status();
}

HttpResponse Admin::status() {
  int64_t now_ns = settings_.clock->wall_ns();
  core::JsonObject process = new_object();
  process->set("pid", static_cast<int64_t>(getpid()));
  process->set("version", settings_.version);
  process->set("started_at", core::utc_time_text(started_wall_ns_));
  process->set("uptime_ms",
               (settings_.clock->monotonic_ns() - started_monotonic_ns_) / core::kNanosPerMilli);
  process->set("state_dir", settings_.state_dir);
  Poco::JSON::Array::Ptr pipelines = new Poco::JSON::Array;
  for (const PipelineView& view : settings_.target->pipelines()) {
    pipelines->add(pipeline_json(view, now_ns));
  }
  core::JsonObject body = new_object();
  body->set("process", process);
  body->set("pipelines", pipelines);
  return json_answer(200, body);
}

HttpResponse Admin::ready() {
  bool all = true;
  core::JsonObject states = new_object();
  for (const PipelineView& view : settings_.target->pipelines()) {
    std::string state = state_text(view);
    all = all && (state == core::to_string(core::PipelineState::kRunning) ||
                  state == core::to_string(core::PipelineState::kStopped));
    states->set(view.name, state);
  }
  core::JsonObject body = new_object();
  body->set("ready", all);
  body->set("pipelines", states);
  return json_answer(all ? 200 : 503, body);
}

HttpResponse Admin::snapshot(const std::string& pipeline, const HttpRequest& request) {
  std::string table;
  try {
    core::Json document = Poco::JSON::Parser().parse(request.body);
    table = document.extract<core::JsonObject>()->getValue<std::string>("table");
  } catch (const Poco::Exception&) {
    table.clear();
  }
  if (table.empty()) {
    return http_error(400, "DS-ADMIN-REQUEST",
                      "The body is to be a JSON object with the name of a table.",
                      R"(For example {"table": "dbo.Orders"}.)");
  }
  auto taken = settings_.target->request_snapshot(pipeline, table);
  if (!taken) {
    return http_error(http_status_of(taken.error()), taken.error().code, taken.error().message,
                      taken.error().hint);
  }
  core::JsonObject body = new_object();
  body->set("pipeline", pipeline);
  body->set("table", table);
  body->set("accepted", *taken);
  return json_answer(*taken ? 202 : 200, body);
}

HttpResponse Admin::ask_to_reload(const HttpRequest& request) {
  std::string only;
  try {
    core::JsonObject body = Poco::JSON::Parser().parse(request.body).extract<core::JsonObject>();
    only = body->has("pipeline") ? body->get("pipeline").extract<std::string>() : "";
  } catch (const Poco::Exception&) {
    return http_error(400, "DS-ADMIN-REQUEST", "The body is to be a JSON object.",
                      R"(For example {} or {"pipeline": "people"}.)");
  }
  core::JsonObject body = new_object();
  body->set("number", settings_.reloads->request(only));
  return json_answer(202, body);
}

HttpResponse Admin::reload_report(const std::string& number) {
  uint64_t parsed = 0;
  auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), parsed);
  bool whole = error == std::errc() && end == number.data() + number.size();
  auto report = whole ? settings_.reloads->report(parsed) : std::nullopt;
  if (!report) {
    return http_error(404, "DS-RELOAD-UNKNOWN", "There is no reload of that number.",
                      "The last " + std::to_string(Reloads::kReportsMax) + " are remembered.");
  }
  return json_answer(200, reload_json(*report));
}

}  // namespace dstream::host
