#include "core/config/json_text.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Stringifier.h>
#include <yaml-cpp/emitter.h>
#include <yaml-cpp/emittermanip.h>

#include <sstream>

#include "core/config/units.h"

namespace dstream::core {
namespace {

// A plain scalar that YAML would not read back as this text is quoted.
bool needs_quotes(const std::string& text) {
  if (parse_duration_ms(text) || parse_size_bytes(text)) {
    return false;
  }
  static constexpr std::string_view kSafe = "/._-${}:@";
  bool letter_first = !text.empty() && (std::isalpha(static_cast<unsigned char>(text[0])) != 0 ||
                                        text[0] == '/' || text[0] == '$');
  bool safe = letter_first;
  for (char letter : text) {
    safe = safe && (std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
                    kSafe.find(letter) != std::string_view::npos);
  }
  for (const char* word : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}) {
    std::string lower;
    for (char letter : text) {
      lower += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
    }
    safe = safe && lower != word;
  }
  return !safe || text.ends_with(':');
}

void emit(YAML::Emitter& out, const Json& value) {
  switch (json_type(value)) {
    case kJsonObject: {
      JsonObject object = value.extract<JsonObject>();
      out << (object->size() == 0 ? YAML::Flow : YAML::Block) << YAML::BeginMap;
      for (const std::string& key : object->getNames()) {
        out << YAML::Key << key << YAML::Value;
        emit(out, object->get(key));
      }
      out << YAML::EndMap;
      break;
    }
    case kJsonArray: {
      auto list = value.extract<Poco::JSON::Array::Ptr>();
      out << (list->size() == 0 ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
      for (const Json& item : *list) {
        emit(out, item);
      }
      out << YAML::EndSeq;
      break;
    }
    case kJsonString: {
      std::string text = value.toString();
      if (needs_quotes(text)) {
        out << YAML::DoubleQuoted;
      }
      out << text;
      break;
    }
    case kJsonNull:
      out << YAML::Null;
      break;
    default:
      out << json_text(value);
  }
}

}  // namespace

std::string json_text(const Json& value, bool pretty) {
  std::ostringstream out;
  Poco::JSON::Stringifier::stringify(value, out, pretty ? 2 : 0, -1, 0);
  return out.str();
}

std::string yaml_text(const Json& value) {
  YAML::Emitter out;
  emit(out, value);
  return std::string(out.c_str()) + "\n";
}

}  // namespace dstream::core
