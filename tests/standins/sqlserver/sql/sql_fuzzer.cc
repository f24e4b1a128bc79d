// Feeds arbitrary texts to a session of the engine, for as long as one likes:
//   cmake --preset asan -DDSTREAM_BUILD_FUZZERS=ON && cmake --build --preset asan
//     --target sql_fuzzer && build/asan/tests/standins/sqlserver/sql/sql_fuzzer
// with documented/ as a corpus to begin with.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/sql/fuzz_grammar.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/session_driver.h"
#include "tests/standins/sqlserver/sql/text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dstream::standin::sql;
  constexpr int kRunsPerEngine = 200;
  static std::unique_ptr<Engine> engine;
  static std::unique_ptr<SessionDriver> driver;
  static int runs = 0;
  if (runs++ % kRunsPerEngine == 0) {
    driver.reset();
    engine = std::make_unique<Engine>(EngineOptions{});
    driver = std::make_unique<SessionDriver>(engine.get());
    driver->run(RandomSql::preparation());
  }
  // What the wire could have brought: statements come in UTF-16.
  const std::string text =
      utf8_from_utf16(utf16_bytes(std::string_view(reinterpret_cast<const char*>(data), size)));
  // A loop without an end is the text's own doing.
  if (upper_ascii(text).find("WHILE") == std::string::npos) {
    driver->run(text);
  }
  return 0;
}
