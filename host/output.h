// What a command prints: its result on stdout, its errors on stderr; with --json both as one
// document on stdout:
//
//   {"command":"validate","ok":true,"result":{…}}
//   {"command":"validate","ok":false,"error":{"code","message","hint","place"},"errors":[…]}
//
// `error` is the first of `errors`. Everything passes the redactor (I11).
//
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/redact.h"
#include "core/config/json_text.h"

namespace dstream::host {

class Output {
 public:
  Output(bool json, std::string command) : json_(json), command_(std::move(command)) {}

  void redact_with(std::shared_ptr<const core::Redactor> redactor) {
    redactor_ = std::move(redactor);
  }
  // Each returns the exit code of the command. `text` is printed as it is.
  int succeed(const core::Json& result, const std::string& text) const;
  int fail(const std::vector<core::Error>& errors) const;
  // A part of the result as it comes: to stdout, and not at all with --json, whose result has it.
  void progress(const std::string& text) const;
  // Beside a result: to stderr, and not at all with --json, whose result has them.
  void warn(const core::Error& warning) const;

 private:
  bool json_;
  std::string command_;
  std::shared_ptr<const core::Redactor> redactor_ = std::make_shared<core::Redactor>();
};

// True if `descriptor` is a terminal and NO_COLOR is not set.
bool wants_color(int descriptor);

core::JsonObject new_object();
core::Json error_json(const core::Error& error);
// Columns as wide as their longest cell, two spaces apart. The first row is the heading.
std::string text_table(const std::vector<std::vector<std::string>>& rows);
// The exit code of several errors: their own if they agree, else 1.
int exit_code_of(const std::vector<core::Error>& errors);

}  // namespace dstream::host
