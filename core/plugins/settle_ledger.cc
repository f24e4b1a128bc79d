#include "core/plugins/settle_ledger.h"

#include <algorithm>

#include "core/base/assert.h"

namespace dstream::core {
namespace {

constexpr uint64_t kBitsMask = 0xffff'ffffu;

uint64_t shown_id(uint32_t slot, uint32_t generation) {
  return (uint64_t{slot} << 32) | generation;
}

// Bits [first, end) of a word, for 0 <= first < end <= 32.
uint64_t bits(uint32_t first, uint32_t end) {
  return ((uint64_t{1} << (end - first)) - 1) << first;
}

}  // namespace

SettleLedger::~SettleLedger() {
  for (auto& chunk : chunks_) {
    delete[] chunk.load(std::memory_order_relaxed);
  }
}

const dstream_delivery* SettleLedger::begin(const dstream_delivery& delivery, uint32_t first) {
  DSTREAM_ASSERT(first < delivery.count);
  if (partial_ != nullptr && partial_->delivery_id.load(std::memory_order_relaxed) == delivery.id &&
      partial_->accepted_end == first && partial_->shown.count == delivery.count) {
    partial_->limit.store(delivery.count, std::memory_order_release);
    return &partial_->shown;
  }
  if (partial_ != nullptr) {
    abandon_rest(*partial_);
    partial_ = nullptr;
  }
  Slot* slot = take_slot();
  if (slot == nullptr) {
    return nullptr;
  }
  prepare(*slot, delivery, first);
  partial_ = slot;
  return &slot->shown;
}

bool SettleLedger::accepted(uint32_t end) {
  Slot& slot = *partial_;
  uint32_t count = slot.shown.count;
  DSTREAM_ASSERT(end >= slot.accepted_end && end <= count);
  slot.accepted_end = end;
  if (end == count) {
    partial_ = nullptr;  // it may be done, and the slot another delivery's, already
    return true;
  }
  slot.limit.store(end, std::memory_order_release);
  const Word* words = slot.words.load(std::memory_order_relaxed);
  for (uint32_t item = end; item < count;) {
    uint32_t word_end = std::min(count, (item / kItemsPerWord + 1) * kItemsPerWord);
    uint32_t base = item - item % kItemsPerWord;
    if ((words[item / kItemsPerWord].load(std::memory_order_acquire) &
         bits(item - base, word_end - base)) != 0) {
      partial_ = nullptr;
      return false;
    }
    item = word_end;
  }
  return true;
}

SettleLedger::Settled SettleLedger::settle(uint64_t id, uint32_t first, uint32_t count) {
  Settled result;
  auto index = static_cast<uint32_t>(id >> 32);
  auto generation = static_cast<uint32_t>(id & kBitsMask);
  Slot* slot = slot_at(index);
  if (slot == nullptr || slot->generation.load(std::memory_order_acquire) != generation ||
      generation % 2 == 0) {
    return result;
  }
  uint64_t delivery_id = slot->delivery_id.load(std::memory_order_relaxed);
  uint32_t limit = slot->limit.load(std::memory_order_acquire);
  if (first >= limit || count > limit - first) {
    result.verdict = Verdict::kOutOfRange;
    return result;
  }
  result.verdict = mark(*slot, generation, first, count);
  if (result.verdict == Verdict::kOk) {
    result.delivery_id = delivery_id;
    result.slot = index;
    result.last = slot->owed.fetch_sub(count, std::memory_order_acq_rel) == count;
  }
  return result;
}

SettleLedger::Verdict SettleLedger::mark(Slot& slot, uint32_t generation, uint32_t first,
                                         uint32_t count) {
  Word* words = slot.words.load(std::memory_order_acquire);
  uint32_t end = first + count;
  for (uint32_t item = first; item < end;) {
    uint32_t base = item - item % kItemsPerWord;
    uint32_t word_end = std::min(end, base + kItemsPerWord);
    uint64_t mask = bits(item - base, word_end - base);
    Word& word = words[item / kItemsPerWord];
    uint64_t seen = word.load(std::memory_order_relaxed);
    do {
      if (seen >> 32 != generation) {
        return Verdict::kUnknownDelivery;
      }
      if ((seen & mask) != 0) {
        return Verdict::kTwice;
      }
    } while (!word.compare_exchange_weak(seen, seen | mask, std::memory_order_acq_rel));
    item = word_end;
  }
  return Verdict::kOk;
}

void SettleLedger::done(const Settled& settled) {
  DSTREAM_ASSERT(settled.verdict == Verdict::kOk && settled.last);
  give_back(*slot_at(settled.slot));
}

void SettleLedger::clear() {
  partial_ = nullptr;
  for (uint32_t i = 0; i < slot_count_; i++) {
    Slot& slot = *slot_at(i);
    if (slot.generation.load(std::memory_order_acquire) % 2 == 1) {
      give_back(slot);
    }
  }
}

SettleLedger::Slot* SettleLedger::slot_at(uint32_t index) const {
  if (index >= kDeliveriesMax) {
    return nullptr;
  }
  Slot* chunk = chunks_[index / kSlotsPerChunk].load(std::memory_order_acquire);
  return chunk == nullptr ? nullptr : chunk + index % kSlotsPerChunk;
}

SettleLedger::Slot* SettleLedger::take_slot() {
  if (free_ == nullptr) {
    free_ = returned_.exchange(nullptr, std::memory_order_acquire);
  }
  if (Slot* slot = free_; slot != nullptr) {
    free_ = slot->next_free;
    return slot;
  }
  if (slot_count_ == kDeliveriesMax) {
    return nullptr;
  }
  auto& chunk = chunks_[slot_count_ / kSlotsPerChunk];
  if (chunk.load(std::memory_order_relaxed) == nullptr) {
    chunk.store(new Slot[kSlotsPerChunk], std::memory_order_release);
  }
  Slot* slot = slot_at(slot_count_);
  slot->index = slot_count_++;
  return slot;
}

void SettleLedger::give_back(Slot& slot) {
  slot.generation.fetch_add(1, std::memory_order_acq_rel);
  open_count_.fetch_sub(1, std::memory_order_relaxed);
  // Only the worker takes from this list, and all of it at once: no ABA.
  Slot* head = returned_.load(std::memory_order_relaxed);
  do {
    slot.next_free = head;
  } while (!returned_.compare_exchange_weak(head, &slot, std::memory_order_release,
                                            std::memory_order_relaxed));
}

void SettleLedger::prepare(Slot& slot, const dstream_delivery& delivery, uint32_t first) {
  uint32_t generation = slot.generation.load(std::memory_order_relaxed) + 1;
  uint32_t word_count = (delivery.count + kItemsPerWord - 1) / kItemsPerWord;
  if (slot.word_capacity < word_count) {
    uint32_t capacity = std::max(word_count, slot.word_capacity * 2);
    bitmaps_.push_back(std::make_unique<Word[]>(capacity));
    slot.words.store(bitmaps_.back().get(), std::memory_order_release);
    slot.word_capacity = capacity;
  }
  Word* words = slot.words.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < word_count; i++) {
    words[i].store(uint64_t{generation} << 32, std::memory_order_relaxed);
  }
  // Items before `first` were settled in an earlier life of the instance: nobody owes them.
  for (uint32_t item = 0; item < first; item++) {
    words[item / kItemsPerWord].fetch_or(uint64_t{1} << (item % kItemsPerWord),
                                         std::memory_order_relaxed);
  }
  slot.shown = delivery;
  slot.shown.id = shown_id(slot.index, generation);
  slot.delivery_id.store(delivery.id, std::memory_order_relaxed);
  slot.accepted_end = first;
  slot.owed.store(delivery.count - first, std::memory_order_relaxed);
  slot.limit.store(delivery.count, std::memory_order_release);
  slot.generation.store(generation, std::memory_order_release);
  open_count_.fetch_add(1, std::memory_order_relaxed);
}

void SettleLedger::abandon_rest(Slot& slot) {
  uint32_t rest = slot.shown.count - slot.accepted_end;
  slot.limit.store(slot.accepted_end, std::memory_order_release);
  if (slot.owed.fetch_sub(rest, std::memory_order_acq_rel) == rest) {
    give_back(slot);
  }
}

}  // namespace dstream::core
