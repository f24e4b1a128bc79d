#include "host/doctor_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <sstream>

namespace dstream::host {
namespace {

constexpr const char* kWords[] = {"ok", "warning", "failed", "skipped"};
constexpr const char* kStyles[] = {"32", "33", "31", "2"};

std::string indented(const std::string& text, const std::string& indent) {
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    out += indent + line + "\n";
  }
  return out;
}

}  // namespace

DoctorReport::DoctorReport(const Output& output) : output_(output) {}

void DoctorReport::begin_pipeline(const std::string& name, const std::string& source,
                                  const std::string& sink) {
  checks_ = new Poco::JSON::Array;
  core::JsonObject pipeline = new_object();
  pipeline->set("name", name);
  pipeline->set("source", source);
  pipeline->set("sink", sink);
  pipeline->set("checks", checks_);
  output_.progress((pipelines_->empty() ? "" : "\n") + name + ": " + source + " -> " + sink + "\n");
  pipelines_->add(pipeline);
}

void DoctorReport::add(const std::string& side, const core::InstanceCheck& check) {
  auto result = static_cast<size_t>(check.result);
  ++counts_[result];
  core::JsonObject out = new_object();
  out->set("side", side);
  out->set("id", check.id);
  out->set("subject", check.subject);
  out->set("result", std::string(kWords[result]));
  out->set("sentence", check.sentence);
  out->set("mend", check.mend);
  checks_->add(out);

  std::string word = fmt::format("{:<8}", kWords[result]);
  if (wants_color(STDOUT_FILENO)) {
    word = fmt::format("\x1b[{}m{}\x1b[0m", kStyles[result], word);
  }
  std::string id = side == "host" ? check.id : side + "." + check.id;
  std::string subject = check.subject.empty() ? "" : check.subject + ": ";
  output_.progress(fmt::format("  {} {}: {}{}\n", word, id, subject, check.sentence) +
                   indented(check.mend, "             "));
}

int DoctorReport::finish() const {
  auto count = [&](core::InstanceCheck::Result result) {
    return counts_[static_cast<size_t>(result)];
  };
  using Result = core::InstanceCheck::Result;
  core::JsonObject out = new_object();
  out->set("pipelines", pipelines_);
  out->set("ok", count(Result::kOk));
  out->set("warnings", count(Result::kWarning));
  out->set("failed", count(Result::kFailed));
  out->set("skipped", count(Result::kSkipped));
  const int warnings = count(Result::kWarning);
  output_.succeed(core::Json(out),
                  fmt::format("\n{} ok, {} {}, {} failed, {} skipped.\n", count(Result::kOk),
                              warnings, warnings == 1 ? "warning" : "warnings",
                              count(Result::kFailed), count(Result::kSkipped)));
  return count(Result::kFailed) > 0 ? 1 : 0;
}

}  // namespace dstream::host
