// LEN, SUBSTRING, REPLICATE, CONCAT and the other functions on text.
#include <algorithm>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

using Values = std::span<const SqlValue>;
using Types = std::span<const SqlType>;

bool is_text(const SqlType& type) { return family_of(type.id) == Family::kText; }

SqlType text_result(const SqlType& argument, int32_t length) {
  if (is_text(argument)) {
    return is_unicode(argument.id) ? nvarchar_type(length) : varchar_type(length);
  }
  return varchar_type(length);
}

std::string as_text(const SqlValue& value, const SqlType& type) {
  return is_text(type) ? value.text : convert_value(value, type, nvarchar_type(kMaxLength)).text;
}

SqlType varying(Types types) {
  if (is_text(types[0])) {
    return text_result(types[0], is_large(types[0]) ? kMaxLength : std::max(types[0].length, 1));
  }
  return varchar_type(8000);
}

ScalarFunction text_to_text(std::string (*change)(std::string_view)) {
  ScalarFunction function;
  function.arguments_min = function.arguments_max = 1;
  function.result = varying;
  function.body = [change](const CallContext& call, Values values) {
    return SqlValue::of_text(change(as_text(values[0], call.types[0])));
  };
  return function;
}

std::string trim_right(std::string_view text) {
  const size_t to = text.find_last_not_of(' ');
  return std::string(text.substr(0, to == std::string_view::npos ? 0 : to + 1));
}
std::string reversed(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t from = at;
    next_code_point(text, &at);
    result.insert(0, text.substr(from, at - from));
  }
  return result;
}

SqlValue substring(const CallContext& call, Values values) {
  const int64_t start = values[1].number, length = values[2].number;
  if (length < 0) {
    throw SqlError(537, 16, 3,
                   "Invalid length parameter passed to the LEFT or SUBSTRING function.");
  }
  const int64_t from = std::max<int64_t>(start, 1);
  const int64_t count = std::max<int64_t>(start + length - from, 0);
  if (family_of(call.types[0].id) == Family::kBytes) {
    const auto size = static_cast<int64_t>(values[0].text.size());
    const int64_t offset = std::min(from - 1, size);
    return SqlValue::of_text(
        values[0].text.substr(static_cast<size_t>(offset), static_cast<size_t>(count)));
  }
  return SqlValue::of_text(utf16_substring(as_text(values[0], call.types[0]), from - 1, count));
}

int64_t find_text(std::string_view needle, std::string_view text, int64_t start) {
  const std::string folded_needle = fold_name(needle), folded = fold_name(text);
  const std::string before = utf16_substring(folded, 0, std::max<int64_t>(start - 1, 0));
  const size_t at = folded.find(folded_needle, before.size());
  return at == std::string::npos || folded_needle.empty()
             ? 0
             : utf16_length(std::string_view(folded).substr(0, at)) + 1;
}

std::string replaced(const std::string& text, const std::string& from, const std::string& to) {
  if (from.empty()) {
    return text;
  }
  const std::string folded = fold_name(text), wanted = fold_name(from);
  if (folded.size() != text.size()) {
    // Folding changed lengths: places would not match. Compare exactly instead.
    std::string result;
    for (size_t at = 0; at < text.size();) {
      if (text.compare(at, from.size(), from) == 0) {
        result += to;
        at += from.size();
      } else {
        result.push_back(text[at++]);
      }
    }
    return result;
  }
  std::string result;
  size_t at = 0;
  while (true) {
    const size_t found = folded.find(wanted, at);
    result.append(text, at, found == std::string::npos ? found : found - at);
    if (found == std::string::npos) {
      return result;
    }
    result += to;
    at = found + wanted.size();
  }
}

void add_lengths(FunctionRegistry* registry) {
  ScalarFunction len;
  len.arguments_min = len.arguments_max = 1;
  len.result = [](Types types) { return is_large(types[0]) ? bigint_type() : int_type(); };
  len.body = [](const CallContext& call, Values values) {
    if (family_of(call.types[0].id) == Family::kBytes) {
      return SqlValue::of_number(static_cast<int64_t>(values[0].text.size()));
    }
    return SqlValue::of_number(utf16_length(trim_right(as_text(values[0], call.types[0]))));
  };
  registry->add("len", len);

  ScalarFunction bytes = len;
  bytes.body = [](const CallContext& call, Values values) {
    const SqlType& type = call.types[0];
    if (is_text(type)) {
      return SqlValue::of_number(is_unicode(type.id) ? utf16_length(values[0].text) * 2
                                                     : declared_length(type, values[0].text));
    }
    if (family_of(type.id) == Family::kBytes || family_of(type.id) == Family::kClr) {
      return SqlValue::of_number(static_cast<int64_t>(values[0].text.size()));
    }
    if (type.id == TypeId::kDecimal || type.id == TypeId::kNumeric) {
      // As long as the value's own digits need, not as the column is declared.
      const Numeric number = numeric_of(type, values[0]);
      int precision = 1;
      while (precision < 38 && !fits(number, precision)) {
        ++precision;
      }
      return SqlValue::of_number(max_length_bytes(decimal_type(precision, 0)));
    }
    return SqlValue::of_number(max_length_bytes(type));
  };
  registry->add("datalength", bytes);
}

void add_parts(FunctionRegistry* registry) {
  ScalarFunction part;
  part.arguments_min = part.arguments_max = 3;
  part.parameters = {std::nullopt, bigint_type(), bigint_type()};
  part.result = [](Types types) {
    const int32_t length = is_large(types[0]) ? kMaxLength : std::max(types[0].length, 1);
    return family_of(types[0].id) == Family::kBytes ? varbinary_type(length)
                                                    : text_result(types[0], length);
  };
  part.body = substring;
  registry->add("substring", part);

  ScalarFunction side;
  side.arguments_min = side.arguments_max = 2;
  side.parameters = {std::nullopt, bigint_type()};
  side.result = varying;
  side.body = [](const CallContext& call, Values values) {
    if (values[1].number < 0) {
      throw SqlError(536, 16, 1, "Invalid length parameter passed to the left function.");
    }
    return SqlValue::of_text(
        utf16_substring(as_text(values[0], call.types[0]), 0, values[1].number));
  };
  registry->add("left", side);
  side.body = [](const CallContext& call, Values values) {
    const std::string text = as_text(values[0], call.types[0]);
    const int64_t length = utf16_length(text);
    const int64_t count = std::min(std::max<int64_t>(values[1].number, 0), length);
    return SqlValue::of_text(utf16_substring(text, length - count, count));
  };
  registry->add("right", side);

  ScalarFunction find;
  find.arguments_min = 2;
  find.arguments_max = 3;
  find.parameters = {nvarchar_type(kMaxLength), nvarchar_type(kMaxLength), bigint_type()};
  find.result = always(int_type());
  find.body = [](const CallContext&, Values values) {
    return SqlValue::of_number(
        find_text(values[0].text, values[1].text, values.size() > 2 ? values[2].number : 1));
  };
  registry->add("charindex", find);
  find.arguments_max = 2;
  find.body = [](const CallContext&, Values values) {
    return SqlValue::of_number(pattern_index(values[0].text, values[1].text));
  };
  registry->add("patindex", find);
}

void add_builders(FunctionRegistry* registry) {
  ScalarFunction repeat;
  repeat.arguments_min = repeat.arguments_max = 2;
  repeat.parameters = {std::nullopt, bigint_type()};
  repeat.result = [](Types types) {
    return text_result(types[0], is_large(types[0])                             ? kMaxLength
                                 : is_text(types[0]) && is_unicode(types[0].id) ? 4000
                                                                                : 8000);
  };
  repeat.body = [](const CallContext& call, Values values) {
    if (values[1].number < 0) {
      return SqlValue{};
    }
    const std::string one = as_text(values[0], call.types[0]);
    const int64_t limit = call.result.length == kMaxLength ? int64_t{64} << 20 : call.result.length;
    std::string text;
    for (int64_t i = 0;
         !one.empty() && i < values[1].number && static_cast<int64_t>(text.size()) < limit * 4;
         ++i) {
      text += one;
    }
    return SqlValue::of_text(utf16_substring(text, 0, limit));
  };
  registry->add("replicate", repeat);

  ScalarFunction space;
  space.arguments_min = space.arguments_max = 1;
  space.parameters = {int_type()};
  space.result = always(varchar_type(8000));
  space.body = [](const CallContext&, Values values) {
    const int64_t count = std::min<int64_t>(values[0].number, 8000);
    return count < 0 ? SqlValue{} : SqlValue::of_text(std::string(static_cast<size_t>(count), ' '));
  };
  registry->add("space", space);
}

void add_concatenations(FunctionRegistry* registry) {
  ScalarFunction concat;
  concat.arguments_min = 2;
  concat.arguments_max = 254;
  concat.null_on_null = false;
  concat.result = [](Types types) {
    bool unicode = false, large = false;
    for (const SqlType& type : types) {
      unicode = unicode || (is_text(type) && is_unicode(type.id));
      large = large || is_large(type);
    }
    const int32_t length = large ? kMaxLength : unicode ? 4000 : 8000;
    return unicode ? nvarchar_type(length) : varchar_type(length);
  };
  concat.body = [](const CallContext& call, Values values) {
    std::string text;
    for (size_t i = 0; i < values.size(); ++i) {
      text += values[i].null ? "" : as_text(values[i], call.types[i]);
    }
    return convert_value(SqlValue::of_text(text), nvarchar_type(kMaxLength), call.result);
  };
  registry->add("concat", concat);
  concat.body = [](const CallContext& call, Values values) {
    std::string text;
    bool first = true;
    for (size_t i = 1; i < values.size(); ++i) {
      if (!values[i].null) {
        text += (first ? "" : values[0].text) + as_text(values[i], call.types[i]);
        first = false;
      }
    }
    return convert_value(SqlValue::of_text(text), nvarchar_type(kMaxLength), call.result);
  };
  registry->add("concat_ws", concat);

  ScalarFunction replace;
  replace.arguments_min = replace.arguments_max = 3;
  replace.result = [](Types types) {
    return text_result(types[0], is_large(types[0])                             ? kMaxLength
                                 : is_text(types[0]) && is_unicode(types[0].id) ? 4000
                                                                                : 8000);
  };
  replace.body = [](const CallContext& call, Values values) {
    return SqlValue::of_text(replaced(as_text(values[0], call.types[0]),
                                      as_text(values[1], call.types[1]),
                                      as_text(values[2], call.types[2])));
  };
  registry->add("replace", replace);
}

void add_characters(FunctionRegistry* registry) {
  ScalarFunction character;
  character.arguments_min = character.arguments_max = 1;
  character.parameters = {int_type()};
  character.result = always(make_type(TypeId::kChar, 1, {}));
  character.body = [](const CallContext&, Values values) {
    if (values[0].number < 0 || values[0].number > 255) {
      return SqlValue{};
    }
    return SqlValue::of_text(utf8_from_1252(std::string(1, static_cast<char>(values[0].number))));
  };
  registry->add("char", character);
  character.result = always(make_type(TypeId::kNChar, 1, {}));
  character.body = [](const CallContext&, Values values) {
    if (values[0].number < 0 || values[0].number > 65535) {
      return SqlValue{};
    }
    std::string text;
    append_utf8(static_cast<char32_t>(values[0].number), &text);
    return SqlValue::of_text(text);
  };
  registry->add("nchar", character);

  ScalarFunction code;
  code.arguments_min = code.arguments_max = 1;
  code.parameters = {nvarchar_type(kMaxLength)};
  code.result = always(int_type());
  code.body = [](const CallContext&, Values values) {
    size_t at = 0;
    return values[0].text.empty() ? SqlValue{}
                                  : SqlValue::of_number(next_code_point(values[0].text, &at));
  };
  registry->add("unicode", code);
  code.body = [](const CallContext&, Values values) {
    const std::string bytes = bytes_1252(values[0].text);
    return bytes.empty() ? SqlValue{} : SqlValue::of_number(static_cast<unsigned char>(bytes[0]));
  };
  registry->add("ascii", code);

  ScalarFunction quote;
  quote.arguments_min = 1;
  quote.arguments_max = 2;
  quote.parameters = {nvarchar_type(kMaxLength), nvarchar_type(1)};
  quote.result = always(nvarchar_type(258));
  quote.body = [](const CallContext&, Values values) {
    if (utf16_length(values[0].text) > 128) {
      return SqlValue{};
    }
    if (values.size() < 2 || values[1].text == "[" || values[1].text == "]") {
      return SqlValue::of_text(quote_name(values[0].text));
    }
    static constexpr std::pair<std::string_view, std::string_view> kPairs[] = {
        {"'", "'"}, {"\"", "\""}, {"(", ")"}, {")", ")"}, {"<", ">"},
        {">", ">"}, {"{", "}"},   {"}", "}"}, {"`", "`"}};
    for (const auto& [mark, close] : kPairs) {
      if (mark == values[1].text) {
        const std::string open(mark == close && (mark == ")" || mark == ">" || mark == "}")
                                   ? (mark == ")"   ? "("
                                      : mark == ">" ? "<"
                                                    : "{")
                                   : mark);
        const std::string end(close);
        return SqlValue::of_text(open + replaced(values[0].text, end, end + end) + end);
      }
    }
    return SqlValue{};
  };
  registry->add("quotename", quote);
}

}  // namespace

void add_text_functions(FunctionRegistry* registry) {
  add_lengths(registry);
  add_parts(registry);
  add_builders(registry);
  add_concatenations(registry);
  add_characters(registry);
  registry->add("upper", text_to_text(upper_text));
  registry->add("lower", text_to_text(lower_text));
  registry->add("reverse", text_to_text(reversed));
}

}  // namespace dstream::standin::sql
