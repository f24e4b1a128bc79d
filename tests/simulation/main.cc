// dstream-simulation [--seed N] [--count N] [--verbose]
//
// Drives the engine through seeded schedules of crashes, failures, retries and stops, and judges
// every one of them by the invariants. A violation prints its seed; `--seed N --count 1 --verbose`
// shows that run again, step by step. DSTREAM_SIMULATION_SEED and DSTREAM_SIMULATION_COUNT do the
// same where arguments cannot be given.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/simulation/run.h"

namespace {

// Each showed a fault once: a position inside what was read again, a file that looked newer than
// the sink. They do as long as scenario.cc draws what it did then; unit tests hold the faults as
// well.
constexpr uint64_t kFoundBefore[] = {271726, 1045280};

uint64_t number_of(const char* text, const char* what) {
  char* end = nullptr;
  uint64_t number = std::strtoull(text, &end, 10);
  if (end == text || *end != '\0') {
    std::fprintf(stderr, "%s is not a number: %s\n", what, text);
    std::exit(2);
  }
  return number;
}

uint64_t from_environment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : number_of(text, name);
}

// False if it violates an invariant.
bool try_seed(uint64_t seed, bool verbose, const char* program, dstream::simulation::Outcome* sum) {
  dstream::simulation::Outcome outcome = dstream::simulation::run(seed, verbose);
  sum->steps += outcome.steps;
  sum->crashes += outcome.crashes;
  sum->stops += outcome.stops;
  sum->failures += outcome.failures;
  sum->duplicates += outcome.duplicates;
  if (!outcome.ok) {
    std::printf("seed %llu violates: %s\nrepeat it with: %s --seed %llu --count 1 --verbose\n",
                static_cast<unsigned long long>(seed), outcome.violation.c_str(), program,
                static_cast<unsigned long long>(seed));
  }
  return outcome.ok;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t first = from_environment("DSTREAM_SIMULATION_SEED", 1);
  uint64_t count = from_environment("DSTREAM_SIMULATION_COUNT", 12'000);
  bool verbose = false;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--verbose") == 0) {
      verbose = true;
    } else if (std::strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
      first = number_of(argv[++i], "--seed");
    } else if (std::strcmp(argv[i], "--count") == 0 && i + 1 < argc) {
      count = number_of(argv[++i], "--count");
    } else {
      std::fprintf(stderr, "usage: %s [--seed N] [--count N] [--verbose]\n", argv[0]);
      return 2;
    }
  }
  auto started = std::chrono::steady_clock::now();
  dstream::simulation::Outcome sum;
  if (first == 1) {
    for (uint64_t seed : kFoundBefore) {
      if (!try_seed(seed, verbose, argv[0], &sum)) {
        return 1;
      }
    }
  }
  for (uint64_t seed = first; seed < first + count; ++seed) {
    if (!try_seed(seed, verbose, argv[0], &sum)) {
      return 1;
    }
  }
  double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::printf(
      "seeds %llu..%llu: %llu schedules, %llu steps, %llu crashes, %llu stops, "
      "%llu expected failures, %llu duplicates, %.1f s\n",
      static_cast<unsigned long long>(first), static_cast<unsigned long long>(first + count - 1),
      static_cast<unsigned long long>(count), static_cast<unsigned long long>(sum.steps),
      static_cast<unsigned long long>(sum.crashes), static_cast<unsigned long long>(sum.stops),
      static_cast<unsigned long long>(sum.failures),
      static_cast<unsigned long long>(sum.duplicates), seconds);
  return 0;
}
