// Expected failures are values. An Error is written for an operator: a stable code to search for,
// the place in a file where there is one, one plain sentence, and what to do about it.
//
// Thread rule: plain values; no shared state.
#pragma once

#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace dstream::core {

// A position in a file a person can open. Line and column count from 1; 0 means unknown.
struct Place {
  std::string file;
  int line = 0;
  int column = 0;

  // "dstream.yaml:14:7", without the parts that are unknown.
  std::string text() const;
  bool operator==(const Place&) const = default;
};

// The exit code a command ends with when this error stops it (design, section 7).
enum class ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kRefused = 3 };

struct Error {
  std::string code;     // stable, "DS-CONFIG-UNKNOWN-KEY"; listed in docs/errors.md
  std::string message;  // one sentence, capital first, no secrets (I11)
  std::string hint;     // what the reader can do; may be empty
  std::optional<Place> place;
  ExitCode exit_code = ExitCode::kFailed;

  // "dstream.yaml:14:7: DS-CONFIG-TYPE: Expected a duration. Hint: write 5s or 250ms."
  std::string text() const;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
inline tl::unexpected<Error> fail(std::string code, std::string message, std::string hint = {}) {
  return tl::unexpected<Error>(
      Error{std::move(code), std::move(message), std::move(hint), std::nullopt, ExitCode::kFailed});
}

}  // namespace dstream::core
