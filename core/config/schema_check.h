// Checks a JSON value against a JSON Schema (draft-07) and explains each error to a person: the
// place, the key, what was expected, and the known key that a misspelt one was meant to be.
//
// Thread rule: plain functions; [any-thread].
#pragma once

#include <string>
#include <vector>

#include "core/config/schema_view.h"
#include "core/config/typed_json.h"

namespace dstream::core {

// Adds to `errors` what is wrong with `value`, which came from `pointer` in the file of `origins`.
// Codes, all with exit code 2: DS-CONFIG-UNKNOWN-KEY, DS-CONFIG-MISSING-KEY, DS-CONFIG-TYPE,
// DS-CONFIG-VALUE. Besides draft-07 the keyword `format` knows `duration` and `size`, with
// `x-minimum` and `x-maximum` as texts of the same kind.
void check_schema(const SchemaView& view, const Json& value, const Origins& origins,
                  const std::string& pointer, std::vector<Error>& errors);

// Text of the value for an error message; empty if it might give away a secret (I11).
std::string harmless_text(const Json& value);

// What valijson finds first. `path` is a JSON pointer below the value. Empty reason: it is valid.
struct SchemaVerdict {
  std::string path;
  std::string reason;
};
SchemaVerdict run_validator(const SchemaView& view, const Json& value);

}  // namespace dstream::core
