// Random T-SQL, by grammar and by bytes: nothing may crash, hang or break an assertion, and nothing
// may end in an error of the engine itself. Every run takes the same texts, so that a change is
// judged by itself; DSTREAM_FUZZ_SEED takes others ("random": each time), DSTREAM_FUZZ_ROUNDS more,
// DSTREAM_FUZZ_VERBOSE=1 prints each text before it runs.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "tests/standins/sqlserver/sql/fuzz_grammar.h"
#include "tests/standins/sqlserver/sql/session_driver.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

constexpr int kInternalError = 8680;
constexpr uint64_t kRounds = 4000;
constexpr std::chrono::seconds kBatchTimeMax{20};
constexpr std::chrono::seconds kTimeMax{3};  // of a test without DSTREAM_FUZZ_ROUNDS
constexpr uint64_t kRoundsPerEngine = 50;    // then tables are as they were at first

constexpr uint64_t kSeed = 20261123;

uint64_t seed() {
  const char* text = std::getenv("DSTREAM_FUZZ_SEED");
  if (text == nullptr) {
    return kSeed;
  }
  return std::string_view(text) == "random" ? std::random_device{}()
                                            : std::strtoull(text, nullptr, 10);
}

uint64_t number_from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class SqlFuzzTest : public testing::Test {
 protected:
  SqlFuzzTest() : seed_(seed()), sql_(seed_) {
    std::printf("DSTREAM_FUZZ_SEED=%llu\n", static_cast<unsigned long long>(seed_));
  }

  // Runs `text` of every round; a text that fails is printed.
  void run(const std::function<std::string()>& make) {
    const uint64_t rounds = number_from_environment("DSTREAM_FUZZ_ROUNDS", kRounds);
    const bool is_bounded = std::getenv("DSTREAM_FUZZ_ROUNDS") == nullptr;
    const auto begin = std::chrono::steady_clock::now();
    for (uint64_t done = 0; done < rounds; done += kRoundsPerEngine) {
      if (is_bounded && std::chrono::steady_clock::now() - begin > kTimeMax) {
        return;
      }
      Engine engine{EngineOptions{}};
      SessionDriver driver(&engine);
      driver.run(RandomSql::preparation());
      for (uint64_t i = 0; i < kRoundsPerEngine; ++i) {
        // What the wire could have brought: statements come in UTF-16.
        const std::string text = utf8_from_utf16(utf16_bytes(make()));
        SCOPED_TRACE(text);
        if (std::getenv("DSTREAM_FUZZ_VERBOSE") != nullptr) {
          std::printf("%s\n-----\n", text.c_str());
          std::fflush(stdout);
        }
        const auto start = std::chrono::steady_clock::now();
        driver.run(text);
        ASSERT_LT(std::chrono::steady_clock::now() - start, kBatchTimeMax);
        ASSERT_FALSE(HasFailure());
        for (const ServerMessage& message : driver.writer().messages) {
          ASSERT_NE(message.number, kInternalError) << message.text << "\n" << text;
        }
      }
    }
  }

  const uint64_t seed_;
  RandomSql sql_;
};

TEST_F(SqlFuzzTest, StatementsOfTheGrammarAreAnswered) {
  run([this] { return sql_.batch(); });
}

TEST_F(SqlFuzzTest, DamagedStatementsAreAnswered) {
  run([this] { return sql_.damaged(sql_.batch()); });
}

TEST_F(SqlFuzzTest, BytesAreAnswered) {
  run([this] {
    std::string text(sql_.below(200), ' ');
    for (char& c : text) {
      c = static_cast<char>(sql_.below(256));
    }
    return text;
  });
}

}  // namespace
}  // namespace dstream::standin::sql
