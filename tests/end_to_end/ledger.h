// What was committed, and whether what arrived is that: nothing lost, nothing invented, order per
// key kept.
//
// Every change of a key has a number, counted from 0 in commit order. An observer that sees the
// stream of one key may see changes again (at least once) but never one ahead of its turn: each
// arrival is at most one change further than the arrival before it, and the last one is the last.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace dstream::end_to_end {

// Thread rule: [any-thread].
class Ledger {
 public:
  // `change` names the change among those of its key: "insert:17:payload".
  void committed(int key, const std::string& change);
  // A change may arrive before the writer has learned that its transaction is committed, so what
  // is wrong with an arrival is decided by verdict().
  void arrived(int key, const std::string& change);
  void tombstone(int key);

  // Waits until every committed change has arrived, or `timeout`.
  bool wait_complete(std::chrono::milliseconds timeout);
  // Waits for `count` more arrivals than now, or `timeout`.
  bool wait_arrivals(uint64_t count, std::chrono::milliseconds timeout);

  // All breaches found, at most 20; empty is good. Call when the writer has ended.
  std::vector<std::string> verdict() const;
  // The same for a stream that has every change, and the tombstone of every delete, exactly once.
  std::vector<std::string> verdict_exactly_once() const;
  uint64_t committed_count() const;
  uint64_t arrived_count() const;
  uint64_t duplicates() const;

 private:
  struct Key {
    std::vector<std::string> committed;
    std::vector<std::string> arrived;  // in order of arrival, repeats included
    uint64_t tombstones = 0;
  };

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::map<int, Key> keys_;
  uint64_t committed_ = 0;
  uint64_t arrived_ = 0;
  uint64_t fresh_ = 0;  // arrivals not seen before for their key
  std::map<int, std::map<std::string, uint64_t>> seen_;
};

}  // namespace dstream::end_to_end
