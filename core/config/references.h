// References in scalars: `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}`.
//
// They are replaced after the YAML is parsed, so what they stand for is never read as YAML.
// `$${` is a literal `${`; any other dollar sign stands for itself.
//
// Thread rule: plain functions; `environment` and `files` are called on the caller's thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/file_system.h"

namespace dstream::core {

// Where references lead; borrowed for the calls they are given to.
struct ReferenceSources {
  // The value of an environment variable, nullopt if it is not set.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  FileSystem* files = nullptr;
  std::string folder;  // relative paths of ${file:PATH} start here
};

struct ResolvedText {
  std::string text;
  bool has_reference = false;
  std::vector<std::string> from_files;        // contents of files: always secret (I11)
  std::vector<std::string> from_environment;  // secret where the key is
};

// One line break at the end of a file's content is left out; editors add it.
// Errors, without a place, exit code 2:
//   DS-CONFIG-REFERENCE       not one of the forms above
//   DS-CONFIG-ENVIRONMENT     the variable is not set and there is no default
//   DS-CONFIG-REFERENCE-FILE  the file cannot be read, or has more than 1 MiB
Result<ResolvedText> resolve_references(std::string_view text, const ReferenceSources& sources);

}  // namespace dstream::core
