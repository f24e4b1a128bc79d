#include "host/reload_report.h"

#include <Poco/JSON/Array.h>

#include <algorithm>

#include "host/output.h"

namespace dstream::host {
namespace {

Poco::JSON::Array::Ptr errors_json(const std::vector<core::Error>& errors) {
  Poco::JSON::Array::Ptr out = new Poco::JSON::Array;
  for (const core::Error& error : errors) {
    out->add(error_json(error));
  }
  return out;
}

bool was_acted_on(ReloadAction action) {
  return action != ReloadAction::kUnchanged && action != ReloadAction::kNotAsked;
}

int exit_code(const ReloadReport& report) {
  if (report.state == ReloadState::kRefused) {
    return exit_code_of(report.errors);
  }
  return std::any_of(report.pipelines.begin(), report.pipelines.end(),
                     [](const ReloadedPipeline& each) {
                       return was_acted_on(each.action) && each.state == "failed" &&
                              each.action != ReloadAction::kStopped;
                     })
             ? 1
             : 0;
}

// What an operator would do about it, in the words of the table.
std::string action_text(const std::string& action) {
  return action == "started_again" ? "started again"
         : action == "not_asked"   ? "not asked for"
                                   : action;
}

}  // namespace

core::JsonObject reload_json(const ReloadReport& report) {
  Poco::JSON::Array::Ptr keys = new Poco::JSON::Array;
  for (const std::string& key : report.restart_needed) {
    keys->add(key);
  }
  Poco::JSON::Array::Ptr pipelines = new Poco::JSON::Array;
  for (const ReloadedPipeline& each : report.pipelines) {
    core::JsonObject one = new_object();
    one->set("name", each.name);
    one->set("action", to_string(each.action));
    one->set("state", each.state.empty() ? core::Json() : core::Json(each.state));
    one->set("error", each.error ? error_json(*each.error) : core::Json());
    pipelines->add(one);
  }
  core::JsonObject out = new_object();
  out->set("number", report.number);
  out->set("state", to_string(report.state));
  out->set("exit_code", exit_code(report));
  out->set("errors", errors_json(report.errors));
  out->set("warnings", errors_json(report.warnings));
  out->set("restart_needed", keys);
  out->set("pipelines", pipelines);
  return out;
}

std::vector<core::Error> reload_errors(const core::JsonObject& report) {
  std::vector<core::Error> out;
  const auto code = static_cast<core::ExitCode>(report->getValue<int>("exit_code"));
  for (const core::Json& each : *report->getArray("errors")) {
    core::JsonObject error = each.extract<core::JsonObject>();
    out.push_back({error->getValue<std::string>("code"), error->getValue<std::string>("message"),
                   error->getValue<std::string>("hint"), std::nullopt, code});
    if (error->isObject("place")) {
      core::JsonObject place = error->getObject("place");
      out.back().place = core::Place{place->getValue<std::string>("file"),
                                     place->getValue<int>("line"), place->getValue<int>("column")};
    }
  }
  return out;
}

std::string reload_text(const core::JsonObject& report) {
  std::vector<std::vector<std::string>> rows = {{"PIPELINE", "RELOAD", "STATE"}};
  std::string errors;
  for (const core::Json& each : *report->getArray("pipelines")) {
    core::JsonObject one = each.extract<core::JsonObject>();
    auto name = one->getValue<std::string>("name");
    rows.push_back({name, action_text(one->getValue<std::string>("action")),
                    one->optValue<std::string>("state", "-")});
    if (one->isObject("error")) {
      core::JsonObject error = one->getObject("error");
      errors += name + ": " + error->getValue<std::string>("code") + ": " +
                error->getValue<std::string>("message") + "\n";
    }
  }
  std::string out = text_table(rows) + errors;
  for (const core::Json& key : *report->getArray("restart_needed")) {
    out += key.toString() + " has changed and takes effect at the next start of dstream run.\n";
  }
  return out;
}

}  // namespace dstream::host
