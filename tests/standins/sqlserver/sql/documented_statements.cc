#include "tests/standins/sqlserver/sql/documented_statements.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>

namespace dstream::standin::sql {
namespace {

constexpr char kBase[] = "https://learn.microsoft.com/sql/";

class Reader {
 public:
  explicit Reader(const std::string& file) : file_(std::filesystem::path(file).filename()) {}

  void line(int number, const std::string& text) {
    number_ = number;
    if (text.empty() || text[0] == '#') {
      in_statement_ = false;
      return;
    }
    if (text.starts_with("== ")) {
      section(text.substr(3));
      return;
    }
    if (sections.empty()) {
      fail("a line before the first section");
    }
    if (text[0] == '>') {
      statement(text);
      return;
    }
    in_statement_ = false;
    if (sections.back().statements.empty()) {
      fail("a result before the first statement");
    }
    expectation(text[0], text.size() > 2 ? text.substr(2) : std::string());
  }

  std::vector<DocumentedSection> sections;

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw std::runtime_error(file_ + ":" + std::to_string(number_) + ": " + why);
  }

  void section(const std::string& text) {
    const size_t bar = text.find(" | ");
    if (bar == std::string::npos) {
      fail("a section without a source");
    }
    sections.push_back({text.substr(0, bar), kBase + text.substr(bar + 3), {}});
    in_statement_ = false;
  }

  void statement(const std::string& text) {
    const int session = text.starts_with(">2") ? 2 : 1;
    const size_t skip = session == 2 ? 3 : 2;
    const std::string sql = text.size() > skip ? text.substr(skip) : std::string();
    auto& statements = sections.back().statements;
    if (in_statement_ && statements.back().session == session) {
      statements.back().sql += "\n" + sql;
      return;
    }
    DocumentedStatement& added = statements.emplace_back();
    added.file = file_;
    added.line = number_;
    added.session = session;
    added.sql = sql;
    in_statement_ = true;
  }

  void expectation(char kind, const std::string& text) {
    DocumentedStatement& last = sections.back().statements.back();
    switch (kind) {
      case ':':
        last.results.push_back({text, {}});
        return;
      case '=':
        if (last.results.empty()) {
          last.results.push_back({"?", {}});
        }
        last.results.back().rows.push_back(text);
        return;
      case '!':
        last.errors.push_back(text);
        return;
      case '~':
        last.messages.push_back(text);
        return;
      case '+':
        last.counts = text;
        return;
      default:
        fail("a line that begins with none of > : = ! ~ + #");
    }
  }

  const std::string file_;
  int number_ = 0;
  bool in_statement_ = false;
};

}  // namespace

std::vector<std::string> documented_files() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(DSTREAM_DOCUMENTED_STATEMENTS)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<DocumentedSection> read_documented(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) {
    throw std::runtime_error(file + ": cannot be read");
  }
  Reader reader(file);
  std::string text;
  for (int number = 1; std::getline(stream, text); ++number) {
    reader.line(number, text);
  }
  return std::move(reader.sections);
}

}  // namespace dstream::standin::sql
