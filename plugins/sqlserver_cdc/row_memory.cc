#include "plugins/sqlserver_cdc/row_memory.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace dstream::sqlserver {
namespace {

constexpr size_t kFurtherSlab = 32 << 10;

size_t size_index(size_t size) {
  return static_cast<size_t>(std::countr_zero(size) - std::countr_zero(SlabPool::kSizeMin));
}

}  // namespace

Slab SlabPool::take(size_t size) {
  const size_t rounded = std::max(std::bit_ceil(size), kSizeMin);
  if (rounded > kSizeMax) {
    return {std::unique_ptr<std::byte[]>(new std::byte[size]), size};
  }
  {
    const std::lock_guard lock(mutex_);
    std::vector<Slab>& kept = kept_[size_index(rounded)];
    if (!kept.empty()) {
      Slab slab = std::move(kept.back());
      kept.pop_back();
      kept_bytes_ -= rounded;
      return slab;
    }
  }
  // Not value-initialised: whoever takes memory from the arena writes all of it.
  return {std::unique_ptr<std::byte[]>(new std::byte[rounded]), rounded};
}

void SlabPool::give(Slab slab) {
  if (!std::has_single_bit(slab.size) || slab.size < kSizeMin || slab.size > kSizeMax) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (kept_bytes_ + slab.size <= kept_max_) {
    kept_bytes_ += slab.size;
    kept_[size_index(slab.size)].push_back(std::move(slab));
  }
}

Arena::~Arena() {
  for (Slab& slab : slabs_) {
    pool_->give(std::move(slab));
  }
}

void* Arena::allocate(size_t size) {
  constexpr size_t kAlignment = alignof(std::max_align_t);
  char* start = reserve(size + kAlignment);
  const size_t misaligned = reinterpret_cast<uintptr_t>(start) % kAlignment;
  char* aligned = misaligned == 0 ? start : start + (kAlignment - misaligned);
  use(aligned + size);
  return aligned;
}

void Arena::grow(size_t size) {
  slabs_.push_back(pool_->take(std::max(size, slabs_.empty() ? expected_ : kFurtherSlab)));
  const Slab& slab = slabs_.back();
  next_ = reinterpret_cast<char*>(slab.memory.get());
  end_ = next_ + slab.size;
  held_ += slab.size;
}

}  // namespace dstream::sqlserver
