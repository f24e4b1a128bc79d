// One call of the program under test, from its start to its end.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/config/schema_view.h"
#include "tests/sanitized.h"

namespace dstream::host_test {

struct Ended {
  int exit_code = -1;  // 128 + signal if one ended it
  std::string out;
  std::string err;
  int64_t cpu_ms = 0;        // user and system
  int64_t resident_kib = 0;  // at its largest
};

// Runs DSTREAM_PROGRAM with `arguments` until it ends; killed and failed after a minute.
// `environment` ("NAME=value") adds to the test's own.
Ended call(const std::vector<std::string>& arguments,
           const std::vector<std::string>& environment = {});

// `text` as JSON; a failure of the test and an empty object if it is none.
core::JsonObject parse_json(const std::string& text);

// A folder of a test's own, with files; goes away with the test.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path(const std::string& name = {}) const;
  std::string write(const std::string& name, const std::string& content) const;

 private:
  std::filesystem::path path_;
};

std::string read_file(const std::string& path);

}  // namespace dstream::host_test
