// The differential test: what the stand-in answers beside what the documentation says. See
// documented_statements.h; DSTREAM_DOCUMENTED_FILTER=part-of-a-title runs some sections.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>

#include "tests/standins/sqlserver/protocol/odbc_client.h"
#include "tests/standins/sqlserver/protocol/server.h"
#include "tests/standins/sqlserver/sql/documented_statements.h"
#include "tests/standins/sqlserver/sql/session_driver.h"

namespace dstream::standin::sql {
namespace {

// A number is shown with the digits that give it back and no more.
std::string shown_value(const SqlType& type, const SqlValue& value) {
  const bool is_variant = type.id == TypeId::kSqlVariant;
  const TypeId id = is_variant ? value.variant_type.id : type.id;
  if (value.null || (id != TypeId::kFloat && id != TypeId::kReal)) {
    return value_text(type, value);
  }
  char text[64];
  const auto end = id == TypeId::kReal
                       ? std::to_chars(text, text + sizeof(text), static_cast<float>(value.real))
                       : std::to_chars(text, text + sizeof(text), value.real);
  return {text, end.ptr};
}

std::string escaped(std::string text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') {
      text.replace(i, 1, "\\n");
    }
  }
  return text;
}

std::string row_text(const std::vector<ResultColumn>& columns, const std::vector<SqlValue>& row) {
  std::string text;
  for (size_t i = 0; i < row.size(); ++i) {
    text += (i == 0 ? "" : "|") + escaped(shown_value(columns[i].type, row[i]));
  }
  return text;
}

// decimal and numeric are two names of one type.
std::string one_name(std::string types) {
  for (size_t at = types.find("decimal"); at != std::string::npos; at = types.find("decimal")) {
    types.replace(at, 7, "numeric");
  }
  return types;
}

std::string types_text(const std::vector<ResultColumn>& columns) {
  std::string text;
  for (size_t i = 0; i < columns.size(); ++i) {
    text += (i == 0 ? "" : ", ") + type_declaration(columns[i].type);
  }
  return text;
}

std::string without_blanks_at_end(std::string text) {
  while (!text.empty() && text.back() == ' ') {
    text.pop_back();
  }
  return text;
}

// "8134 16 1 Divide by" is the start of what came; "*" stands for any number.
bool is_message(const std::string& expected, const ServerMessage& got) {
  std::istringstream words(expected);
  std::string number, severity, state, text;
  words >> number >> severity >> state;
  std::getline(words >> std::ws, text);
  const auto matches = [](const std::string& wanted, int64_t value) {
    return wanted.empty() || wanted == "*" || wanted == std::to_string(value);
  };
  return matches(number, got.number) && matches(severity, got.severity) &&
         matches(state, got.state) && got.text.starts_with(text);
}

std::string message_text(const ServerMessage& message) {
  return std::to_string(message.number) + " " + std::to_string(message.severity) + " " +
         std::to_string(message.state) + " " + message.text;
}

class Comparison {
 public:
  Comparison(const DocumentedSection& section, const DocumentedStatement& statement,
             const RecordingWriter& got)
      : section_(section), statement_(statement), got_(got) {}

  void run() {
    results();
    messages();
    if (!statement_.counts.empty()) {
      std::string counts;
      for (const int64_t count : got_.counts) {
        counts += (counts.empty() ? "" : " ") + (count < 0 ? "-" : std::to_string(count));
      }
      check("row counts", statement_.counts, counts);
    }
  }

 private:
  void check(const std::string& what, const std::string& expected, const std::string& got) const {
    EXPECT_EQ(without_blanks_at_end(got), without_blanks_at_end(expected))
        << statement_.file << ":" << statement_.line << ": " << what << " of\n  " << statement_.sql
        << "\n  as " << section_.source << " has it";
  }

  void results() const {
    const bool shown = !statement_.results.empty() || statement_.is_preparation();
    if (!shown) {
      return;
    }
    if (!statement_.is_preparation()) {
      check("number of result sets", std::to_string(statement_.results.size()),
            std::to_string(got_.results.size()));
    }
    for (size_t i = 0; i < std::min(statement_.results.size(), got_.results.size()); ++i) {
      const DocumentedStatement::Result& expected = statement_.results[i];
      const RecordedResult& got = got_.results[i];
      if (expected.types != "?") {
        check("types", one_name(expected.types), one_name(types_text(got.columns)));
      }
      std::string rows, wanted;
      for (const auto& row : got.rows) {
        rows += without_blanks_at_end(row_text(got.columns, row)) + "\n";
      }
      for (const std::string& row : expected.rows) {
        wanted += without_blanks_at_end(row) + "\n";
      }
      check("rows", wanted, rows);
    }
  }

  void messages() const {
    std::vector<ServerMessage> errors, infos;
    for (const ServerMessage& message : got_.messages) {
      if (message.severity > 10) {
        errors.push_back(message);
      } else if (message.number == 0 || !statement_.messages.empty()) {
        infos.push_back(message);
      }
    }
    compare("errors", statement_.errors, errors, true);
    if (!statement_.messages.empty()) {
      compare("messages", statement_.messages, infos, false);
    }
  }

  void compare(const std::string& what, const std::vector<std::string>& expected,
               const std::vector<ServerMessage>& got, bool whole) const {
    bool equal = expected.size() == got.size();
    std::string wanted, shown;
    for (const std::string& text : expected) {
      wanted += text + "\n";
    }
    for (size_t i = 0; i < got.size(); ++i) {
      const std::string text =
          whole ? message_text(got[i]) : std::to_string(got[i].number) + " " + got[i].text;
      shown += text + "\n";
      if (equal) {
        equal = whole ? is_message(expected[i], got[i]) : text == expected[i];
      }
    }
    if (!equal) {
      check(what, wanted, shown);
    }
  }

  const DocumentedSection& section_;
  const DocumentedStatement& statement_;
  const RecordingWriter& got_;
};

bool is_wanted(const DocumentedSection& section) {
  const char* filter = std::getenv("DSTREAM_DOCUMENTED_FILTER");
  return filter == nullptr || section.title.find(filter) != std::string::npos;
}

class DocumentedTest : public testing::TestWithParam<std::string> {};

TEST_P(DocumentedTest, AnswersAsTheDocumentationSays) {
  for (const DocumentedSection& section : read_documented(GetParam())) {
    if (!is_wanted(section)) {
      continue;
    }
    Engine engine{EngineOptions{}};
    SessionDriver first(&engine), second(&engine);
    for (const DocumentedStatement& statement : section.statements) {
      SessionDriver& driver = statement.session == 2 ? second : first;
      Comparison(section, statement, driver.run(statement.sql)).run();
    }
  }
}

std::string name_of(const testing::TestParamInfo<std::string>& file) {
  return std::filesystem::path(file.param).stem();
}
INSTANTIATE_TEST_SUITE_P(Files, DocumentedTest, testing::ValuesIn(documented_files()), name_of);

// The same statements through FreeTDS and the wire. Only what ODBC gives as text in one way alone
// is compared: whole numbers, decimals and text, and the numbers of errors.
class OdbcComparison {
 public:
  bool connect(int port) {
    return client_.connect("Server=127.0.0.1;Port=" + std::to_string(port) +
                           ";UID=sa;PWD=Secret-1;TDS_Version=7.4;ClientCharset=UTF-8;Encrypt=no");
  }

  void run(const DocumentedStatement& statement) {
    natives_.clear();
    std::vector<OdbcResult> results;
    client_.execute(statement.sql);
    note_errors();
    do {
      OdbcResult result = client_.fetch_all();
      note_errors();
      if (!result.names.empty()) {
        results.push_back(std::move(result));
      }
    } while (client_.more_results());
    note_errors();
    client_.close_cursor();
    for (const std::string& error : statement.errors) {
      const int number = std::atoi(error.c_str());
      EXPECT_NE(std::find(natives_.begin(), natives_.end(), number), natives_.end())
          << statement.file << ":" << statement.line << ": error " << number << " of "
          << statement.sql;
      ++compared_;
    }
    for (size_t i = 0; i < std::min(results.size(), statement.results.size()); ++i) {
      rows(statement, statement.results[i], results[i]);
    }
  }

  const OdbcClient& client() const { return client_; }
  size_t compared() const { return compared_; }

 private:
  void note_errors() {
    for (const OdbcDiagnostic& one : client_.diagnostics()) {
      natives_.push_back(one.native);
    }
  }

  static bool is_plain(SQLSMALLINT type) {
    static constexpr SQLSMALLINT kPlain[] = {SQL_INTEGER, SQL_SMALLINT, SQL_TINYINT, SQL_BIGINT,
                                             SQL_CHAR,    SQL_VARCHAR,  SQL_WCHAR,   SQL_WVARCHAR,
                                             SQL_BIT,     SQL_NUMERIC,  SQL_DECIMAL};
    return std::find(std::begin(kPlain), std::end(kPlain), type) != std::end(kPlain);
  }

  static std::vector<std::string> cells(const std::string& row) {
    std::vector<std::string> parts;
    size_t from = 0;
    for (size_t to = row.find('|'); to != std::string::npos; to = row.find('|', from)) {
      parts.push_back(row.substr(from, to - from));
      from = to + 1;
    }
    parts.push_back(row.substr(from));
    return parts;
  }

  void rows(const DocumentedStatement& statement, const DocumentedStatement::Result& expected,
            const OdbcResult& got) {
    EXPECT_EQ(got.rows.size(), expected.rows.size())
        << statement.file << ":" << statement.line << ": " << statement.sql;
    for (size_t i = 0; i < std::min(got.rows.size(), expected.rows.size()); ++i) {
      const std::vector<std::string> wanted = cells(expected.rows[i]);
      for (size_t k = 0; wanted.size() == got.types.size() && k < wanted.size(); ++k) {
        const std::string shown = escaped(got.rows[i][k].value_or("NULL"));
        if (is_plain(got.types[k])) {
          EXPECT_EQ(without_blanks_at_end(shown), without_blanks_at_end(wanted[k]))
              << statement.file << ":" << statement.line << ": column " << k + 1 << " of "
              << statement.sql;
          ++compared_;
        }
      }
    }
  }

  OdbcClient client_;
  std::vector<int> natives_;
  size_t compared_ = 0;
};

TEST(DocumentedStatementsTest, AreAnsweredThroughFreeTdsToo) {
  size_t compared = 0;
  for (const std::string& file : documented_files()) {
    for (const DocumentedSection& section : read_documented(file)) {
      const auto is_second = [](const DocumentedStatement& one) { return one.session == 2; };
      if (!is_wanted(section) ||
          std::any_of(section.statements.begin(), section.statements.end(), is_second)) {
        continue;
      }
      Engine engine{EngineOptions{}};
      Server server(&engine, ServerOptions{});
      std::string error;
      ASSERT_TRUE(server.start(&error)) << error;
      OdbcComparison comparison;
      ASSERT_TRUE(comparison.connect(server.port())) << comparison.client().diagnostics_text();
      for (const DocumentedStatement& statement : section.statements) {
        if (statement.sql.find("WAITFOR") == std::string::npos) {
          comparison.run(statement);
        }
      }
      compared += comparison.compared();
      server.stop();
    }
  }
  std::printf("%zu values and errors through FreeTDS\n", compared);
  EXPECT_TRUE(compared > 800 || std::getenv("DSTREAM_DOCUMENTED_FILTER") != nullptr) << compared;
}

TEST(DocumentedStatementsTest, AreManyAndEachHasItsSource) {
  size_t count = 0;
  for (const std::string& file : documented_files()) {
    for (const DocumentedSection& section : read_documented(file)) {
      EXPECT_GT(section.source.size(), 40U) << file << ": " << section.title;
      for (const DocumentedStatement& statement : section.statements) {
        count += statement.is_preparation() ? 0U : 1U;
      }
    }
  }
  std::printf("%zu documented statements\n", count);
  EXPECT_GE(count, 500U);
}

}  // namespace
}  // namespace dstream::standin::sql
