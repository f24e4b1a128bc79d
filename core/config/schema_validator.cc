// The only file that includes valijson.
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

#include <valijson/adapters/poco_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include <exception>

#include "core/config/schema_check.h"

namespace dstream::core {
namespace {

// valijson converts every value with a `format` to a string and throws if it is none; formats are
// checked beside it.
void remove_formats(const Json& schema, bool names_are_keys = false) {
  if (schema.type() == typeid(Poco::JSON::Array::Ptr)) {
    for (const Json& item : *schema.extract<Poco::JSON::Array::Ptr>()) {
      remove_formats(item);
    }
    return;
  }
  if (schema.type() != typeid(JsonObject)) {
    return;
  }
  JsonObject object = schema.extract<JsonObject>();
  if (!names_are_keys) {
    object->remove("format");
  }
  for (const std::string& name : object->getNames()) {
    bool keys = !names_are_keys && (name == "properties" || name == "patternProperties" ||
                                    name == "definitions" || name == "dependencies");
    if (names_are_keys ||
        (name != "default" && name != "enum" && name != "const" && name != "examples")) {
      remove_formats(object->get(name), keys);
    }
  }
}

// valijson writes a path as "<root>", "[source]", "[tables]", "[0]".
std::string pointer_of(const std::vector<std::string>& context) {
  std::string out;
  for (const std::string& part : context) {
    if (part.size() >= 2 && part.front() == '[' && part.back() == ']') {
      out = pointer_to(out, part.substr(1, part.size() - 2));
    }
  }
  return out;
}

}  // namespace

SchemaVerdict run_validator(const SchemaView& view, const Json& value) {
  try {
    Json document = deep_copy(Json(view.document()));
    remove_formats(document);
    valijson::Schema schema;
    valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
    parser.populateSchema(valijson::adapters::PocoJsonAdapter(document), schema);
    valijson::Validator validator;
    valijson::ValidationResults results;
    if (validator.validate(schema, valijson::adapters::PocoJsonAdapter(value), &results)) {
      return {};
    }
    // Children are reported before the parents that fail because of them.
    valijson::ValidationResults::Error first;
    if (results.popError(first)) {
      return {pointer_of(first.context), first.description};
    }
    return {"", "The schema allows no value here."};
  } catch (const std::exception& failure) {
    return {"", std::string("The schema itself is at fault: ") + failure.what()};
  }
}

}  // namespace dstream::core
