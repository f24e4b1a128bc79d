// The scalars of one instance's configuration, by JSON Pointer: what dstream.config/1 looks up.
//
// Thread rule: const after parse(), [any-thread].
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/error.h"
#include "dstream/abi.h"

namespace dstream::core {

class ConfigValues {
 public:
  // Errors: DS-PLUGIN-CONFIG-JSON if `json` is not a JSON object. The text is not quoted: it may
  // hold secrets (I11).
  static Result<ConfigValues> parse(const std::string& json);

  // OK: `*out` is the scalar there, its text valid as long as this object. UNSUPPORTED: there is
  // an object or an array, `*out` is ABSENT. CONFIG: there is nothing.
  dstream_status get(std::string_view json_pointer, dstream_value* out) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  friend class ConfigFlattener;

  std::unordered_map<std::string, dstream_value, Hash, std::equal_to<>> values_;
  std::deque<std::string> texts_;  // stable addresses for what values_ points to
};

}  // namespace dstream::core
