// Who may have which of the connections besides the first: readers of changes and copies of tables
// share them, so that a pipeline never has more than `connections`.
//
// Changes come first, but neither side stops the other: while both want connections, copies keep
// one share, and the first connection, which is no share, always reads changes.
#pragma once

#include <cstdint>
#include <mutex>

namespace dstream::sqlserver {

// [any-thread]
class ConnectionShares {
 public:
  // `changes_max` of the `shares` are the most that readers of changes may have.
  ConnectionShares(uint32_t shares, uint32_t changes_max)
      : shares_(shares), changes_max_(changes_max) {}

  // True: a share was taken, to be given back. False: there is none to be had now; the wish for one
  // stays until it comes true or is withdrawn.
  bool take_for_changes();
  bool take_for_copies();
  void give_back_of_changes();
  void give_back_of_copies();
  void withdraw_wish_of_changes();
  void withdraw_wish_of_copies();

  // Asked between two requests by whoever has a share: the other side needs it more.
  bool changes_should_yield() const;
  bool copies_should_yield() const;
  // Copies would take more: a share with nothing to do is better given back.
  bool copies_wish() const;

 private:
  uint32_t free() const { return shares_ - changes_ - copies_; }

  const uint32_t shares_;
  const uint32_t changes_max_;
  mutable std::mutex mutex_;  // guards everything below
  uint32_t changes_ = 0;
  uint32_t copies_ = 0;
  bool changes_wish_ = false;
  bool copies_wish_ = false;
};

}  // namespace dstream::sqlserver
