// uniqueidentifier between its text and its bytes.
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {

std::string guid_text(std::string_view b) {
  std::string padded(b);
  padded.resize(16, '\0');
  const std::string mixed = {padded[3], padded[2], padded[1], padded[0],
                             padded[5], padded[4], padded[7], padded[6]};
  const std::string digits = hex(mixed + padded.substr(8));
  return digits.substr(0, 8) + "-" + digits.substr(8, 4) + "-" + digits.substr(12, 4) + "-" +
         digits.substr(16, 4) + "-" + digits.substr(20);
}

bool parse_guid(std::string_view text, std::string* bytes) {
  if (!text.empty() && text.front() == '{') {
    text = text.substr(1, 36);
  }
  text = text.substr(0, 36);
  if (text.size() != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' ||
      text[23] != '-') {
    return false;
  }
  std::string digits(text);
  std::erase(digits, '-');
  if (digits.size() != 32 ||
      digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
    return false;
  }
  const std::string raw = tokenize("0x" + digits).front().text;
  *bytes = {raw[3], raw[2], raw[1], raw[0], raw[5], raw[4], raw[7], raw[6]};
  bytes->append(raw, 8);
  return true;
}

}  // namespace dstream::standin::sql
