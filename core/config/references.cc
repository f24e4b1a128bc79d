#include "core/config/references.h"

#include <algorithm>

namespace dstream::core {
namespace {

constexpr uint64_t kFileBytesMax = 1 << 20;

tl::unexpected<Error> refuse(std::string code, std::string message, std::string hint) {
  return fail(
      Error{std::move(code), std::move(message), std::move(hint), std::nullopt, ExitCode::kUsage});
}

bool is_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
           (letter >= '0' && letter <= '9') || letter == '_';
  });
}

Result<std::string> from_environment(std::string_view body, const ReferenceSources& sources) {
  uint64_t split = body.find(":-");
  std::string name(body.substr(0, split));
  if (!is_name(name)) {
    return refuse("DS-CONFIG-REFERENCE",
                  "The name of an environment variable is missing or has "
                  "other characters than letters, digits and _.",
                  "Write ${env:NAME}, or ${env:NAME:-default}.");
  }
  if (auto value = sources.environment(name)) {
    return *value;
  }
  if (split != std::string_view::npos) {
    return std::string(body.substr(split + 2));
  }
  return refuse("DS-CONFIG-ENVIRONMENT", "The environment variable " + name + " is not set.",
                "Set it, or give a default: ${env:" + name + ":-value}.");
}

Result<std::string> from_file(std::string_view body, const ReferenceSources& sources) {
  std::string path(body);
  if (path.empty()) {
    return refuse("DS-CONFIG-REFERENCE", "The path of the file is missing.",
                  "Write ${file:/run/secrets/name}.");
  }
  if (!path.starts_with('/') && !sources.folder.empty()) {
    path = sources.folder + "/" + path;
  }
  auto content = sources.files->read(path, kFileBytesMax);
  if (!content) {
    return refuse("DS-CONFIG-REFERENCE-FILE",
                  "The file that ${file:} names cannot be read: " + content.error().message,
                  "Check the path and who may read it.");
  }
  if (content->ends_with('\n')) {
    content->pop_back();
    if (content->ends_with('\r')) {
      content->pop_back();
    }
  }
  if (content->find('\0') != std::string::npos) {
    return refuse("DS-CONFIG-REFERENCE-FILE", "The file " + path + " has a NUL character in it.",
                  "The file must be plain text.");
  }
  return std::move(*content);
}

Result<void> append_reference(std::string_view body, const ReferenceSources& sources,
                              ResolvedText& out) {
  bool is_env = body.starts_with("env:");
  if (!is_env && !body.starts_with("file:")) {
    bool bare = is_name(body);
    return refuse("DS-CONFIG-REFERENCE", "A reference begins with env: or file:.",
                  bare ? "Did you mean ${env:" + std::string(body) + "}? Write $${ for a literal."
                       : std::string("Write ${env:NAME} or ${file:PATH}, or $${ for a literal."));
  }
  auto value =
      is_env ? from_environment(body.substr(4), sources) : from_file(body.substr(5), sources);
  if (!value) {
    return tl::unexpected(value.error());
  }
  out.has_reference = true;
  out.text += *value;
  (is_env ? out.from_environment : out.from_files).push_back(std::move(*value));
  return {};
}

}  // namespace

Result<ResolvedText> resolve_references(std::string_view text, const ReferenceSources& sources) {
  ResolvedText out;
  while (!text.empty()) {
    uint64_t at = std::min(text.find('$'), text.size());
    out.text += text.substr(0, at);
    text.remove_prefix(at);
    if (text.starts_with("$${")) {
      out.text += "${";
      text.remove_prefix(3);
    } else if (text.starts_with("${")) {
      uint64_t end = text.find('}');
      if (end == std::string_view::npos) {
        return refuse("DS-CONFIG-REFERENCE", "The reference that ${ opens is never closed.",
                      "Add the closing brace, or write $${ for a literal.");
      }
      if (auto added = append_reference(text.substr(2, end - 2), sources, out); !added) {
        return tl::unexpected(added.error());
      }
      text.remove_prefix(end + 1);
    } else if (!text.empty()) {
      out.text += '$';
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace dstream::core
