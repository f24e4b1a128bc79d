// Statements with the results Microsoft's documentation gives for them: the files in `documented/`.
//
//   == ROUND | t-sql/functions/round-transact-sql
//   > SELECT ROUND(123.9994, 3)
//   : numeric(7,4)
//   = 123.9990
//
// A section names the page that its results are written in, below learn.microsoft.com/sql/, and
// starts with an empty database. Lines:
//   `> `   a statement; more such lines right behind it continue it. `>2` is a second session.
//   `: `   begins a result set and gives the types of its columns, or `?` for any.
//   `= `   a row, values divided by '|'. The first row begins a result set if no `:` did.
//   `! `   an error: number, severity, state (`*` for one the page does not give), start of its
//   text.
//   `~ `   a message of severity 10 and below: number and text.
//   `+ `   rows of the statements' counts, each in order, `-` for a statement without one.
//   `#`    a comment.
// A statement with none of these prepares: it has to succeed and is not counted.
//
// Thread rule: none; plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace dstream::standin::sql {

struct DocumentedStatement {
  std::string file;
  int line = 0;
  int session = 1;
  std::string sql;
  struct Result {
    std::string types;  // "int, varchar(3)"; "?" is not compared
    std::vector<std::string> rows;
  };
  std::vector<Result> results;
  std::vector<std::string> errors;
  std::vector<std::string> messages;
  std::string counts;  // "" is not compared

  bool is_preparation() const {
    return results.empty() && errors.empty() && messages.empty() && counts.empty();
  }
};

struct DocumentedSection {
  std::string title;
  std::string source;  // URL of the page
  std::vector<DocumentedStatement> statements;
};

// Every file of the folder, in order of their names.
std::vector<std::string> documented_files();
// Throws std::runtime_error with file and line for what is not in the form above.
std::vector<DocumentedSection> read_documented(const std::string& file);

}  // namespace dstream::standin::sql
