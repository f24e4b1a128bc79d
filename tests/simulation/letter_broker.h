// Where `dead_letter.sink` sends to: a broker of its own that fails, forgets to answer and refuses.
// What has arrived stays over crashes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dstream/abi.h"

namespace dstream::simulation {

class World;

class LetterBroker {
 public:
  struct InFlight {
    uint64_t delivery_id;
    uint32_t item;
    int64_t change;
    bool tombstone;
    std::string_view value;  // there until the item is settled (I7)
    std::string value_was;
  };
  static constexpr size_t kCapacity = 8;

  explicit LetterBroker(World* world) : world_(world) {}

  bool full() const { return in_flight_.size() >= kCapacity; }
  bool idle() const { return in_flight_.empty(); }
  void take(const dstream_delivery& delivery, uint32_t index);
  // Settles some of what is in flight, in any order; false if none.
  bool serve(bool everything, const std::function<void(const InFlight&, dstream_status)>& settle);
  // Any of what is in flight may have arrived.
  void end_session();
  // All messages of the change's letter have arrived.
  bool has(int64_t change) const;

 private:
  void arrive(const InFlight& item);

  World* const world_;
  std::vector<InFlight> in_flight_;
  std::set<std::pair<int64_t, bool>> arrived_;  // change, tombstone
};

// The connector "sim-letters".
const dstream_connector& letter_connector();

}  // namespace dstream::simulation
