// Turns a YAML tree into JSON whose types are those of the schema, and remembers for every JSON
// pointer where in the file it came from.
//
// A scalar that stands without quotes is what the schema allows it to be: `5` is a string where the
// schema wants a string, and a number where it wants a number. A scalar with a reference is typed
// the same way, quotes or not, since a variable has no quotes. A quoted scalar is a string.
//
// Thread rule: plain functions and values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/base/redact.h"
#include "core/config/references.h"
#include "core/config/schema_view.h"
#include "core/config/yaml_tree.h"

namespace dstream::core {

// What is known about the value behind one JSON pointer.
struct Origin {
  Mark key;  // of an item: its own place
  Mark value;
  bool secret = false;  // x-secret, or from a file
  std::string written;  // as it stands in the file, if it has a reference; else empty
};

// The places of one file's values. Pointers are RFC 6901: "/pipelines/0/source/connection".
class Origins {
 public:
  explicit Origins(std::string file = {}) : file_(std::move(file)) {}

  const std::string& file() const { return file_; }
  void set(const std::string& pointer, Origin origin) { origins_[pointer] = std::move(origin); }
  // nullptr if the pointer was not in the file.
  const Origin* find(const std::string& pointer) const;
  // The place of the value, or of the nearest thing around it that is in the file.
  Place value_place(const std::string& pointer) const;
  Place key_place(const std::string& pointer) const;

 private:
  std::string file_;
  std::map<std::string, Origin> origins_;
};

// "/a/b" and key "c/d" give "/a/b/c~1d".
std::string pointer_to(const std::string& pointer, const std::string& key);
// "/pipelines/0/source" as a person writes it: "pipelines[0].source".
std::string dotted(const std::string& pointer);

// What a build reads from and adds to. Pointers are borrowed.
struct TypedJsonContext {
  const SchemaView* schema = nullptr;
  const ReferenceSources* sources = nullptr;
  Origins* origins = nullptr;
  Redactor* redactor = nullptr;
  std::vector<Error>* errors = nullptr;  // DS-CONFIG-REFERENCE and its kind
};

// Values that cannot be resolved are left empty and reported. A mapping whose schema has
// `x-connector` is built only as far as its named keys; the connector's own schema builds the rest.
Json build_typed_json(const TypedJsonContext& context, const YamlNode& node,
                      const Candidates& candidates, const std::string& pointer, Mark key_mark);

// A copy for people: secrets are "[redacted]", references stand as they were written (I11).
Json redacted_copy(const Json& value, const Origins& origins, const std::string& pointer);

}  // namespace dstream::core
