#include "core/config/schema_view.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>

#include <algorithm>
#include <regex>
#include <utility>

namespace dstream::core {
namespace {

constexpr int kExpandDepthMax = 16;

bool is_object(const Json& value) { return value.type() == typeid(JsonObject); }
bool is_array(const Json& value) { return value.type() == typeid(Poco::JSON::Array::Ptr); }

JsonTypes type_bit(const std::string& name) {
  static const std::pair<const char*, JsonTypes> kNames[] = {
      {"null", kJsonNull},     {"boolean", kJsonBoolean}, {"integer", kJsonInteger},
      {"number", kJsonNumber}, {"string", kJsonString},   {"array", kJsonArray},
      {"object", kJsonObject}};
  for (const auto& [known, bit] : kNames) {
    if (name == known) {
      return bit;
    }
  }
  return kJsonAny;
}

// What one schema says about the type, from `type`, else from `const` and `enum`.
JsonTypes own_types(const JsonObject& schema) {
  Json type = schema->get("type");
  if (type.isString()) {
    return type_bit(type.toString());
  }
  JsonTypes types = 0;
  if (is_array(type)) {
    for (const Json& name : *type.extract<Poco::JSON::Array::Ptr>()) {
      types = static_cast<JsonTypes>(types | type_bit(name.toString()));
    }
    return types;
  }
  if (schema->has("const")) {
    return json_type(schema->get("const"));
  }
  if (Json values = schema->get("enum"); is_array(values)) {
    for (const Json& value : *values.extract<Poco::JSON::Array::Ptr>()) {
      types = static_cast<JsonTypes>(types | json_type(value));
    }
    return types;
  }
  return kJsonAny;
}

bool matches(const std::string& pattern, const std::string& key) {
  try {
    return std::regex_search(key, std::regex(pattern));
  } catch (const std::regex_error&) {
    return false;
  }
}

}  // namespace

JsonTypes json_type(const Json& value) {
  if (value.isEmpty()) {
    return kJsonNull;
  }
  if (is_object(value)) {
    return kJsonObject;
  }
  if (is_array(value)) {
    return kJsonArray;
  }
  if (value.isString()) {
    return kJsonString;
  }
  if (value.isBoolean()) {
    return kJsonBoolean;
  }
  return value.isInteger() ? kJsonInteger : kJsonFraction;
}

std::string type_names(JsonTypes types) {
  if ((types & kJsonNumber) == kJsonNumber) {
    types = static_cast<JsonTypes>(types & ~kJsonInteger);
  }
  static const std::pair<JsonTypes, const char*> kNames[] = {
      {kJsonString, "a string"},
      {kJsonInteger, "an integer"},
      {kJsonFraction, "a number"},
      {kJsonBoolean, "true or false"},
      {kJsonArray, "a list"},
      {kJsonObject, "a mapping"},
      {kJsonNull, "nothing (an empty value)"}};
  std::string out;
  for (const auto& [bit, name] : kNames) {
    if ((types & bit) != 0) {
      out += (out.empty() ? "" : " or ") + std::string(name);
    }
  }
  return out;
}

Result<SchemaView> SchemaView::parse(const std::string& text) {
  std::string reason = "it is not a JSON object";
  try {
    Poco::JSON::Parser parser(new Poco::JSON::ParseHandler(true));
    parser.setDepth(64);
    Json document = parser.parse(text);
    if (is_object(document)) {
      SchemaView view;
      view.document_ = document.extract<JsonObject>();
      return view;
    }
  } catch (const std::exception& failure) {
    reason = failure.what();
  }
  return fail("DS-PLUGIN-SCHEMA", "The configuration schema cannot be read: " + reason + ".",
              "This is a defect of the plugin; tell its vendor.");
}

Json SchemaView::resolve(const std::string& reference) const {
  Json at = document_;
  if (reference == "#") {
    return at;
  }
  if (!reference.starts_with("#/")) {
    return {};
  }
  for (size_t from = 2; from <= reference.size() && is_object(at);) {
    size_t end = std::min(reference.find('/', from), reference.size());
    at = at.extract<JsonObject>()->get(reference.substr(from, end - from));
    from = end + 1;
  }
  return at;
}

void SchemaView::expand(const Json& schema, Candidate::Bond bond, int group, int depth,
                        Candidates& out) const {
  if (!is_object(schema) || depth > kExpandDepthMax) {
    return;
  }
  const JsonObject& object = schema.extract<JsonObject>();
  if (Json reference = object->get("$ref"); reference.isString()) {
    // What stands beside it (a default, a description) comes first: it is about this key.
    bool certain = bond == Candidate::Bond::kCertain;
    out.push_back(
        {object, certain ? Candidate::Bond::kAnnotation : Candidate::Bond::kConditional, group});
    expand(resolve(reference.toString()), bond, group, depth + 1, out);
    return;
  }
  Candidate self{object, bond, group};
  out.push_back(self);
  expand_list(object, "allOf", false, self, depth, out);
  expand_list(object, "anyOf", true, self, depth, out);
  expand_list(object, "oneOf", true, self, depth, out);
  for (const char* branch : {"then", "else"}) {
    expand(object->get(branch), Candidate::Bond::kConditional, group, depth + 1, out);
  }
}

void SchemaView::expand_list(const JsonObject& owner, const char* keyword, bool alternatives,
                             const Candidate& as, int depth, Candidates& out) const {
  Json list = owner->get(keyword);
  if (!is_array(list)) {
    return;
  }
  for (const Json& schema : *list.extract<Poco::JSON::Array::Ptr>()) {
    bool conditional = as.bond == Candidate::Bond::kConditional;
    if (alternatives && !conditional) {
      expand(schema, Candidate::Bond::kAlternative, ++groups_, depth + 1, out);
    } else {
      expand(schema, as.bond, as.group, depth + 1, out);
    }
  }
}

Candidates SchemaView::root() const {
  Candidates out;
  expand(Json(document_), Candidate::Bond::kCertain, 0, 0, out);
  return out;
}

Candidates SchemaView::member(const Candidates& owners, const std::string& key) const {
  Candidates out;
  for (const Candidate& owner : owners) {
    bool named = false;
    if (Json keys = owner.schema->get("properties");
        is_object(keys) && keys.extract<JsonObject>()->has(key)) {
      named = true;
      expand(keys.extract<JsonObject>()->get(key), owner.bond, owner.group, 0, out);
    }
    if (Json patterns = owner.schema->get("patternProperties"); is_object(patterns)) {
      for (const auto& [pattern, schema] : *patterns.extract<JsonObject>()) {
        if (matches(pattern, key)) {
          named = true;
          expand(schema, owner.bond, owner.group, 0, out);
        }
      }
    }
    if (!named) {
      expand(owner.schema->get("additionalProperties"), owner.bond, owner.group, 0, out);
    }
  }
  return out;
}

Candidates SchemaView::item(const Candidates& owners, size_t index) const {
  Candidates out;
  for (const Candidate& owner : owners) {
    Json items = owner.schema->get("items");
    if (is_array(items)) {
      auto list = items.extract<Poco::JSON::Array::Ptr>();
      items = index < list->size() ? list->get(static_cast<unsigned>(index))
                                   : owner.schema->get("additionalItems");
    }
    expand(items, owner.bond, owner.group, 0, out);
  }
  return out;
}

JsonTypes allowed_types(const Candidates& candidates) {
  JsonTypes certain = kJsonAny;
  JsonTypes alternatives = 0;
  for (const Candidate& candidate : candidates) {
    JsonTypes own = own_types(candidate.schema);
    if (candidate.bond == Candidate::Bond::kCertain) {
      certain = static_cast<JsonTypes>(certain & own);
    } else if (candidate.bond == Candidate::Bond::kAlternative) {
      alternatives = static_cast<JsonTypes>(alternatives | own);
    }
  }
  return alternatives == 0 ? certain : static_cast<JsonTypes>(certain & alternatives);
}

Candidates narrow(Candidates candidates, JsonTypes type) {
  std::erase_if(candidates, [&](const Candidate& candidate) {
    return candidate.bond == Candidate::Bond::kAlternative &&
           (own_types(candidate.schema) & type) == 0;
  });
  int group = 0;
  bool single = true;
  for (const Candidate& candidate : candidates) {
    if (candidate.bond == Candidate::Bond::kAlternative) {
      single = single && (group == 0 || group == candidate.group);
      group = candidate.group;
    }
  }
  if (single) {
    for (Candidate& candidate : candidates) {
      if (candidate.bond == Candidate::Bond::kAlternative) {
        candidate.bond = Candidate::Bond::kCertain;
      }
    }
  }
  return candidates;
}

bool any_flag(const Candidates& candidates, const char* keyword) {
  return std::any_of(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
    Json flag = candidate.schema->get(keyword);
    return flag.isBoolean() && flag.convert<bool>();
  });
}

std::string any_text(const Candidates& candidates, const char* keyword) {
  for (const Candidate& candidate : candidates) {
    if (Json text = candidate.schema->get(keyword); text.isString()) {
      return text.toString();
    }
  }
  return {};
}

std::vector<std::string> known_keys(const Candidates& candidates) {
  std::vector<std::string> out;
  for (const Candidate& candidate : candidates) {
    if (Json keys = candidate.schema->get("properties"); is_object(keys)) {
      for (const std::string& key : keys.extract<JsonObject>()->getNames()) {
        if (std::find(out.begin(), out.end(), key) == out.end()) {
          out.push_back(key);
        }
      }
    }
  }
  return out;
}

bool accepts_key(const Candidates& candidates, const std::string& key) {
  bool closed = false;
  for (const Candidate& candidate : candidates) {
    const JsonObject& schema = candidate.schema;
    if (Json keys = schema->get("properties");
        is_object(keys) && keys.extract<JsonObject>()->has(key)) {
      return true;
    }
    if (Json patterns = schema->get("patternProperties"); is_object(patterns)) {
      for (const auto& [pattern, ignored] : *patterns.extract<JsonObject>()) {
        if (matches(pattern, key)) {
          return true;
        }
      }
    }
    Json others = schema->get("additionalProperties");
    if (is_object(others)) {
      return true;
    }
    closed = closed || (others.isBoolean() && !others.convert<bool>() &&
                        candidate.bond != Candidate::Bond::kConditional);
  }
  return !closed;
}

Json deep_copy(const Json& value) {
  if (is_object(value)) {
    JsonObject copy = new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER);
    const JsonObject& original = value.extract<JsonObject>();
    for (const std::string& key : original->getNames()) {
      copy->set(key, deep_copy(original->get(key)));
    }
    return copy;
  }
  if (is_array(value)) {
    Poco::JSON::Array::Ptr copy = new Poco::JSON::Array;
    for (const Json& item : *value.extract<Poco::JSON::Array::Ptr>()) {
      copy->add(deep_copy(item));
    }
    return copy;
  }
  return value;
}

void fill_defaults(const SchemaView& view, const Candidates& candidates, Json& value) {
  Candidates narrowed = narrow(candidates, json_type(value));
  if (is_array(value)) {
    auto list = value.extract<Poco::JSON::Array::Ptr>();
    for (unsigned i = 0; i < list->size(); ++i) {
      Json item = list->get(i);
      fill_defaults(view, view.item(narrowed, i), item);
      list->set(i, item);
    }
    return;
  }
  if (!is_object(value)) {
    return;
  }
  JsonObject object = value.extract<JsonObject>();
  for (const std::string& key : known_keys(narrowed)) {
    if (object->has(key)) {
      continue;
    }
    for (const Candidate& candidate : view.member(narrowed, key)) {
      bool certain = candidate.bond == Candidate::Bond::kCertain ||
                     candidate.bond == Candidate::Bond::kAnnotation;
      if (certain && candidate.schema->has("default")) {
        object->set(key, deep_copy(candidate.schema->get("default")));
        break;
      }
    }
  }
  for (const std::string& key : object->getNames()) {
    Json member = object->get(key);
    fill_defaults(view, view.member(narrowed, key), member);
    object->set(key, member);
  }
}

}  // namespace dstream::core
