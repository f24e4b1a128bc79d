// Character data. Values are UTF-8; SQL Server counts UTF-16 code units in its Unicode types and
// bytes of code page 1252 in the others, and compares without case and trailing blanks
// (SQL_Latin1_General_CP1_CI_AS, folded for Latin, Greek and Cyrillic letters).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/protocol/values.h"

namespace dstream::standin::sql {

// Decodes one code point at *at and moves past it; U+FFFD for what is no UTF-8.
char32_t next_code_point(std::string_view text, size_t* at);
void append_utf8(char32_t code_point, std::string* out);

int64_t utf16_length(std::string_view text);
// The text from UTF-16 unit `start` (0-based), `length` units.
std::string utf16_substring(std::string_view text, int64_t start, int64_t length);
std::string utf16_bytes(std::string_view text);       // UTF-8 to UTF-16LE
std::string utf8_from_utf16(std::string_view bytes);  // UTF-16LE to UTF-8
std::string bytes_1252(std::string_view text);        // '?' for what the page lacks
std::string utf8_from_1252(std::string_view bytes);
// What is left of the text in code page 1252; the same text if it is all there.
std::string through_1252(std::string text);

// The length LEN and declarations count: UTF-16 units, or bytes for char and varchar.
int64_t declared_length(const SqlType& type, std::string_view text);
std::string cut_to_length(const SqlType& type, std::string_view text, int64_t length);

// A key that orders and equals as the collation does.
std::string collation_key(std::string_view text);
int compare_text(std::string_view a, std::string_view b);
bool equal_names(std::string_view a, std::string_view b);  // identifiers
std::string fold_name(std::string_view name);
std::string upper_text(std::string_view text);
std::string lower_text(std::string_view text);

// T-SQL LIKE: % _ [set] [^set]; escape 0 for none. Blanks at the end of the text are ignored, as
// for char and varchar, unless they count.
bool like(std::string_view text, std::string_view pattern, char32_t escape,
          bool blanks_count = false);
// 1-based UTF-16 position of the first match of the pattern as PATINDEX counts, 0 if none.
int64_t pattern_index(std::string_view pattern, std::string_view text);

std::string hex(std::string_view bytes);        // capitals, no prefix
std::string quote_name(std::string_view name);  // [x]

}  // namespace dstream::standin::sql
