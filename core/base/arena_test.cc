#include "core/base/arena.h"

#include <gtest/gtest.h>

#include <cstring>

namespace dstream::core {
namespace {

TEST(ArenaTest, GivesOutPiecesThatStayApart) {
  Arena arena(64);
  std::string_view first = arena.copy("first");
  std::string_view second = arena.copy(std::string(200, 'x'));
  std::string_view third = arena.copy("third");
  EXPECT_EQ(first, "first");
  EXPECT_EQ(second, std::string(200, 'x'));
  EXPECT_EQ(third, "third");
  EXPECT_EQ(arena.used_bytes(), 210u);
  EXPECT_GE(arena.held_bytes(), arena.used_bytes());
}

TEST(ArenaTest, CommitsOnlyWhatWasWritten) {
  Arena arena;
  char* at = arena.reserve(100);
  std::memcpy(at, "abc", 3);
  arena.commit(3);
  EXPECT_EQ(arena.reserve(1), at + 3);
}

TEST(ArenaTest, AlignsAllocations) {
  Arena arena;
  arena.copy("x");
  for (size_t alignment : {1u, 2u, 8u, 16u, 64u}) {
    auto address = reinterpret_cast<uintptr_t>(arena.allocate(3, alignment));
    EXPECT_EQ(address % alignment, 0u);
  }
}

TEST(ArenaTest, SecondUserNeedsNoMoreMemory) {
  Arena arena(64);
  for (int i = 0; i < 20; ++i) {
    arena.copy(std::string(50, 'a'));
  }
  size_t held = arena.held_bytes();
  for (int round = 0; round < 5; ++round) {
    arena.reset();
    EXPECT_EQ(arena.used_bytes(), 0u);
    for (int i = 0; i < 20; ++i) {
      arena.copy(std::string(50, 'b'));
    }
    EXPECT_EQ(arena.held_bytes(), held);
  }
}

TEST(ArenaTest, EmptyTextIsFine) {
  Arena arena;
  EXPECT_EQ(arena.copy("").size(), 0u);
}

}  // namespace
}  // namespace dstream::core
