// Random T-SQL: statements that are nearly right, made by a small grammar, and texts damaged byte
// by byte. What the engine answers does not matter to the fuzz; that it answers does.
//
// Thread rule: one thread an object.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace dstream::standin::sql {

class RandomSql {
 public:
  explicit RandomSql(uint64_t seed) : random_(seed) {}

  // One batch of one to four statements.
  std::string batch();
  // `text` with some bytes changed, cut, doubled or put elsewhere.
  std::string damaged(std::string text);
  size_t below(size_t limit) { return static_cast<size_t>(random_() % limit); }

  // Tables and rows that the grammar's names mean.
  static const char* preparation();

 private:
  std::string statement(int depth);
  std::string select(int depth);
  std::string change(int depth);
  std::string definition();
  std::string control(int depth);
  std::string from(int depth);
  std::string table(int depth);
  std::string value(int depth);
  std::string call(int depth);
  std::string condition(int depth);
  std::string literal();
  std::string type();
  std::string name();
  std::string pick(std::string_view words);
  template <size_t count>
  std::string one_of(const char* const (&choices)[count]) {
    return choices[below(count)];
  }

  std::mt19937_64 random_;
};

}  // namespace dstream::standin::sql
