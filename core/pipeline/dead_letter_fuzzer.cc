// Feeds arbitrary lines to the parser of dead letters, for as long as one likes; see
// core/config/config_fuzzer.cc. A corpus: core/pipeline/testdata/golden.dead-letter.jsonl.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/assert.h"
#include "core/pipeline/dead_letter_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto letter =
      dstream::core::parse_dead_letter(std::string_view(reinterpret_cast<const char*>(data), size));
  if (letter) {
    DSTREAM_ASSERT(!letter->messages.empty());
  } else {
    DSTREAM_ASSERT(letter.error().code.starts_with("DS-REPLAY-"));
  }
  return 0;
}
