#include "core/messages/topic_template.h"

#include <array>
#include <utility>

#include "core/messages/hash.h"

namespace dstream::core {
namespace {

struct KnownField {
  std::string_view name;
  std::string_view TopicFields::*member;
};
constexpr KnownField kFields[] = {{"pipeline", &TopicFields::pipeline},
                                  {"database", &TopicFields::database},
                                  {"schema", &TopicFields::schema},
                                  {"table", &TopicFields::table},
                                  {"op", &TopicFields::op}};

bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

tl::unexpected<Error> bad_template(std::string message) {
  Error error;
  error.code = "DS-TOPIC-TEMPLATE";
  error.message = std::move(message);
  error.hint = "Fields are {pipeline}, {database}, {schema}, {table} and {op}.";
  error.exit_code = ExitCode::kUsage;
  return fail(std::move(error));
}

std::string hexadecimal(uint64_t value) {
  std::string text(16, '0');
  for (size_t i = 0; i < 16; ++i) {
    text[15 - i] = "0123456789abcdef"[value >> (4 * i) & 15];
  }
  return text;
}

}  // namespace

Result<TopicTemplate> TopicTemplate::parse(std::string_view text) {
  if (text.empty()) {
    return bad_template("The topic is empty.");
  }
  TopicTemplate result;
  const std::string whole(text);
  while (!text.empty()) {
    if (text.front() == '}') {
      return bad_template("The topic \"" + whole + "\" has a } without a {.");
    }
    if (text.front() != '{') {
      const std::string_view literal = text.substr(0, text.find_first_of("{}"));
      result.parts_.push_back({std::string(literal), nullptr});
      text.remove_prefix(literal.size());
      continue;
    }
    const size_t close = text.find('}');
    if (close == std::string_view::npos) {
      return bad_template("The topic \"" + whole + "\" has a { that is not closed.");
    }
    const std::string_view name = text.substr(1, close - 1);
    std::string_view TopicFields::*field = nullptr;
    for (const KnownField& known : kFields) {
      if (known.name == name) {
        field = known.member;
      }
    }
    if (field == nullptr) {
      return bad_template("The topic \"" + whole + "\" has the unknown field {" +
                          std::string(name) + "}.");
    }
    result.parts_.push_back({{}, field});
    text.remove_prefix(close + 1);
  }
  return result;
}

std::string TopicTemplate::expand(const TopicFields& fields) const {
  std::string name;
  for (const Part& part : parts_) {
    name += part.field != nullptr ? fields.*part.field : std::string_view(part.literal);
  }
  const uint64_t hash = stable_hash(name);
  for (char& c : name) {
    if (!is_allowed(c)) {
      c = '_';
    }
  }
  if (name.empty() || name == "." || name == "..") {
    name += '_';
  }
  if (name.size() > kNameBytesMax) {
    name.resize(kNameBytesMax - 17);
    name += '_' + hexadecimal(hash);
  }
  return name;
}

}  // namespace dstream::core
