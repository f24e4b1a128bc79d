#include "core/plugins/config_values.h"

#include <Poco/JSON/Parser.h>

#include <limits>
#include <utility>

namespace dstream::core {

// Walks the document once, so that a lookup later is one hash and no parsing.
class ConfigFlattener {
 public:
  explicit ConfigFlattener(ConfigValues& out) : out_(out) {}

  void add(const std::string& pointer, const Poco::Dynamic::Var& node) {
    dstream_value value{};
    if (node.type() == typeid(Poco::JSON::Object::Ptr)) {
      value.type = DSTREAM_ABSENT;
      for (const auto& [key, child] : *node.extract<Poco::JSON::Object::Ptr>()) {
        add(pointer + "/" + escaped(key), child);
      }
    } else if (node.type() == typeid(Poco::JSON::Array::Ptr)) {
      value.type = DSTREAM_ABSENT;
      size_t index = 0;
      for (const auto& child : *node.extract<Poco::JSON::Array::Ptr>()) {
        add(pointer + "/" + std::to_string(index++), child);
      }
    } else {
      value = scalar(node);
    }
    out_.values_.emplace(pointer, value);
  }

 private:
  // RFC 6901: '~' and '/' inside a key.
  static std::string escaped(const std::string& key) {
    std::string out;
    for (char c : key) {
      c == '~' ? out.append("~0") : c == '/' ? out.append("~1") : out.append(1, c);
    }
    return out;
  }

  dstream_value scalar(const Poco::Dynamic::Var& node) {
    dstream_value value{};
    if (node.isEmpty()) {
      value.type = DSTREAM_NULL;
    } else if (node.isBoolean()) {
      value.type = DSTREAM_BOOL;
      value.as.i64 = node.convert<bool>() ? 1 : 0;
    } else if (node.isString()) {
      const std::string& text = out_.texts_.emplace_back(node.convert<std::string>());
      value.type = DSTREAM_STRING;
      value.size = static_cast<uint32_t>(text.size());
      value.as.data = reinterpret_cast<const uint8_t*>(text.c_str());
    } else if (node.isInteger() && node.isSigned()) {
      value.type = DSTREAM_INT64;
      value.as.i64 = node.convert<int64_t>();
    } else if (node.isInteger()) {
      auto number = node.convert<uint64_t>();
      bool fits = number <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
      value.type = fits ? DSTREAM_INT64 : DSTREAM_UINT64;
      value.as.u64 = number;
    } else {
      value.type = DSTREAM_FLOAT64;
      value.as.f64 = node.convert<double>();
    }
    return value;
  }

  ConfigValues& out_;
};

Result<ConfigValues> ConfigValues::parse(const std::string& json) {
  ConfigValues values;
  try {
    Poco::JSON::Parser parser;
    Poco::Dynamic::Var root = parser.parse(json);
    if (root.type() == typeid(Poco::JSON::Object::Ptr)) {
      ConfigFlattener(values).add("", root);
      return values;
    }
  } catch (const Poco::Exception&) {
    // What the parser says quotes the text.
  }
  return fail("DS-PLUGIN-CONFIG-JSON", "The configuration of the connector is not a JSON object.");
}

dstream_status ConfigValues::get(std::string_view json_pointer, dstream_value* out) const {
  auto at = values_.find(json_pointer);
  if (at == values_.end()) {
    return DSTREAM_CONFIG;
  }
  *out = at->second;
  return out->type == DSTREAM_ABSENT ? DSTREAM_UNSUPPORTED : DSTREAM_OK;
}

}  // namespace dstream::core
