#include "core/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace dstream::core {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "dstream: bug: assertion failed: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace dstream::core
