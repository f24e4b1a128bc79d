// Which items of which deliveries the sink has taken, and what became of them.
//
// An item is accepted, gets a ticket that travels through librdkafka as an opaque pointer, is done
// in any order, and is settled in order: one settle() call for a run of items, not one an item.
// Item and delivery stay valid until then, which the ABI promises.
//
// Thread rule: [worker].
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "dstream/plugin.hpp"

namespace eventhubs {

// Names an accepted item; never 0. Valid until the item is settled.
using Ticket = uint64_t;

struct ItemError {
  int code = 0;
  std::string text;
};

class Deliveries {
 public:
  // Taken by the sink and not settled yet.
  uint32_t open_items() const { return open_items_; }

  // Starts to accept items of `delivery` from `first` on; call accept() for each in turn. Nothing
  // else may be called in between.
  void begin(const dstream::Delivery& delivery, uint32_t first);
  Ticket accept();

  const dstream_message& message(Ticket ticket) const;

  // REQUIRES: the item is accepted and not done.
  void delivered(Ticket ticket) { finish(ticket, State::kDelivered); }
  void rejected(Ticket ticket, ItemError error);

  // Settles what is done and has nothing undone before it in its delivery. Returns how many were
  // delivered.
  uint32_t settle_done(const dstream::Host& host);
  // Settles everything: what is done as it was done, the rest RETRY with this error. Returns how
  // many are to be written again.
  uint32_t settle_all(const dstream::Host& host, const ItemError& error, uint32_t retry_after_ms);
  // In a transaction: settles what was rejected, and nothing else. The rest waits for the commit.
  void settle_rejected(const dstream::Host& host);
  // The transaction failed: what was delivered in it was not.
  void forget_delivered();
  // Forgets everything without a word: after close() nothing may be settled.
  void clear();

 private:
  enum class State : uint8_t { kAccepted, kDelivered, kRejected, kSettled };

  // A run of accepted items of one delivery.
  struct Run {
    uint64_t delivery_id = 0;
    const char* messages = nullptr;
    uint32_t message_stride = 0;
    uint32_t first = 0;    // item index of states[0]
    uint32_t settled = 0;  // how many of `states` are settled
    bool touched = false;  // is in touched_
    bool in_use = false;
    std::vector<State> states;  // keeps its memory when the run is used again
  };

  static uint32_t run_index(Ticket ticket) { return static_cast<uint32_t>(ticket >> 32) - 1; }
  static uint32_t item_index(Ticket ticket) { return static_cast<uint32_t>(ticket); }
  void finish(Ticket ticket, State state);
  uint32_t settle_prefix(const dstream::Host& host, Run& run);
  void settle_rejected(const dstream::Host& host, const Run& run, uint32_t run_number,
                       uint32_t item);
  void release(uint32_t index);

  std::vector<Run> runs_;
  std::vector<uint32_t> free_;
  std::vector<uint32_t> touched_;
  std::map<Ticket, ItemError> rejections_;  // rare
  uint32_t current_ = 0;                    // the run that accept() extends
  bool has_current_ = false;
  uint32_t open_items_ = 0;
};

}  // namespace eventhubs
