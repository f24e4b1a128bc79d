// Which items of which deliveries a sink still owes a settle() for.
//
// A sink settles from any thread, item by item if it likes, so a settle takes no lock and no
// memory: every open delivery has a slot with one bit an item, and the delivery id a sink sees is
// slot and generation of that slot. A settle for a delivery that is done, or was never written,
// carries an old generation and is told from a live one for as long as the instance lives, even if
// the slot has been given to another delivery meanwhile.
//
//   const dstream_delivery* shown = ledger.begin(delivery, first);   // [worker]
//   api->write(self, shown, first, &accepted, &error);
//   ledger.accepted(first + accepted);                               // [worker]
//   Settled settled = ledger.settle(id, first, count);               // [any-thread]
//   if (settled.last) ledger.done(settled);                          // [any-thread]
//
// Thread rule: begin() and accepted() [worker]; settle(), done() and open_count() [any-thread];
// clear() [worker], while no settle() or done() runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "dstream/abi.h"

namespace dstream::core {

class SettleLedger {
 public:
  // Deliveries open at a time; a full ledger is backpressure, not an error.
  static constexpr uint32_t kDeliveriesMax = 65'536;

  enum class Verdict {
    kOk,
    kUnknownDelivery,  // never written, settled completely before, or forgotten by clear()
    kOutOfRange,       // items beyond the delivery, or not accepted
    kTwice             // an item of the range was settled before
  };
  struct Settled {
    Verdict verdict = Verdict::kUnknownDelivery;
    uint64_t delivery_id = 0;  // as the engine numbered it
    bool last = false;         // every item is settled: the delivery is done()
    uint32_t slot = 0;
  };

  SettleLedger() = default;
  SettleLedger(const SettleLedger&) = delete;
  SettleLedger& operator=(const SettleLedger&) = delete;
  ~SettleLedger();

  // The delivery to show to the sink, with the ledger's id in it; it stays valid until its last
  // item is settled. Continues the delivery of the call before if that was accepted in part.
  // nullptr: the ledger is full.
  const dstream_delivery* begin(const dstream_delivery& delivery, uint32_t first);
  // After write(): items before `end` belong to the sink. False if the sink has settled items
  // that it did not accept; the delivery can then only be forgotten, by clear().
  bool accepted(uint32_t end);
  // REQUIRES: count > 0.
  Settled settle(uint64_t shown_id, uint32_t first, uint32_t count);
  // Gives the delivery's slot to another one. REQUIRES: settled.last; called once.
  void done(const Settled& settled);
  // Forgets every open delivery: the instance was closed.
  void clear();
  uint32_t open_count() const { return open_count_.load(std::memory_order_relaxed); }

 private:
  // One bit an item and, in the upper half of each word, the generation it belongs to: a stale
  // settle cannot mark an item of the slot's next delivery.
  using Word = std::atomic<uint64_t>;
  static constexpr uint32_t kItemsPerWord = 32;
  static constexpr uint32_t kSlotsPerChunk = 64;

  struct Slot {
    dstream_delivery shown{};
    std::atomic<uint64_t> delivery_id{0};
    std::atomic<uint32_t> generation{0};  // odd: open
    std::atomic<uint32_t> limit{0};       // items that may be settled by now
    std::atomic<uint32_t> owed{0};
    std::atomic<Word*> words{nullptr};
    uint32_t word_capacity = 0;  // [worker]
    uint32_t accepted_end = 0;   // [worker]
    uint32_t index = 0;
    Slot* next_free = nullptr;
  };

  Slot* slot_at(uint32_t index) const;
  Slot* take_slot();
  void give_back(Slot& slot);
  void prepare(Slot& slot, const dstream_delivery& delivery, uint32_t first);
  void abandon_rest(Slot& slot);
  static Verdict mark(Slot& slot, uint32_t generation, uint32_t first, uint32_t count);

  std::atomic<Slot*> chunks_[kDeliveriesMax / kSlotsPerChunk]{};
  uint32_t slot_count_ = 0;  // [worker]
  Slot* partial_ = nullptr;  // [worker] the delivery accepted in part, if there is one
  Slot* free_ = nullptr;     // [worker]
  std::atomic<Slot*> returned_{nullptr};
  std::atomic<uint32_t> open_count_{0};
  // Every bitmap ever made: a stale settle may still look at one that was outgrown. [worker]
  std::vector<std::unique_ptr<Word[]>> bitmaps_;
};

}  // namespace dstream::core
