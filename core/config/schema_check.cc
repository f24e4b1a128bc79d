#include "core/config/schema_check.h"

#include <Poco/JSON/Array.h>

#include <algorithm>
#include <optional>
#include <regex>

#include "core/config/nearest.h"
#include "core/config/units.h"

namespace dstream::core {
namespace {

// std::regex recurses once a character.
constexpr size_t kPatternTextMax = 4096;

bool is_list(const Json& value) { return value.type() == typeid(Poco::JSON::Array::Ptr); }

std::string number_text(const Json& number) {
  return number.isInteger() ? number.convert<std::string>()
                            : Poco::NumberFormatter::format(number.convert<double>());
}

class Checker {
 public:
  Checker(const SchemaView& view, const Origins& origins, std::vector<Error>& errors)
      : view_(view), origins_(origins), errors_(errors) {}

  void check(const Json& value, const Candidates& about, const std::string& pointer) {
    JsonTypes type = json_type(value);
    JsonTypes allowed = allowed_types(about);
    if ((allowed & type) == 0) {
      wrong_type(value, about, allowed, pointer);
      return;
    }
    Candidates narrowed = narrow(about, type);
    for (const Candidate& candidate : narrowed) {
      if (candidate.bond == Candidate::Bond::kCertain) {
        check_choice(value, candidate.schema, pointer);
      }
      if (type == kJsonString) {
        check_string(value.toString(), candidate, narrowed, pointer);
      } else if ((type & kJsonNumber) != 0 && candidate.bond == Candidate::Bond::kCertain) {
        check_number(value, candidate.schema, pointer);
      } else if (type == kJsonArray && candidate.bond == Candidate::Bond::kCertain) {
        check_count(value.extract<Poco::JSON::Array::Ptr>()->size(), candidate.schema, pointer);
      } else if (type == kJsonObject && candidate.bond == Candidate::Bond::kCertain) {
        check_required(value.extract<JsonObject>(), candidate.schema, pointer);
      }
    }
    if (type == kJsonObject) {
      check_members(value.extract<JsonObject>(), narrowed, pointer);
    } else if (type == kJsonArray) {
      auto list = value.extract<Poco::JSON::Array::Ptr>();
      for (unsigned i = 0; i < list->size(); ++i) {
        check(list->get(i), view_.item(narrowed, i), pointer + "/" + std::to_string(i));
      }
    }
  }

 private:
  void report(std::string code, Place place, std::string message, std::string hint = {}) {
    errors_.push_back(
        {std::move(code), std::move(message), std::move(hint), std::move(place), ExitCode::kUsage});
  }

  void wrong_value(const std::string& pointer, const Json& value, const std::string& expected,
                   std::string hint = {}) {
    report("DS-CONFIG-VALUE", origins_.value_place(pointer),
           name(pointer) + " must be " + expected + found(pointer, value) + ".", std::move(hint));
  }

  std::string name(const std::string& pointer) const {
    return pointer.empty() ? "The file" : dotted(pointer);
  }

  // ", not 5", where showing it gives nothing away.
  std::string found(const std::string& pointer, const Json& value) const {
    const Origin* origin = origins_.find(pointer);
    bool secret = origin != nullptr && (origin->secret || !origin->written.empty());
    std::string text = secret ? "" : harmless_text(value);
    return text.empty() ? "" : ", not " + text;
  }

  void wrong_type(const Json& value, const Candidates& about, JsonTypes allowed,
                  const std::string& pointer) {
    std::string format = any_text(about, "format");
    std::string expected = format == "duration" ? kDurationExpected
                           : format == "size"   ? kSizeExpected
                                                : type_names(allowed);
    std::string text = found(pointer, value);
    if (text.empty()) {
      text = ", not " + type_names(json_type(value));
    }
    report("DS-CONFIG-TYPE", origins_.value_place(pointer),
           name(pointer) + " must be " + expected + text + ".");
  }

  void check_choice(const Json& value, const JsonObject& schema, const std::string& pointer) {
    Json choices = schema->get("enum");
    if (schema->has("const")) {
      Poco::JSON::Array::Ptr single = new Poco::JSON::Array;
      single->add(schema->get("const"));
      choices = single;
    }
    if (!is_list(choices)) {
      return;
    }
    std::vector<std::string> known;
    for (const Json& choice : *choices.extract<Poco::JSON::Array::Ptr>()) {
      if (json_type(choice) == json_type(value) &&
          Json::toString(choice) == Json::toString(value)) {
        return;
      }
      known.push_back(choice.isEmpty() ? "null" : choice.convert<std::string>());
    }
    auto nearest = value.isString() ? nearest_name(value.toString(), known) : std::nullopt;
    wrong_value(pointer, value, (known.size() == 1 ? "" : "one of ") + join_names(known),
                nearest ? "Did you mean " + *nearest + "?" : "");
  }

  void check_string(const std::string& text, const Candidate& candidate, const Candidates& all,
                    const std::string& pointer) {
    const JsonObject& schema = candidate.schema;
    Json pattern = schema->get("pattern");
    if (pattern.isString() && text.size() > kPatternTextMax) {
      report("DS-CONFIG-VALUE", origins_.value_place(pointer),
             name(pointer) + " must have at most " + std::to_string(kPatternTextMax) +
                 " bytes, not " + std::to_string(text.size()) + ".");
      return;
    }
    if (candidate.bond != Candidate::Bond::kCertain) {
      return;
    }
    check_format(text, schema, pointer);
    auto length = static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
      return (static_cast<unsigned char>(byte) & 0xc0) != 0x80;
    }));
    if (Json least = schema->get("minLength");
        least.isNumeric() && length < least.convert<size_t>()) {
      wrong_value(pointer, text,
                  length == 0 ? "text that is not empty"
                              : "text of at least " + number_text(least) + " characters");
    } else if (Json most = schema->get("maxLength");
               most.isNumeric() && length > most.convert<size_t>()) {
      wrong_value(pointer, text, "text of at most " + number_text(most) + " characters");
    } else if (pattern.isString() && !matches(text, pattern.toString())) {
      wrong_value(pointer, text, pattern_expected(schema, all));
    }
  }

  static std::string pattern_expected(const JsonObject& schema, const Candidates& all) {
    std::string expected = any_text(all, "x-expected");
    if (!expected.empty()) {
      return expected;
    }
    auto examples = schema->getArray("examples");
    if (!examples) {
      return "text that matches " + schema->getValue<std::string>("pattern");
    }
    std::vector<std::string> names;
    for (const Json& example : *examples) {
      names.push_back(example.convert<std::string>());
    }
    return "text such as " + join_names(names);
  }

  static bool matches(const std::string& text, const std::string& pattern) {
    try {
      return std::regex_search(text, std::regex(pattern));
    } catch (const std::regex_error&) {
      return true;  // the validator names the defect of the schema
    }
  }

  void check_format(const std::string& text, const JsonObject& schema, const std::string& pointer) {
    std::string format = schema->optValue<std::string>("format", "");
    std::string least = schema->optValue<std::string>("x-minimum", "");
    std::string most = schema->optValue<std::string>("x-maximum", "");
    bool fits = true;
    if (format == "duration") {
      auto value = parse_duration_ms(text);
      if (!value) {
        wrong_value(pointer, text, kDurationExpected);
        return;
      }
      fits = (least.empty() || *value >= parse_duration_ms(least).value_or(0)) &&
             (most.empty() || *value <= parse_duration_ms(most).value_or(*value));
    } else if (format == "size") {
      auto value = parse_size_bytes(text);
      if (!value) {
        wrong_value(pointer, text, kSizeExpected);
        return;
      }
      fits = (least.empty() || *value >= parse_size_bytes(least).value_or(0)) &&
             (most.empty() || *value <= parse_size_bytes(most).value_or(*value));
    }
    if (!fits) {
      wrong_value(pointer, text, range(least, most));
    }
  }

  static std::string range(const std::string& least, const std::string& most) {
    if (most.empty()) {
      return "at least " + least;
    }
    return least.empty() ? "at most " + most : "between " + least + " and " + most;
  }

  void check_number(const Json& value, const JsonObject& schema, const std::string& pointer) {
    Json least = schema->get("minimum");
    Json most = schema->get("maximum");
    auto number = value.convert<double>();
    if ((least.isNumeric() && number < least.convert<double>()) ||
        (most.isNumeric() && number > most.convert<double>())) {
      wrong_value(pointer, value,
                  range(least.isNumeric() ? number_text(least) : "",
                        most.isNumeric() ? number_text(most) : ""));
    }
  }

  void check_count(size_t count, const JsonObject& schema, const std::string& pointer) {
    Json least = schema->get("minItems");
    Json most = schema->get("maxItems");
    if (least.isNumeric() && count < least.convert<size_t>()) {
      wrong_value(pointer, {}, "a list of at least " + number_text(least) + " items");
    } else if (most.isNumeric() && count > most.convert<size_t>()) {
      wrong_value(pointer, {}, "a list of at most " + number_text(most) + " items");
    }
  }

  void check_required(const JsonObject& object, const JsonObject& schema,
                      const std::string& pointer) {
    Json required = schema->get("required");
    if (!is_list(required)) {
      return;
    }
    for (const Json& key : *required.extract<Poco::JSON::Array::Ptr>()) {
      if (!object->has(key.toString())) {
        report("DS-CONFIG-MISSING-KEY", origins_.value_place(pointer),
               name(pointer) + " needs the key \"" + key.toString() + "\".");
      }
    }
  }

  void check_members(const JsonObject& object, const Candidates& about,
                     const std::string& pointer) {
    for (const std::string& key : object->getNames()) {
      std::string below = pointer_to(pointer, key);
      if (!accepts_key(about, key)) {
        unknown_key(key, known_keys(about), pointer);
        continue;
      }
      check(object->get(key), view_.member(about, key), below);
    }
  }

  void unknown_key(const std::string& key, const std::vector<std::string>& known,
                   const std::string& pointer) {
    auto nearest = nearest_name(key, known);
    std::string hint = nearest ? "Did you mean \"" + *nearest + "\"? " : "";
    hint += known.empty() ? "No keys are known here." : "Known keys: " + join_names(known) + ".";
    report("DS-CONFIG-UNKNOWN-KEY", origins_.key_place(pointer_to(pointer, key)),
           name(pointer) + " has no key \"" + key + "\".", std::move(hint));
  }

  const SchemaView& view_;
  const Origins& origins_;
  std::vector<Error>& errors_;
};

}  // namespace

std::string harmless_text(const Json& value) {
  constexpr size_t kShownMax = 40;
  JsonTypes type = json_type(value);
  if (type == kJsonNull || type == kJsonArray || type == kJsonObject) {
    return "";
  }
  std::string text = value.convert<std::string>();
  bool harmless = text.size() <= kShownMax && text.find("://") == std::string::npos &&
                  std::all_of(text.begin(), text.end(), [](unsigned char letter) {
                    return std::isalnum(letter) != 0 ||
                           std::string_view(" ._-/+,:{}").find(static_cast<char>(letter)) !=
                               std::string_view::npos;
                  });
  if (!harmless) {
    return "";
  }
  return type == kJsonString ? '"' + text + '"' : text;
}

void check_schema(const SchemaView& view, const Json& value, const Origins& origins,
                  const std::string& pointer, std::vector<Error>& errors) {
  size_t before = errors.size();
  Checker(view, origins, errors).check(value, view.root(), pointer);
  if (errors.size() != before) {
    return;
  }
  SchemaVerdict verdict = run_validator(view, value);
  if (!verdict.reason.empty()) {
    std::string where = pointer + verdict.path;
    errors.push_back({"DS-CONFIG-VALUE", dotted(where) + ": " + verdict.reason, "",
                      origins.value_place(where), ExitCode::kUsage});
  }
}

}  // namespace dstream::core
