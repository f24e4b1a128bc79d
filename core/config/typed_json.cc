#include "core/config/typed_json.h"

#include <Poco/JSON/Array.h>

#include <charconv>
#include <iterator>

namespace dstream::core {
namespace {

// The readings of a scalar in YAML 1.2's core schema; an empty Json if it is none.
Json parse_boolean(const std::string& text) {
  if (text == "true" || text == "True" || text == "TRUE") {
    return true;
  }
  if (text == "false" || text == "False" || text == "FALSE") {
    return false;
  }
  return {};
}

template <class T>
Json parse_number(const std::string& text) {
  T number{};
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  auto parsed = std::from_chars(begin, end, number);
  bool whole = parsed.ec == std::errc() && parsed.ptr == end && begin != end;
  return whole ? Json(number) : Json();
}

Json parse_integer(const std::string& text) {
  Json number = parse_number<int64_t>(text);
  return number.isEmpty() ? parse_number<uint64_t>(text) : number;
}

// from_chars also reads "inf", "nan" and the like, which are text in a configuration.
Json parse_fraction(const std::string& text) {
  bool plain = text.find_first_not_of("0123456789+-.eE") == std::string::npos;
  return plain ? parse_number<double>(text) : Json();
}

// The reading that the schema allows, text before a reading that it does not, and where neither is
// allowed the natural one: it makes the better error message.
Json typed_scalar(const std::string& text, JsonTypes allowed) {
  Json readings[] = {parse_boolean(text), parse_integer(text), parse_fraction(text)};
  static constexpr JsonTypes kTypes[] = {kJsonBoolean, kJsonInteger, kJsonFraction};
  for (size_t i = 0; i < std::size(readings); ++i) {
    if (!readings[i].isEmpty() && (allowed & kTypes[i]) != 0) {
      return readings[i];
    }
  }
  if ((allowed & kJsonString) == 0) {
    for (const Json& reading : readings) {
      if (!reading.isEmpty()) {
        return reading;
      }
    }
  }
  return Json(text);
}

class Builder {
 public:
  explicit Builder(const TypedJsonContext& context) : context_(context) {}

  Json build(const YamlNode& node, const Candidates& candidates, const std::string& pointer,
             Mark key_mark) {
    bool outer = secret_;
    secret_ = outer || any_flag(candidates, "x-secret");
    Origin origin{key_mark, node.mark, secret_, {}};
    Json value;
    switch (node.kind) {
      case YamlNode::Kind::kNull:
        value = null_word(node, allowed_types(candidates));
        break;
      case YamlNode::Kind::kScalar:
        value = scalar(node, candidates, pointer, origin);
        break;
      case YamlNode::Kind::kSequence:
        value = sequence(node, candidates, pointer);
        break;
      case YamlNode::Kind::kMap:
        value = map(node, candidates, pointer);
        break;
    }
    context_.origins->set(pointer, std::move(origin));
    secret_ = outer;
    return value;
  }

 private:
  // A sink, a table or a topic may be called null.
  static Json null_word(const YamlNode& node, JsonTypes allowed) {
    bool text = !node.text.empty() && (allowed & kJsonString) != 0 && (allowed & kJsonNull) == 0;
    return text ? Json(node.text) : Json();
  }

  Json scalar(const YamlNode& node, const Candidates& candidates, const std::string& pointer,
              Origin& origin) {
    auto resolved = resolve_references(node.text, *context_.sources);
    if (!resolved) {
      Error error = resolved.error();
      error.message = dotted(pointer) + ": " + error.message;
      error.place = Place{context_.origins->file(), node.mark.line, node.mark.column};
      context_.errors->push_back(std::move(error));
      return {};
    }
    for (const std::string& content : resolved->from_files) {
      context_.redactor->add(content);
      origin.secret = true;
    }
    if (origin.secret) {
      context_.redactor->add(resolved->text);
      for (const std::string& value : resolved->from_environment) {
        context_.redactor->add(value);
      }
    }
    if (resolved->has_reference) {
      origin.written = node.text;
    }
    if (!node.plain && !resolved->has_reference) {
      return Json(resolved->text);
    }
    return typed_scalar(resolved->text, allowed_types(candidates));
  }

  Json sequence(const YamlNode& node, const Candidates& candidates, const std::string& pointer) {
    Candidates narrowed = narrow(candidates, kJsonArray);
    Poco::JSON::Array::Ptr list = new Poco::JSON::Array;
    for (size_t i = 0; i < node.items.size(); ++i) {
      list->add(build(*node.items[i], context_.schema->item(narrowed, i),
                      pointer + "/" + std::to_string(i), node.items[i]->mark));
    }
    return list;
  }

  Json map(const YamlNode& node, const Candidates& candidates, const std::string& pointer) {
    Candidates narrowed = narrow(candidates, kJsonObject);
    bool connector = !any_text(narrowed, "x-connector").empty();
    JsonObject object = new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER);
    for (const YamlEntry& entry : node.entries) {
      Candidates about = context_.schema->member(narrowed, entry.key);
      if (connector && about.empty()) {
        continue;
      }
      std::string below = pointer_to(pointer, entry.key);
      object->set(entry.key, build(*entry.value, about, below, entry.key_mark));
    }
    return object;
  }

  const TypedJsonContext& context_;
  bool secret_ = false;  // below a key marked x-secret
};

std::string parent_of(const std::string& pointer) { return pointer.substr(0, pointer.rfind('/')); }

}  // namespace

const Origin* Origins::find(const std::string& pointer) const {
  auto found = origins_.find(pointer);
  return found == origins_.end() ? nullptr : &found->second;
}

Place Origins::value_place(const std::string& pointer) const {
  if (const Origin* origin = find(pointer)) {
    return {file_, origin->value.line, origin->value.column};
  }
  return pointer.empty() ? Place{file_, 1, 1} : key_place(parent_of(pointer));
}

Place Origins::key_place(const std::string& pointer) const {
  if (const Origin* origin = find(pointer)) {
    return {file_, origin->key.line, origin->key.column};
  }
  return pointer.empty() ? Place{file_, 1, 1} : key_place(parent_of(pointer));
}

std::string pointer_to(const std::string& pointer, const std::string& key) {
  std::string out = pointer + "/";
  for (char letter : key) {
    if (letter == '~') {
      out += "~0";
    } else if (letter == '/') {
      out += "~1";
    } else {
      out += letter;
    }
  }
  return out;
}

std::string dotted(const std::string& pointer) {
  std::string out;
  for (size_t from = 1; from <= pointer.size();) {
    size_t end = std::min(pointer.find('/', from), pointer.size());
    std::string part = pointer.substr(from, end - from);
    for (size_t at = part.find('~'); at != std::string::npos; at = part.find('~', at + 1)) {
      part.replace(at, 2, part[at + 1] == '1' ? "/" : "~");
    }
    bool index = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    if (index) {
      out += "[" + part + "]";
    } else {
      out += (out.empty() ? "" : ".") + part;
    }
    from = end + 1;
  }
  return out;
}

Json build_typed_json(const TypedJsonContext& context, const YamlNode& node,
                      const Candidates& candidates, const std::string& pointer, Mark key_mark) {
  return Builder(context).build(node, candidates, pointer, key_mark);
}

Json redacted_copy(const Json& value, const Origins& origins, const std::string& pointer) {
  const Origin* origin = origins.find(pointer);
  if (origin != nullptr && !origin->written.empty()) {
    // A reference alone gives nothing away; text around it may be half of a secret.
    bool alone = origin->written.starts_with("${") &&
                 origin->written.find('}') == origin->written.size() - 1;
    return Json(origin->secret && !alone ? std::string(Redactor::kMark) : origin->written);
  }
  if (origin != nullptr && origin->secret && !value.isEmpty()) {
    return Json(std::string(Redactor::kMark));
  }
  if (value.type() == typeid(JsonObject)) {
    JsonObject copy = new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER);
    const JsonObject& object = value.extract<JsonObject>();
    for (const std::string& key : object->getNames()) {
      copy->set(key, redacted_copy(object->get(key), origins, pointer_to(pointer, key)));
    }
    return copy;
  }
  if (value.type() == typeid(Poco::JSON::Array::Ptr)) {
    Poco::JSON::Array::Ptr copy = new Poco::JSON::Array;
    size_t i = 0;
    for (const Json& item : *value.extract<Poco::JSON::Array::Ptr>()) {
      copy->add(redacted_copy(item, origins, pointer + "/" + std::to_string(i++)));
    }
    return copy;
  }
  return value;
}

}  // namespace dstream::core
