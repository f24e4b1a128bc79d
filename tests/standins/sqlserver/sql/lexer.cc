#include "tests/standins/sqlserver/sql/lexer.h"

#include <algorithm>
#include <array>

#include "tests/standins/sqlserver/sql/error.h"

namespace dstream::standin::sql {
namespace {

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '#' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_word_part(char c) { return is_word_start(c) || is_digit(c) || c == '@' || c == '$'; }

int hex_digit(char c) {
  if (is_digit(c)) {
    return c - '0';
  }
  const char u = upper(c);
  return u >= 'A' && u <= 'F' ? u - 'A' + 10 : -1;
}

class Lexer {
 public:
  Lexer(std::string_view text, bool quoted_identifier)
      : text_(text), quoted_identifier_(quoted_identifier) {}

  std::vector<Token> run() {
    while (true) {
      skip_blanks();
      token_ = Token{};
      token_.start = at_;
      token_.line = line_;
      if (at_ >= text_.size()) {
        token_.end = at_;
        tokens_.push_back(std::move(token_));
        return std::move(tokens_);
      }
      next();
      token_.end = at_;
      tokens_.push_back(std::move(token_));
    }
  }

 private:
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }

  void advance() {
    line_ += text_[at_] == '\n' ? 1 : 0;
    ++at_;
  }

  void skip_blanks() {
    while (at_ < text_.size()) {
      if (is_space(peek())) {
        advance();
      } else if (peek() == '\0' && at_ + 1 == text_.size()) {
        ++at_;  // Some clients send the terminator of a C string with the text.
      } else if (text_.substr(at_, 3) == "\xEF\xBB\xBF") {
        at_ += 3;
      } else if (text_.substr(at_, 2) == "\xC2\xA0") {
        at_ += 2;
      } else if (peek() == '-' && peek(1) == '-') {
        while (at_ < text_.size() && peek() != '\n') {
          ++at_;
        }
      } else if (peek() == '/' && peek(1) == '*') {
        skip_block_comment();
      } else {
        return;
      }
    }
  }

  void skip_block_comment() {
    int depth = 0;
    while (at_ < text_.size()) {
      if (peek() == '/' && peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (peek() == '*' && peek(1) == '/') {
        at_ += 2;
        if (--depth == 0) {
          return;
        }
      } else {
        advance();
      }
    }
    throw SqlError(113, 15, 1, "Missing end comment mark '*/'.");
  }

  void next() {
    const char c = peek();
    if ((c == 'N' || c == 'n') && peek(1) == '\'') {
      ++at_;
      quoted('\'', TokenKind::kNString);
    } else if (c == '\'') {
      quoted('\'', TokenKind::kString);
    } else if (c == '[') {
      quoted(']', TokenKind::kName);
    } else if (c == '"') {
      quoted('"', quoted_identifier_ ? TokenKind::kName : TokenKind::kString);
    } else if (c == '0' && (peek(1) == 'x' || peek(1) == 'X')) {
      binary();
    } else if (is_digit(c) || (c == '.' && is_digit(peek(1)))) {
      number();
    } else if (c == '$' && is_amount(1)) {
      ++at_;
      const bool negative = peek() == '-';
      at_ += negative || peek() == '+' ? 1 : 0;
      number();
      token_.kind = TokenKind::kMoney;
      token_.text.insert(0, negative ? "-" : "");
    } else if (is_word_start(c) || c == '@' || (c == '$' && is_word_start(peek(1)))) {
      word();
    } else {
      punctuation();
    }
  }

  // Digits, perhaps behind a sign: $-12.5 is a constant.
  bool is_amount(size_t ahead) const {
    const size_t sign = peek(ahead) == '-' || peek(ahead) == '+' ? 1 : 0;
    return is_digit(peek(ahead + sign)) || peek(ahead + sign) == '.';
  }

  void quoted(char close, TokenKind kind) {
    token_.kind = kind;
    advance();
    while (true) {
      if (at_ >= text_.size()) {
        throw SqlError(105, 15, 1,
                       "Unclosed quotation mark after the character string '" + token_.text + "'.");
      }
      if (peek() == close) {
        if (peek(1) != close) {
          ++at_;
          return;
        }
        ++at_;
      }
      token_.text.push_back(peek());
      advance();
    }
  }

  void binary() {
    token_.kind = TokenKind::kBinary;
    at_ += 2;
    std::string digits;
    while (hex_digit(peek()) >= 0) {
      digits.push_back(peek());
      ++at_;
    }
    if (digits.size() % 2 != 0) {
      digits.insert(digits.begin(), '0');
    }
    for (size_t i = 0; i < digits.size(); i += 2) {
      token_.text.push_back(
          static_cast<char>(hex_digit(digits[i]) * 16 + hex_digit(digits[i + 1])));
    }
  }

  void number() {
    token_.kind = TokenKind::kInteger;
    const size_t from = at_;
    while (is_digit(peek())) {
      ++at_;
    }
    if (peek() == '.') {
      token_.kind = TokenKind::kDecimal;
      ++at_;
      while (is_digit(peek())) {
        ++at_;
      }
    }
    if (peek() == 'e' || peek() == 'E') {
      const size_t sign = peek(1) == '+' || peek(1) == '-' ? 1 : 0;
      if (is_digit(peek(1 + sign))) {
        token_.kind = TokenKind::kFloat;
        at_ += 1 + sign;
        while (is_digit(peek())) {
          ++at_;
        }
      }
    }
    token_.text = text_.substr(from, at_ - from);
  }

  void word() {
    token_.kind = peek() == '@' ? TokenKind::kVariable : TokenKind::kWord;
    const size_t from = at_;
    ++at_;
    while (is_word_part(peek())) {
      ++at_;
    }
    token_.text = text_.substr(from, at_ - from);
  }

  void punctuation() {
    token_.kind = TokenKind::kOperator;
    static constexpr std::array<std::string_view, 14> kPairs = {
        "<=", ">=", "<>", "!=", "!<", "!>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="};
    const std::string_view two = text_.substr(at_, 2);
    if (std::find(kPairs.begin(), kPairs.end(), two) != kPairs.end()) {
      token_.text = two;
      at_ += 2;
      return;
    }
    static constexpr std::string_view kSingles = "()+-*/%=<>,.;&|^~:{}?";
    token_.text = std::string(1, peek());
    if (kSingles.find(peek()) == std::string_view::npos) {
      throw syntax_error(token_.text);
    }
    ++at_;
  }

  std::string_view text_;
  bool quoted_identifier_;
  size_t at_ = 0;
  int32_t line_ = 1;
  Token token_;
  std::vector<Token> tokens_;
};

// SQL Server's reserved words, sorted.
constexpr std::array kReserved = {"ADD",
                                  "ALL",
                                  "ALTER",
                                  "AND",
                                  "ANY",
                                  "AS",
                                  "ASC",
                                  "AUTHORIZATION",
                                  "BACKUP",
                                  "BEGIN",
                                  "BETWEEN",
                                  "BREAK",
                                  "BROWSE",
                                  "BULK",
                                  "BY",
                                  "CASCADE",
                                  "CASE",
                                  "CHECK",
                                  "CHECKPOINT",
                                  "CLOSE",
                                  "CLUSTERED",
                                  "COALESCE",
                                  "COLLATE",
                                  "COLUMN",
                                  "COMMIT",
                                  "COMPUTE",
                                  "CONSTRAINT",
                                  "CONTAINS",
                                  "CONTAINSTABLE",
                                  "CONTINUE",
                                  "CONVERT",
                                  "CREATE",
                                  "CROSS",
                                  "CURRENT",
                                  "CURRENT_DATE",
                                  "CURRENT_TIME",
                                  "CURRENT_TIMESTAMP",
                                  "CURRENT_USER",
                                  "CURSOR",
                                  "DATABASE",
                                  "DBCC",
                                  "DEALLOCATE",
                                  "DECLARE",
                                  "DEFAULT",
                                  "DELETE",
                                  "DENY",
                                  "DESC",
                                  "DISK",
                                  "DISTINCT",
                                  "DISTRIBUTED",
                                  "DOUBLE",
                                  "DROP",
                                  "DUMP",
                                  "ELSE",
                                  "END",
                                  "ERRLVL",
                                  "ESCAPE",
                                  "EXCEPT",
                                  "EXEC",
                                  "EXECUTE",
                                  "EXISTS",
                                  "EXIT",
                                  "EXTERNAL",
                                  "FETCH",
                                  "FILE",
                                  "FILLFACTOR",
                                  "FOR",
                                  "FOREIGN",
                                  "FREETEXT",
                                  "FREETEXTTABLE",
                                  "FROM",
                                  "FULL",
                                  "FUNCTION",
                                  "GOTO",
                                  "GRANT",
                                  "GROUP",
                                  "HAVING",
                                  "HOLDLOCK",
                                  "IDENTITY",
                                  "IDENTITYCOL",
                                  "IDENTITY_INSERT",
                                  "IF",
                                  "IN",
                                  "INDEX",
                                  "INNER",
                                  "INSERT",
                                  "INTERSECT",
                                  "INTO",
                                  "IS",
                                  "JOIN",
                                  "KEY",
                                  "KILL",
                                  "LEFT",
                                  "LIKE",
                                  "LINENO",
                                  "LOAD",
                                  "MERGE",
                                  "NATIONAL",
                                  "NOCHECK",
                                  "NONCLUSTERED",
                                  "NOT",
                                  "NULL",
                                  "NULLIF",
                                  "OF",
                                  "OFF",
                                  "OFFSETS",
                                  "ON",
                                  "OPEN",
                                  "OPENDATASOURCE",
                                  "OPENQUERY",
                                  "OPENROWSET",
                                  "OPENXML",
                                  "OPTION",
                                  "OR",
                                  "ORDER",
                                  "OUTER",
                                  "OVER",
                                  "PERCENT",
                                  "PIVOT",
                                  "PLAN",
                                  "PRIMARY",
                                  "PRINT",
                                  "PROC",
                                  "PROCEDURE",
                                  "PUBLIC",
                                  "RAISERROR",
                                  "READ",
                                  "READTEXT",
                                  "RECONFIGURE",
                                  "REFERENCES",
                                  "REPLICATION",
                                  "RESTORE",
                                  "RESTRICT",
                                  "RETURN",
                                  "REVERT",
                                  "REVOKE",
                                  "RIGHT",
                                  "ROLLBACK",
                                  "ROWCOUNT",
                                  "ROWGUIDCOL",
                                  "RULE",
                                  "SAVE",
                                  "SCHEMA",
                                  "SECURITYAUDIT",
                                  "SELECT",
                                  "SEMANTICKEYPHRASETABLE",
                                  "SESSION_USER",
                                  "SET",
                                  "SETUSER",
                                  "SHUTDOWN",
                                  "SOME",
                                  "STATISTICS",
                                  "SYSTEM_USER",
                                  "TABLE",
                                  "TABLESAMPLE",
                                  "TEXTSIZE",
                                  "THEN",
                                  "TO",
                                  "TOP",
                                  "TRAN",
                                  "TRANSACTION",
                                  "TRIGGER",
                                  "TRUNCATE",
                                  "TRY_CONVERT",
                                  "TSEQUAL",
                                  "UNION",
                                  "UNIQUE",
                                  "UNPIVOT",
                                  "UPDATE",
                                  "UPDATETEXT",
                                  "USE",
                                  "USER",
                                  "VALUES",
                                  "VARYING",
                                  "VIEW",
                                  "WAITFOR",
                                  "WHEN",
                                  "WHERE",
                                  "WHILE",
                                  "WITH",
                                  "WITHIN",
                                  "WRITETEXT"};

bool is_go(std::string_view line) {
  while (!line.empty() && is_space(line.front())) {
    line.remove_prefix(1);
  }
  while (!line.empty() && (is_space(line.back()) || line.back() == ';')) {
    line.remove_suffix(1);
  }
  return equals_upper(line, "GO");
}

}  // namespace

bool equals_upper(std::string_view word, std::string_view capitals) {
  return word.size() == capitals.size() && std::equal(word.begin(), word.end(), capitals.begin(),
                                                      [](char a, char b) { return upper(a) == b; });
}

std::string upper_ascii(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), upper);
  return result;
}

bool Token::is_word(std::string_view keyword) const {
  return kind == TokenKind::kWord && equals_upper(text, keyword);
}

std::vector<Token> tokenize(std::string_view text, bool quoted_identifier) {
  return Lexer(text, quoted_identifier).run();
}

bool is_reserved(std::string_view word) {
  const std::string capitals = upper_ascii(word);
  return std::binary_search(
      kReserved.begin(), kReserved.end(), capitals.c_str(),
      [](const char* a, const char* b) { return std::string_view(a) < std::string_view(b); });
}

std::vector<std::string> split_batches(std::string_view script) {
  std::vector<std::string> batches(1);
  while (!script.empty()) {
    const size_t newline = script.find('\n');
    const std::string_view line = script.substr(0, newline);
    if (is_go(line)) {
      batches.emplace_back();
    } else {
      batches.back().append(line).push_back('\n');
    }
    script.remove_prefix(newline == std::string_view::npos ? script.size() : newline + 1);
  }
  std::erase_if(batches, [](const std::string& batch) {
    return std::all_of(batch.begin(), batch.end(), is_space);
  });
  return batches;
}

}  // namespace dstream::standin::sql
