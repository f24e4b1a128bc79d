// T-SQL text to tokens. Comments (nested /* */ and --) vanish; every token keeps its place in the
// text, so that an error or a log line can quote the statement.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dstream::standin::sql {

enum class TokenKind : uint8_t {
  kEnd,
  kWord,      // bare identifier or keyword
  kName,      // [x] or "x": an identifier whatever it spells
  kVariable,  // @x or @@x, text with the signs
  kInteger,
  kDecimal,   // 1.5, .5, 1.
  kFloat,     // 1e3
  kMoney,     // $1.5
  kString,    // 'x', text unescaped
  kNString,   // N'x'
  kBinary,    // 0x.., text is the raw bytes
  kOperator,  // also punctuation; text is "<=", "(", ...
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  size_t start = 0;  // byte offsets in the batch
  size_t end = 0;
  int32_t line = 1;

  bool is_operator(std::string_view op) const { return kind == TokenKind::kOperator && text == op; }
  // A bare word, compared without case. `keyword` in capitals.
  bool is_word(std::string_view keyword) const;
};

// Throws 102 or 105 for text that is no T-SQL at all. The last token is kEnd.
std::vector<Token> tokenize(std::string_view text, bool quoted_identifier = true);

// True if the word may not be used as a name or alias without quoting.
bool is_reserved(std::string_view word);

// ASCII comparison without case; `upper` is already in capitals.
bool equals_upper(std::string_view word, std::string_view upper);
std::string upper_ascii(std::string_view text);

// Splits a script at lines that hold GO alone, as client tools do.
std::vector<std::string> split_batches(std::string_view script);

}  // namespace dstream::standin::sql
