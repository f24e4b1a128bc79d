// Feeds arbitrary bytes to the YAML loader and the schema check, for as long as one likes:
//   cmake --preset asan -DDSTREAM_BUILD_FUZZERS=ON && cmake --build --preset asan \
//     --target config_fuzzer && build/asan/core/config/config_fuzzer conf
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/assert.h"
#include "core/config/file_schema.h"
#include "core/config/schema_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dstream::core;
  auto root = parse_yaml("f.yaml", std::string_view(reinterpret_cast<const char*>(data), size));
  if (!root) {
    DSTREAM_ASSERT(root.error().place && root.error().place->line > 0);
    return 0;
  }
  const SchemaView& view = file_schema(FileShape::kWhole);
  ReferenceSources sources;
  sources.environment = [](const std::string& name) { return std::optional(name); };
  std::vector<Error> errors;
  Origins origins("f.yaml");
  Redactor redactor;
  // A ${file:} reference would read what the fuzzer thinks of.
  if (std::string_view(reinterpret_cast<const char*>(data), size).find("file:") !=
      std::string_view::npos) {
    return 0;
  }
  TypedJsonContext context{&view, &sources, &origins, &redactor, &errors};
  Json keys = build_typed_json(context, **root, view.root(), "", (*root)->mark);
  check_schema(view, keys, origins, "", errors);
  return 0;
}
