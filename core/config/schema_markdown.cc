#include "core/config/schema_markdown.h"

#include <Poco/JSON/Array.h>

#include <vector>

#include "core/config/file_schema.h"
#include "core/config/json_text.h"

namespace dstream::core {
namespace {

// A table cell must not end early.
std::string cell(std::string text) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '|') {
      text.insert(at++, 1, '\\');
    } else if (text[at] == '\n') {
      text[at] = ' ';
    }
  }
  return text;
}

std::string code(const std::string& text) { return "`" + cell(text) + "`"; }

std::string limits_text(const JsonObject& schema) {
  auto text = [&](const char* keyword) {
    return schema->has(keyword) ? schema->get(keyword).convert<std::string>() : std::string();
  };
  std::string least = text(schema->has("minimum") ? "minimum" : "x-minimum");
  std::string most = text(schema->has("maximum") ? "maximum" : "x-maximum");
  if (least.empty() && most.empty()) {
    return "";
  }
  if (most.empty()) {
    return ", at least " + least;
  }
  return least.empty() ? ", at most " + most : ", " + least + " to " + most;
}

// "duration, 10ms to 10m", "`text`, `json` or `logfmt`", "list of string".
std::string type_text(const SchemaView& view, const Candidates& about) {
  std::vector<std::string> types;
  for (const Candidate& candidate : about) {
    const JsonObject& schema = candidate.schema;
    std::string text;
    if (schema->has("const")) {
      text = code(schema->get("const").convert<std::string>());
    } else if (auto choices = schema->getArray("enum")) {
      for (unsigned i = 0; i < choices->size(); ++i) {
        text += (i == 0                     ? ""
                 : i + 1 == choices->size() ? " or "
                                            : ", ") +
                code(choices->get(i).convert<std::string>());
      }
    } else if (schema->has("format")) {
      text = schema->getValue<std::string>("format") + limits_text(schema);
    } else if (schema->has("type") && schema->get("type").isString()) {
      auto type = schema->getValue<std::string>("type");
      Candidates items = view.item({candidate}, 0);
      auto examples = schema->getArray("examples");
      if (type == "array") {
        text = items.empty() ? "list" : "list of " + type_text(view, items);
      } else if (type == "string" && examples && examples->size() > 0) {
        text = "string such as " + code(examples->get(0).convert<std::string>());
      } else {
        text = type == "object" ? "mapping" : type + limits_text(schema);
      }
    }
    if (!text.empty()) {
      types.push_back(text);
    }
  }
  std::string out;
  for (size_t i = 0; i < types.size(); ++i) {
    out += (i == 0 ? "" : " or ") + types[i];
  }
  return out;
}

std::string default_text(const Candidates& about, bool required) {
  for (const Candidate& candidate : about) {
    if (!candidate.schema->has("default")) {
      continue;
    }
    Json value = candidate.schema->get("default");
    JsonTypes type = json_type(value);
    if (type == kJsonObject) {
      return "";
    }
    std::string text = type == kJsonString ? value.toString() : json_text(value);
    return text.empty() ? "empty" : code(text);
  }
  return required ? "required" : "";
}

bool is_required(const Candidates& owners, const std::string& key) {
  for (const Candidate& owner : owners) {
    if (auto names = owner.schema->getArray("required")) {
      for (const Json& name : *names) {
        if (name.toString() == key) {
          return true;
        }
      }
    }
  }
  return false;
}

void add_rows(const SchemaView& view, const Candidates& owners, const std::string& prefix,
              const std::string& stop_at, std::string& out) {
  for (const std::string& key : known_keys(owners)) {
    Candidates about = view.member(owners, key);
    std::string description = any_text(about, "description");
    if (any_flag(about, "x-secret")) {
      description += description.empty() ? "Secret: never shown." : " Secret: never shown.";
    }
    out += "| " + code(prefix + key) + " | " + type_text(view, about) + " | " +
           default_text(about, is_required(owners, key)) + " | " + cell(description) + " |\n";
    if (key == stop_at || any_text(about, "x-connector") != "") {
      continue;
    }
    add_rows(view, about, prefix + key + ".", stop_at, out);
    add_rows(view, view.item(about, 0), prefix + key + "[].", stop_at, out);
  }
}

std::string table(const SchemaView& view, const std::string& stop_at = {}) {
  std::string out = "| key | value | default | meaning |\n|---|---|---|---|\n";
  add_rows(view, view.root(), "", stop_at, out);
  return out;
}

}  // namespace

std::string file_schema_markdown() {
  return "### The file\n\n" + table(file_schema(FileShape::kWhole), "pipelines") +
         "\n### A pipeline\n\n" + table(file_schema(FileShape::kPipeline));
}

Result<std::string> schema_markdown(const PluginRegistry& plugins) {
  std::string out = file_schema_markdown();
  for (bool sources : {true, false}) {
    for (const LoadedConnector& loaded : plugins.connectors()) {
      if (loaded.is_source() != sources) {
        continue;
      }
      auto view = connector_schema(loaded);
      if (!view) {
        return tl::unexpected(view.error());
      }
      out += std::string("\n### ") + (sources ? "Source " : "Sink ") + code(loaded.connector->id) +
             "\n\n" + loaded.connector->summary + "\n\n" + table(*view);
    }
  }
  return out;
}

}  // namespace dstream::core
