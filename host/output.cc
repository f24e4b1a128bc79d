#include "host/output.h"

#include <Poco/JSON/Array.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace dstream::host {
namespace {

void print(FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

std::string styled(const char* style, const std::string& text, bool color) {
  return color ? std::string("\x1b[") + style + "m" + text + "\x1b[0m" : text;
}

void print_error(const char* word, const char* style, const core::Error& error) {
  bool color = wants_color(STDERR_FILENO);
  std::string out;
  if (error.place && !error.place->text().empty()) {
    out += styled("1", error.place->text() + ":", color) + " ";
  }
  out += styled(style, word, color) + " " + error.code + ": " + error.message + "\n";
  if (!error.hint.empty()) {
    out += "    " + styled("2", "hint:", color) + " " + error.hint + "\n";
  }
  print(stderr, out);
}

}  // namespace

bool wants_color(int descriptor) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  bool dumb = terminal != nullptr && std::string(terminal) == "dumb";
  return (no_color == nullptr || *no_color == '\0') && !dumb && isatty(descriptor) == 1;
}

core::JsonObject new_object() { return new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER); }

core::Json error_json(const core::Error& error) {
  core::JsonObject out = new_object();
  out->set("code", error.code);
  out->set("message", error.message);
  out->set("hint", error.hint);
  if (error.place) {
    core::JsonObject place = new_object();
    place->set("file", error.place->file);
    place->set("line", error.place->line);
    place->set("column", error.place->column);
    out->set("place", place);
  } else {
    out->set("place", core::Json());
  }
  return out;
}

int exit_code_of(const std::vector<core::Error>& errors) {
  bool agree = std::all_of(errors.begin(), errors.end(), [&](const core::Error& error) {
    return error.exit_code == errors.front().exit_code;
  });
  return static_cast<int>(agree && !errors.empty() ? errors.front().exit_code
                                                   : core::ExitCode::kFailed);
}

int Output::succeed(const core::Json& result, const std::string& text) const {
  if (!json_) {
    print(stdout, text);
    return 0;
  }
  core::JsonObject out = new_object();
  out->set("command", command_);
  out->set("ok", true);
  out->set("result", result);
  print(stdout, redactor_->apply(core::json_text(core::Json(out))) + "\n");
  return 0;
}

int Output::fail(const std::vector<core::Error>& errors) const {
  std::vector<core::Error> clean;
  clean.reserve(errors.size());
  for (const core::Error& error : errors) {
    clean.push_back(redactor_->apply(error));
  }
  if (!json_) {
    for (const core::Error& error : clean) {
      print_error("error:", "31", error);
    }
    return exit_code_of(errors);
  }
  core::JsonObject out = new_object();
  Poco::JSON::Array::Ptr all = new Poco::JSON::Array;
  for (const core::Error& error : clean) {
    all->add(error_json(error));
  }
  out->set("command", command_);
  out->set("ok", false);
  out->set("error", all->get(0));
  out->set("errors", all);
  print(stdout, core::json_text(core::Json(out)) + "\n");
  return exit_code_of(errors);
}

void Output::progress(const std::string& text) const {
  if (!json_) {
    print(stdout, redactor_->apply(text));
  }
}

void Output::warn(const core::Error& warning) const {
  if (!json_) {
    print_error("warning:", "33", redactor_->apply(warning));
  }
}

std::string text_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace dstream::host
