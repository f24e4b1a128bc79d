// STUFF, TRANSLATE, STR, TRIM with characters, SOUNDEX, PARSENAME and other functions that take
// text apart; FORMATMESSAGE and HASHBYTES.
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/message_format.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Values = std::span<const SqlValue>;
using Types = std::span<const SqlType>;

ScalarFunction text_function(size_t least, size_t most,
                             std::vector<std::optional<SqlType>> parameters, SqlType result,
                             std::function<SqlValue(const CallContext&, Values)> body) {
  ScalarFunction function;
  function.arguments_min = least;
  function.arguments_max = most;
  function.parameters = std::move(parameters);
  function.result = always(result);
  function.body = std::move(body);
  return function;
}

const SqlType& any_text() {
  static const SqlType type = nvarchar_type(kMaxLength);
  return type;
}

// varchar or nvarchar as the argument, as long as such a type gets.
SqlType like_argument(Types types) {
  const bool is_text = family_of(types[0].id) == Family::kText;
  const bool unicode = is_text && is_unicode(types[0].id);
  if (is_large(types[0])) {
    return unicode ? nvarchar_type(kMaxLength) : varchar_type(kMaxLength);
  }
  return unicode ? nvarchar_type(4000) : varchar_type(8000);
}

SqlValue stuff(const CallContext& call, Values values) {
  if (values[0].null || values[1].null || values[2].null) {
    return {};
  }
  const std::string text = convert_value(values[0], call.types[0], any_text()).text;
  const std::string insert =
      values[3].null ? "" : convert_value(values[3], call.types[3], any_text()).text;
  const int64_t start = values[1].number, length = values[2].number;
  const int64_t size = utf16_length(text);
  if (start < 1 || start > size || length < 0) {
    return {};
  }
  const int64_t rest = start - 1 + std::min(length, size - start + 1);
  return SqlValue::of_text(utf16_substring(text, 0, start - 1) + insert +
                           utf16_substring(text, rest, size - rest));
}

std::vector<std::string> letters_of(std::string_view text) {
  std::vector<std::string> letters;
  for (size_t at = 0; at < text.size();) {
    const size_t from = at;
    next_code_point(text, &at);
    letters.emplace_back(text.substr(from, at - from));
  }
  return letters;
}

SqlValue translate(const CallContext&, Values values) {
  const auto from = letters_of(values[1].text), to = letters_of(values[2].text);
  if (from.size() != to.size()) {
    throw SqlError(9828, 16, 1,
                   "The second and third arguments of the TRANSLATE built-in function "
                   "must contain an equal number of characters.");
  }
  std::string text;
  for (const std::string& letter : letters_of(values[0].text)) {
    const auto it = std::find_if(from.begin(), from.end(), [&](const std::string& one) {
      return fold_name(one) == fold_name(letter);
    });
    text += it == from.end() ? letter : to[static_cast<size_t>(it - from.begin())];
  }
  return SqlValue::of_text(text);
}

ScalarFunction trimming(bool left, bool right) {
  ScalarFunction function;
  function.arguments_min = 1;
  function.arguments_max = 2;
  function.result = [](Types types) {
    if (family_of(types[0].id) != Family::kText) {
      return varchar_type(8000);
    }
    const int32_t length = is_large(types[0]) ? kMaxLength : std::max(types[0].length, 1);
    return is_unicode(types[0].id) ? nvarchar_type(length) : varchar_type(length);
  };
  function.body = [left, right](const CallContext& call, Values values) {
    const std::string text = convert_value(values[0], call.types[0], any_text()).text;
    std::vector<std::string> unwanted = {" "};
    if (values.size() > 1) {
      unwanted = letters_of(fold_name(convert_value(values[1], call.types[1], any_text()).text));
    }
    const auto goes = [&unwanted](const std::string& letter) {
      return std::find(unwanted.begin(), unwanted.end(), fold_name(letter)) != unwanted.end();
    };
    const std::vector<std::string> letters = letters_of(text);
    size_t from = 0, to = letters.size();
    while (left && from < to && goes(letters[from])) {
      ++from;
    }
    while (right && to > from && goes(letters[to - 1])) {
      --to;
    }
    std::string result;
    for (size_t i = from; i < to; ++i) {
      result += letters[i];
    }
    return SqlValue::of_text(result);
  };
  return function;
}

// STR(number, length, decimals): right-aligned, stars if it does not fit.
SqlValue number_text(const CallContext&, Values values) {
  const int64_t length = values.size() > 1 ? values[1].number : 10;
  const int64_t decimals = values.size() > 2 ? std::min<int64_t>(values[2].number, 16) : 0;
  if (length < 1 || length > 8000 || decimals < 0) {
    return {};
  }
  // The length gives way first to the point and its digits.
  char text[400];
  std::snprintf(text, sizeof(text), "%.17g", values[0].real);
  const auto exact = from_double(values[0].real, 17);
  const auto places = [&](int64_t digits) -> std::string {
    if (exact) {
      if (const auto cut = rescale(*exact, static_cast<int>(digits))) {
        return to_text(*cut);
      }
    }
    std::snprintf(text, sizeof(text), "%.*f", static_cast<int>(digits), values[0].real);
    return text;
  };
  std::string shown = places(decimals);
  for (int64_t digits = decimals; digits > 0 && static_cast<int64_t>(shown.size()) > length;) {
    shown = places(--digits);
  }
  const auto width = static_cast<size_t>(length);
  if (shown.size() > width) {
    return SqlValue::of_text(std::string(width, '*'));
  }
  return SqlValue::of_text(std::string(width - shown.size(), ' ') + shown);
}

std::string soundex(std::string_view text) {
  //                                  ABCDEFGHIJKLMNOPQRSTUVWXYZ
  static constexpr char kCodes[] = "01230120022455012623010202";
  std::string result;
  char last = 0;
  for (const char c : upper_ascii(text)) {
    if (c < 'A' || c > 'Z') {
      break;
    }
    const char code = kCodes[c - 'A'];
    if (result.empty()) {
      result.push_back(c);
    } else if (code != '0' && code != last) {
      result.push_back(code);
    }
    // H and W do not part letters of one sound.
    last = c == 'H' || c == 'W' ? last : code;
    if (result.size() == 4) {
      return result;
    }
  }
  result.resize(4, '0');
  return result;
}

SqlValue name_part(const CallContext&, Values values) {
  Name name;
  try {
    name = parse_name(values[0].text);
  } catch (const SqlError&) {
    return {};
  }
  const auto part = static_cast<size_t>(values[1].number);
  if (values[1].number < 1 || part > name.parts.size()) {
    return {};
  }
  const std::string& text = name.parts[name.parts.size() - part];
  return text.empty() ? SqlValue{} : SqlValue::of_text(text);
}

SqlValue json_text(const CallContext&, Values values) {
  if (fold_name(values[1].text) != "json") {
    return {};
  }
  static constexpr std::pair<char, char> kShort[] = {
      {'"', '"'},  {'\\', '\\'}, {'/', '/'},  {'\b', 'b'},
      {'\f', 'f'}, {'\n', 'n'},  {'\r', 'r'}, {'\t', 't'},
  };
  std::string text;
  for (const char c : values[0].text) {
    const auto* it = std::find_if(std::begin(kShort), std::end(kShort),
                                  [c](const auto& pair) { return pair.first == c; });
    if (it != std::end(kShort)) {
      text += {'\\', it->second};
    } else if (static_cast<unsigned char>(c) < 32) {
      text += "\\u00" + lower_text(hex(std::string(1, c)));
    } else {
      text.push_back(c);
    }
  }
  return SqlValue::of_text(text);
}

// True if the text can be made an integer, float, decimal or money.
SqlValue is_number(const CallContext& call, Values values) {
  if (values[0].null) {
    return SqlValue::of_number(0);
  }
  const Family family = family_of(call.types[0].id);
  if (family != Family::kText) {
    return SqlValue::of_number(
        family == Family::kInteger || family == Family::kReal || family == Family::kDecimal ? 1
                                                                                            : 0);
  }
  if (values[0].text.find_first_not_of(' ') == std::string::npos) {
    return SqlValue::of_number(0);
  }
  for (const SqlType& type :
       {float_type(), decimal_type(38, 10), make_type(TypeId::kMoney, {}, {})}) {
    try {
      convert_value(values[0], call.types[0], type);
      return SqlValue::of_number(1);
    } catch (const SqlError&) {
    }
  }
  return SqlValue::of_number(0);
}

SqlValue hash_bytes(const CallContext& call, Values values) {
  static constexpr std::array<std::pair<std::string_view, const char*>, 5> kAlgorithms = {
      {{"MD5", "MD5"},
       {"SHA", "SHA1"},
       {"SHA1", "SHA1"},
       {"SHA2_256", "SHA256"},
       {"SHA2_512", "SHA512"}}};
  const std::string wanted = upper_ascii(values[0].text);
  for (const auto& [name, algorithm] : kAlgorithms) {
    if (wanted != name) {
      continue;
    }
    const std::string bytes =
        convert_value(values[1], call.types[1], varbinary_type(kMaxLength)).text;
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size,
                   EVP_get_digestbyname(algorithm), nullptr) != 1) {
      return {};
    }
    return SqlValue::of_text(std::string(digest.begin(), digest.begin() + size));
  }
  return {};
}

void add_messages(FunctionRegistry* registry) {
  ScalarFunction message = text_function(
      1, 21, {any_text()}, nvarchar_type(2047), [](const CallContext& call, Values v) {
        return v[0].null ? SqlValue{}
                         : SqlValue::of_text(
                               format_message(v[0].text, call.types.subspan(1), v.subspan(1)));
      });
  message.null_on_null = false;
  registry->add("formatmessage", message);
}

}  // namespace

void add_edit_functions(FunctionRegistry* registry) {
  ScalarFunction function =
      text_function(4, 4, {std::nullopt, bigint_type(), bigint_type()}, varchar_type(8000), stuff);
  function.null_on_null = false;
  function.result = like_argument;
  registry->add("stuff", function);
  function =
      text_function(3, 3, {any_text(), any_text(), any_text()}, nvarchar_type(4000), translate);
  registry->add("translate", function);
  registry->add("ltrim", trimming(true, false));
  registry->add("rtrim", trimming(false, true));
  registry->add("trim", trimming(true, true));
  function =
      text_function(1, 3, {float_type(), int_type(), int_type()}, varchar_type(10), number_text);
  registry->add("str", function);
  const SqlType four = varchar_type(5);
  registry->add("soundex",
                text_function(1, 1, {any_text()}, four, [](const CallContext&, Values v) {
                  return SqlValue::of_text(soundex(v[0].text));
                }));
  registry->add("difference", text_function(2, 2, {any_text(), any_text()}, int_type(),
                                            [](const CallContext&, Values v) {
                                              const std::string a = soundex(v[0].text);
                                              const std::string b = soundex(v[1].text);
                                              int same = 0;
                                              for (size_t i = 0; i < 4; ++i) {
                                                same += a[i] == b[i] ? 1 : 0;
                                              }
                                              return SqlValue::of_number(same);
                                            }));
  registry->add("parsename",
                text_function(2, 2, {any_text(), int_type()}, sysname_type(), name_part));
  registry->add("string_escape",
                text_function(2, 2, {any_text(), any_text()}, any_text(), json_text));
  function = text_function(1, 1, {}, int_type(), is_number);
  function.null_on_null = false;
  registry->add("isnumeric", function);
  registry->add("hashbytes", text_function(2, 2, {any_text()}, varbinary_type(8000), hash_bytes));
  add_messages(registry);
}

}  // namespace dstream::standin::sql
