// The deliveries that are open, in the order their records were read, and the position that may be
// stored.
//
// A delivery retires when it and everything before it is settled (I1). The frontier is the lowest
// unsettled record; the position before it is the last non-empty one among the records below it.
// Record numbers only grow, and with them the position (I4).
//
// Belongs to the sink worker; not thread safe.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/pipeline/batch_queue.h"
#include "core/pipeline/byte_budget.h"
#include "core/pipeline/delivery.h"

namespace dstream::core {

// What a checkpoint says.
struct Frontier {
  std::string position;          // empty: none yet
  uint64_t position_record = 0;  // the number of records it covers, watermarks included
  uint64_t data_records = 0;     // of those, the data
};

// What a delivery was when it retired, for counters.
struct Retired {
  uint64_t delivered = 0;
  uint64_t dead_lettered = 0;
  int64_t commit_time_ns = 0;  // newest one; 0 unknown
};

class SettleTracker {
 public:
  // Borrowed, outlives the tracker.
  explicit SettleTracker(ByteBudget* budget) : budget_(budget) {}
  ~SettleTracker() { clear(); }
  SettleTracker(const SettleTracker&) = delete;
  SettleTracker& operator=(const SettleTracker&) = delete;

  // Takes ownership of a batch and of its charge. The caller encodes it and then calls start().
  Delivery& add(const QueuedBatch& queued);
  // Numbers the newest delivery and charges its encoding to the budget.
  void start(Delivery& delivery);

  // nullptr if it is not open (any more).
  Delivery* find(uint64_t delivery_id);
  // Retires what is done from the front; adds up in `retired`. True if anything did. With
  // transactions only up to a batch's end that has a position.
  bool retire(Retired* retired);
  // Everything that is open is to be written again, as new deliveries (I3).
  void rewind();
  // The lowest open delivery that is not completely written; nullptr if all are.
  Delivery* next_to_write();
  // The sink has taken `items` more of it.
  void written(Delivery& delivery, uint32_t items);
  // As Delivery's functions of that name.
  void settle(Delivery& delivery, uint32_t first, uint32_t count);
  void reject_item(Delivery& delivery, uint32_t item, Error reason, int32_t vendor_code);
  // ---- for transactions ----
  // Everything open is settled as far as the sink is concerned: a commit whose answer was lost.
  // REQUIRES: rewound.
  void settle_all();
  // Gives back the newest deliveries up to the last one that ends with a position: they will be
  // read again. Returns whether there were any. REQUIRES: nothing is in flight.
  bool drop_tail();
  // The source can continue behind the newest record. REQUIRES: not empty.
  bool ends_with_position() const {
    return dstream::core::ends_with_position(*open_.back().delivery->batch());
  }
  // What frontier() will be when everything open is settled.
  void frontier_of_all(Frontier* out) const;
  // From now on frontier() is what was committed last: watermarks and dead letters may have moved
  // on, but another host would start from there (I2).
  void set_committed(Frontier committed) { committed_ = std::move(committed); }
  // Records that the position of what has retired covers.
  uint64_t retired_position_record() const { return retired_.position_record; }

  // Gives back every batch, settled or not.
  void clear();

  bool empty() const { return open_.empty(); }
  // Items the sink has taken and not settled.
  uint64_t in_flight_items() const {
    return in_flight_ > 0 ? static_cast<uint64_t>(in_flight_) : 0;
  }
  uint64_t open_records() const;
  // The number of the lowest record that is not settled; of the next one to come if all are.
  uint64_t lowest_unsettled() const;
  // Copies into `out`, reusing its memory.
  void frontier(Frontier* out) const;

  template <class Visit>
  void for_each(Visit visit) {
    for (auto& each : open_) {
      visit(*each.delivery);
    }
  }

 private:
  struct Open {
    std::unique_ptr<Delivery> delivery;
    uint64_t batch_bytes = 0;
    uint64_t encoding_bytes = 0;
  };
  void recycle(Open open);
  // How many of the open deliveries retire() would.
  size_t retirable() const;

  static constexpr size_t kPooledDeliveries = 8;

  ByteBudget* const budget_;
  std::deque<Open> open_;
  std::vector<Open> pool_;  // their encoding_bytes stay charged
  uint64_t next_id_ = 1;
  uint64_t next_write_id_ = 1;
  int64_t in_flight_ = 0;  // below zero while write() settles what it has not returned yet
  uint64_t next_record_ = 0;
  Frontier retired_;  // of the records that retired
  uint64_t retired_data_ = 0;
  std::optional<Frontier> committed_;
};

}  // namespace dstream::core
