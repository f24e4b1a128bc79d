// Reads a JSON Schema (draft-07) the way a person does: which keys does it know here, which types
// does it allow, what is the default. valijson decides whether a document is valid; this says what
// a value is meant to be before it is one, and explains afterwards.
//
// Thread rule: immutable once parsed; [any-thread].
#pragma once

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Object.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace dstream::core {

using Json = Poco::Dynamic::Var;
using JsonObject = Poco::JSON::Object::Ptr;

// A set of JSON types; every integer is a number, too.
using JsonTypes = uint8_t;
inline constexpr JsonTypes kJsonNull = 1, kJsonBoolean = 2, kJsonInteger = 4, kJsonFraction = 8,
                           kJsonNumber = kJsonInteger | kJsonFraction, kJsonString = 16,
                           kJsonArray = 32, kJsonObject = 64, kJsonAny = 127;

// The one type that `value` has.
JsonTypes json_type(const Json& value);
// "a string or a number".
std::string type_names(JsonTypes types);

// One schema that speaks about a value.
struct Candidate {
  enum class Bond {
    kCertain,      // the value must satisfy it
    kAlternative,  // one of several (anyOf, oneOf)
    kConditional,  // behind then or else
    kAnnotation    // beside a $ref: texts and a default, no rule
  };
  JsonObject schema;
  Bond bond = Bond::kCertain;
  int group = 0;  // which alternative it belongs to
};
using Candidates = std::vector<Candidate>;

class SchemaView {
 public:
  // Errors: DS-PLUGIN-SCHEMA if `text` is not a JSON object.
  static Result<SchemaView> parse(const std::string& text);

  const JsonObject& document() const { return document_; }
  // Everything that speaks about the document as a whole.
  Candidates root() const;
  // Everything that speaks about the value of `key`, or the item at `index`.
  Candidates member(const Candidates& owners, const std::string& key) const;
  Candidates item(const Candidates& owners, size_t index) const;

 private:
  void expand(const Json& schema, Candidate::Bond bond, int group, int depth,
              Candidates& out) const;
  void expand_list(const JsonObject& owner, const char* keyword, bool alternatives,
                   const Candidate& as, int depth, Candidates& out) const;
  Json resolve(const std::string& reference) const;

  JsonObject document_;
  mutable int groups_ = 0;
};

// What the candidates together allow.
JsonTypes allowed_types(const Candidates& candidates);
// Without the alternatives that cannot mean a value of `type`; a single one left becomes certain.
Candidates narrow(Candidates candidates, JsonTypes type);
// True if any candidate says `"keyword": true`.
bool any_flag(const Candidates& candidates, const char* keyword);
// The first string under `keyword` of any candidate; empty if there is none.
std::string any_text(const Candidates& candidates, const char* keyword);
// All keys that the candidates' `properties` name, in their order.
std::vector<std::string> known_keys(const Candidates& candidates);
// False if `key` is an error: nobody names it, and somebody allows named ones only.
bool accepts_key(const Candidates& candidates, const std::string& key);

// Adds the defaults of missing keys to `value` and everything below it. A missing mapping appears
// only if its schema gives it a default itself (`"default": {}`).
void fill_defaults(const SchemaView& view, const Candidates& candidates, Json& value);

// A copy that shares nothing with `value`.
Json deep_copy(const Json& value);

}  // namespace dstream::core
