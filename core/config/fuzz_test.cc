// Files that were valid until a few of their bytes changed: whatever comes out, it is settings or
// an error with a code and a place in the file, and it comes soon.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <random>

#include "core/config/test_support.h"

namespace dstream::core {
namespace {

using test::Loaded;

const std::vector<std::string>& corpus() {
  static const std::vector<std::string> kCorpus = {
      "log: {level: debug, format: json}\nstate_dir: /tmp/x\nplugin_dirs: [a, b]\npipelines:\n"
      "  - name: people\n    source:\n      type: numbers\n      connection: ${env:DB}\n"
      "      tables:\n        - dbo.Persons\n        - {name: dbo.Cars, poll_interval: 10s}\n"
      "      limit: 5\n      ratio: 1.5\n    sink:\n      type: topics\n"
      "      topic: \"{database}.{table}\"\n    queue: {max_bytes: 8MiB}\n"
      "    key: {columns: {dbo.Cars: [Id, Part]}}\n",
      "# comment\nname: a\nsource: &s {type: numbers, connection: 'it''s', <<: {limit: 3}}\n"
      "sink: {type: lines}\nretry:\n  backoff_min: 1s\n  backoff_max: 2s\n",
      "- {name: a, source: &x {type: numbers, connection: \"a\\\n  b\"}, sink: {type: lines}}\n"
      "- name: b\n  source: *x\n  sink: {type: \"lines\"}\n  on_reject: dead_letter\n",
      "pipelines:\n- name: a\n  source: {type: numbers, connection: \"\\u00e4\\x41\"}\n"
      "  sink: {type: topics, password: $$, brokers: ~}\n  delivery: at_least_once\n"};
  return kCorpus;
}

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}

  std::string next() {
    std::string text = corpus()[below(corpus().size())];
    for (size_t changes = 1 + below(6); changes > 0; --changes) {
      change(text);
    }
    return text;
  }

 private:
  size_t below(size_t limit) {
    return std::uniform_int_distribution<size_t>(0, std::max<size_t>(limit, 1) - 1)(random_);
  }

  void change(std::string& text) {
    static constexpr std::string_view kLetters = "{}[]:,-#&*!|>'\"%@`\t\n \\?~<$\x80\xff\x01 0a";
    static const char* const kWords[] = {"${env:", "${file:/dev/null}",
                                         "<<: *s", "!!str ",
                                         "&a ",    "*a",
                                         "---\n",  "\n  ",
                                         "null",   "1e999",
                                         "- ",     "? ",
                                         ": ",     "18446744073709551616"};
    size_t at = below(text.size() + 1);
    switch (below(6)) {
      case 0:
        text.insert(at, 1, kLetters[below(kLetters.size())]);
        break;
      case 1:
        text.insert(at, kWords[below(std::size(kWords))]);
        break;
      case 2:
        text.erase(at, 1 + below(8));
        break;
      case 3:
        if (at < text.size()) {
          text[at] = kLetters[below(kLetters.size())];
        }
        break;
      case 4:
        text.insert(at, text.substr(below(text.size() + 1), below(60)));
        break;
      default:
        text.insert(at, below(200), kLetters[below(kLetters.size())]);
    }
  }

  std::mt19937_64 random_;
};

uint64_t chosen_seed() {
  const char* given = std::getenv("DSTREAM_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
}

TEST(ConfigFuzz, AnyTextIsSettingsOrAnErrorWithAPlace) {
  uint64_t seed = chosen_seed();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  Mutator mutator(seed);
  int valid = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string text = mutator.next();
    SCOPED_TRACE("round " + std::to_string(round) + "\n" + text);
    auto start = std::chrono::steady_clock::now();
    Loaded loaded(text, {{"DB", "tcp://u:secret@h"}});
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
    auto lines = static_cast<int>(std::count(text.begin(), text.end(), '\n')) + 2;
    for (const Error& error : loaded.errors()) {
      EXPECT_EQ(error.code.rfind("DS-", 0), 0u) << error.text();
      EXPECT_EQ(error.exit_code, ExitCode::kUsage) << error.text();
      ASSERT_TRUE(error.place.has_value()) << error.text();
      EXPECT_LE(error.place->line, lines) << error.text();
      EXPECT_NE(error.message.find_first_not_of(' '), std::string::npos);
    }
    valid += loaded.ok() ? 1 : 0;
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
  EXPECT_GT(valid, 0);
}

TEST(ConfigFuzz, BeginsWithValidFiles) {
  for (const std::string& text : corpus()) {
    Loaded loaded(text, {{"DB", "x"}});
    EXPECT_TRUE(loaded.ok()) << text << loaded.text();
  }
}

}  // namespace
}  // namespace dstream::core
