// Everything outside the engine: the clock, the disk, the database that is read, the broker that is
// written to, and the judge who compares them with the invariants.
//
// The connectors (connectors.cc) are the engine's way into it, through the C ABI and the guard. A
// world outlives crashes: what the broker has and what the disk kept stays.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "dstream/abi.h"
#include "tests/simulation/letter_broker.h"
#include "tests/simulation/random.h"
#include "tests/simulation/scenario.h"
#include "tests/simulation/sim_disk.h"

namespace dstream::simulation {

// What the judge throws; the run ends and prints its seed.
struct Violation {
  std::string what;
};

class SimClock final : public core::Clock {
 public:
  int64_t monotonic_ns() const override { return now_ns; }
  int64_t wall_ns() const override { return 1'764'000'000 * core::kNanosPerSecond + now_ns; }
  int64_t now_ns = core::kNanosPerSecond;
};

class World {
 public:
  World(uint64_t seed, bool verbose);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The one world of this thread, for the connectors.
  static World* current();

  // ---- the database ----
  // The index after the last change that may be read by now.
  int64_t available() const { return available_; }
  void make_available(int64_t changes);
  void prune();  // what is below scenario.pruned_before is gone
  int64_t oldest() const { return oldest_; }
  // What the connectors are told; positions as text.
  void opened(const std::string& position);
  void read_up_to(int64_t end) { read_end_ = end; }
  void closed() { source_open_ = false; }
  // The pipeline says that it closes without the last commit: it may if there is no connection.
  void commit_given_up() { commit_excused_ = !source_open_; }
  void commit(const std::string& position);

  // ---- the broker ----
  struct InFlight {
    uint64_t delivery_id;
    uint32_t item;
    int64_t change;
    bool tombstone;
    uint32_t partition;
    // Where the change's index stands in the batch, and its text in the encoding: both must be
    // there until the item is settled (I7).
    const dstream_value* proof = nullptr;
    std::string_view text;
    std::optional<dstream_status> outcome;  // decided by the broker, not yet told
  };
  std::vector<InFlight>& in_flight() { return in_flight_; }
  uint32_t partition_of(int64_t change) const;
  // What waits for its answer; in a transaction what has it waits for the commit, and takes no
  // room.
  size_t undecided() const;
  // The session ends: any beginning of what is in flight in each partition may have arrived.
  void end_session();
  // The broker does its work: some items settle through `settle(item, status)`.
  template <class Settle>
  bool serve(bool everything, Settle settle);
  // ---- transactions, with exactly_once ----
  bool exactly_once() const { return scenario.settings.exactly_once; }
  const std::string& sink_checkpoint() const { return sink_checkpoint_; }
  // Nothing in flight waits for more than the commit.
  bool all_delivered() const;
  // What is pending arrives, and the checkpoint with it.
  void commit_transaction(const std::string& checkpoint);
  // Takes out the items whose transaction is committed, to be settled.
  std::vector<InFlight> take_committed();

  // After poll() or flush() has told every RETRY of a partition, the sink takes new items for it as
  // if nothing had been: it is the engine that must not write them before the next session.
  void recover_partitions();

  // ---- idle calls ----
  // A call found nothing to do, or did something. Many idle ones at one instant are a worker that
  // spins instead of waiting.
  enum class Caller { kRead, kWrite, kPoll, kLetters };
  void call_ended(Caller caller, bool idle);

  // ---- batches ----
  // (I6)
  void batch_made(uint64_t bytes);
  void batch_released(uint64_t bytes);
  int64_t batches_alive() const { return batches_alive_; }

  // ---- the judge ----
  void pipeline_starts();
  // The machine stops: every instance is dead, the disk forgets.
  void crash();
  // The stored position covers all there is.
  bool all_stored() const;
  // After a stop that went well.
  void check_clean_stop() const;
  // After everything was read and the pipeline stopped by itself.
  void check_end() const;
  [[noreturn]] void violated(const std::string& what) const;
  void note(const std::string& what) const;

  Random random;
  Scenario scenario;
  SimClock clock;
  SimDisk disk;
  LetterBroker letters{this};
  bool calm = false;     // nothing fails any more
  bool stalled = false;  // the broker does nothing at all
  uint64_t epoch = 1;    // instances of an earlier one are dead
  std::function<void(const InFlight&, dstream_status)> settle_now;  // of the open sink session
  uint64_t duplicates = 0;
  // What a connector found violated: exceptions do not cross the ABI.
  std::optional<std::string> verdict;

 private:
  // One message of one change, in the order its key must see them.
  struct Event {
    int64_t change;
    bool tombstone;
  };

  void index_log();
  // What becomes of the eldest undecided item of a partition.
  void decide(uint32_t partition);
  // An item is with the broker: to be seen at once, or with its transaction.
  void deliver(const InFlight& item);
  void arrive(const InFlight& item);
  template <class Settle>
  bool serve_in_transaction(bool everything, Settle settle);
  bool is_rejected(const InFlight& item) const;
  void check_stored(const std::string& content, const char* when, int64_t* highest);
  // Another host goes on, with a disk of its own.
  void lose_disk();
  std::set<int64_t> dead_letters() const;
  bool is_missing(int64_t change, const std::set<int64_t>& dead) const;
  bool may_be_skipped(const Event& event) const;
  void check_last_arrivals() const;
  int64_t stored_now() const;
  int64_t stored() const { return std::max(file_stored_, sink_stored_); }

  const bool verbose_;
  int64_t available_ = 0;
  int64_t oldest_ = 0;
  bool gap_allowed_ = false;  // the pipeline was told of a gap, or had not started yet
  std::vector<InFlight> in_flight_;
  std::set<uint32_t> retried_partitions_;   // of this session of the sink
  std::vector<std::vector<Event>> events_;  // by key
  std::vector<int64_t> rank_;               // of a change's first event among those of its key
  std::vector<int64_t> last_rank_;          // by key: of the newest arrival, -1 for none
  std::vector<int64_t> highest_rank_;       // by key: that ever arrived
  int64_t read_end_ = 0;                    // after the last change read since the last start
  // The source was opened again inside a transaction: what was read of it is in the stream twice,
  // and a sink that goes back may go back to its first half.
  bool stream_repeats_ = false;
  std::vector<std::pair<int64_t, bool>> broker_;  // arrivals in order: change, tombstone
  int64_t newest_arrival_ = -1;   // highest change that arrived since the last start
  std::vector<uint8_t> arrived_;  // by change: 1 its message, 2 its tombstone
  int64_t last_commit_ = 0;
  bool source_open_ = false;
  bool source_was_open_ = false;  // since the last start
  bool commit_excused_ = false;
  int64_t file_stored_ = 0;  // the highest position known to be durable in the file
  int64_t sink_stored_ = 0;  // and in the sink
  std::string sink_checkpoint_;
  std::vector<InFlight> pending_;  // with the broker, of the transaction that is open
  int64_t batches_alive_ = 0;
  uint64_t bytes_alive_ = 0;
  int64_t idle_since_ns_ = 0;
  int idle_calls_[4] = {};
};

template <class Settle>
bool World::serve_in_transaction(bool everything, Settle settle) {
  bool any = false;
  while (!stalled && (everything || !random.chance(200))) {
    auto undecided = std::find_if(in_flight_.begin(), in_flight_.end(),
                                  [](const InFlight& each) { return !each.outcome; });
    if (undecided != in_flight_.end()) {
      decide(undecided->partition);
      continue;
    }
    auto told = std::find_if(in_flight_.begin(), in_flight_.end(),
                             [](const InFlight& each) { return *each.outcome != DSTREAM_OK; });
    if (told == in_flight_.end()) {
      break;
    }
    InFlight item = *told;
    in_flight_.erase(told);
    any = true;
    settle(item, *item.outcome);
  }
  return any;
}

template <class Settle>
bool World::serve(bool everything, Settle settle) {
  if (exactly_once()) {
    return serve_in_transaction(everything, settle);
  }
  bool any = false;
  while (!stalled && !in_flight_.empty() && (everything || !random.chance(200))) {
    // Within a partition the broker decides in order; what it decided is told in any order.
    size_t at = random.below(in_flight_.size());
    if (!in_flight_[at].outcome) {
      decide(in_flight_[at].partition);
      continue;
    }
    InFlight item = in_flight_[at];
    in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(at));
    any = true;
    settle(item, *item.outcome);
  }
  return any;
}

}  // namespace dstream::simulation
