// Assertions are for bugs in DStream, never for input, and stay on in release builds: a process
// that has lost its own invariants must not acknowledge anything further.
#pragma once

namespace dstream::core {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}

#define DSTREAM_ASSERT(expression)     \
  ((expression) ? static_cast<void>(0) \
                : ::dstream::core::assertion_failed(#expression, __FILE__, __LINE__))
