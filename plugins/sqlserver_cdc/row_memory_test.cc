#include "plugins/sqlserver_cdc/row_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace dstream::sqlserver {
namespace {

TEST(SlabPool, GivesBackWhatWasKept) {
  SlabPool pool(1 << 20);
  Slab slab = pool.take(10'000);
  EXPECT_EQ(slab.size, 16u << 10);
  const std::byte* memory = slab.memory.get();
  pool.give(std::move(slab));
  const Slab other_size = pool.take(1);
  EXPECT_EQ(other_size.size, SlabPool::kSizeMin);
  const Slab again = pool.take(9'000);
  EXPECT_EQ(again.memory.get(), memory);
}

TEST(SlabPool, KeepsNoMoreThanItsLimit) {
  SlabPool pool(2 * SlabPool::kSizeMin);
  std::vector<Slab> taken;
  for (int i = 0; i < 5; ++i) {
    taken.push_back(pool.take(1));
  }
  for (Slab& slab : taken) {
    pool.give(std::move(slab));
  }
  EXPECT_EQ(pool.kept_bytes(), 2 * SlabPool::kSizeMin);
}

TEST(SlabPool, LargerThanLargestIsExact) {
  SlabPool pool(1 << 20);
  EXPECT_EQ(pool.take(SlabPool::kSizeMax + 1).size, SlabPool::kSizeMax + 1);
}

TEST(Arena, KeepsEveryByteThatWasWritten) {
  const auto pool = std::make_shared<SlabPool>(1 << 20);
  std::mt19937 random(3);
  for (int round = 0; round < 20; ++round) {
    Arena arena(pool, random() % 50'000);
    std::vector<std::pair<char*, size_t>> parts;
    for (int i = 0; i < 200; ++i) {
      const size_t room = random() % 3'000;
      const size_t size = room == 0 ? 0 : random() % room;
      char* start = nullptr;
      if (random() % 3 == 0) {
        start = static_cast<char*>(arena.allocate(size));
        EXPECT_EQ(reinterpret_cast<uintptr_t>(start) % alignof(std::max_align_t), 0u);
      } else {
        start = arena.reserve(room);
        arena.use(start + size);
      }
      std::memset(start, i, size);
      parts.emplace_back(start, size);
    }
    for (size_t i = 0; i < parts.size(); ++i) {
      for (size_t k = 0; k < parts[i].second; ++k) {
        ASSERT_EQ(parts[i].first[k], static_cast<char>(i));
      }
    }
    EXPECT_GE(arena.held(), arena.used());
  }
}

}  // namespace
}  // namespace dstream::sqlserver
