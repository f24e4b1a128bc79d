// Reads a column's type as its source spells it: "decimal(18,4)", "nvarchar(max)", "datetime2".
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dstream::core {

struct SourceType {
  static constexpr int32_t kMax = -1;  // "(max)"

  std::string name;  // lower case, without arguments: "decimal"
  int argument_count = 0;
  int32_t arguments[2] = {0, 0};

  // The argument, or `fallback` if it was not given.
  int32_t argument_or(int index, int32_t fallback) const {
    return index < argument_count ? arguments[index] : fallback;
  }
};

// Never fails: what is not understood is left out, down to an empty name.
SourceType parse_source_type(std::string_view text);

}  // namespace dstream::core
