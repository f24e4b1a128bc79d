// Keeps secrets out of everything a person may read (I11).
//
// Keys that a schema marks `x-secret` and the contents of ${file:} references are told to a
// Redactor; every log line and every error of a command passes through it, so that a driver which
// repeats its connection string in an error message gives nothing away.
//
// Thread rule: [any-thread].
#pragma once

#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/log.h"

namespace dstream::core {

class Redactor {
 public:
  // What stands where a secret was.
  static constexpr std::string_view kMark = "[redacted]";

  // Remembers `secret` and the secret parts of it: the password of a URL, as written and decoded,
  // and the values of keys such as `PWD=`, `Password=` and `SharedAccessKey=` in a connection
  // string. Parts shorter than 3 characters are not looked for; every word would hold them.
  void add(std::string_view secret);

  std::string apply(std::string_view text) const;
  Error apply(Error error) const;
  bool empty() const;

 private:
  void remember(std::string_view part);
  void remember_value(std::string_view value);
  void insert(std::string_view part);

  mutable std::shared_mutex mutex_;   // guards all below; a secret that rotates is added late
  std::vector<std::string> secrets_;  // longest first
};

// A log that redacts messages and fields before `log` sees them.
std::shared_ptr<Log> make_redacting_log(std::shared_ptr<Log> log,
                                        std::shared_ptr<const Redactor> redactor);

}  // namespace dstream::core
