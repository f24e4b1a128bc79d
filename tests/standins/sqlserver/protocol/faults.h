// What can go wrong on demand: faults that a test lays out and requests walk into.
//
//   Fault fault;
//   fault.action = FaultAction::kDrop;
//   fault.statement_contains = "orders_CT";
//   fault.after_rows = 5'000;
//   server.faults().add(fault);
//
// A fault waits until a request matches it, takes effect at its place in that request's response,
// and is spent after `times` requests.
//
// Thread rule: every function is [any-thread].
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/protocol/handler.h"

namespace dstream::standin {

enum class FaultAction : uint8_t {
  kDrop,   // closes the connection; with after_bytes in the middle of a packet if need be
  kStall,  // sends nothing more until release() or removal of the fault
  kSlow,   // waits delay_ms before each row, or before each piece of the bytes, from then on
  kPiece,  // sends pieces of piece_bytes, each by its own system call, from then on
  kError,  // ends the statement with `message` in place of its next row
};

struct Fault {
  FaultAction action = FaultAction::kDrop;

  // Which requests: batches, procedure calls and transaction requests whose text (or name and text
  // parameters, or "COMMIT TRANSACTION") contains this; empty matches all. The first `skip`
  // matching requests pass.
  std::string statement_contains;
  uint32_t skip = 0;
  // The login instead of a request. after_rows has no meaning then; kError refuses the login.
  bool at_login = false;

  // Where in the response: after so many rows of it, or after so many bytes of it were sent,
  // counted as they go over the network. Both unset: at its very start, before the session is
  // asked. To drop a connection when the work is done and nothing of the answer has left, say 0
  // bytes.
  int64_t after_rows = -1;
  int64_t after_bytes = -1;

  uint32_t times = 1;  // requests to hit; 0 means without limit
  uint32_t delay_ms = 0;
  uint32_t piece_bytes = 1;
  ServerMessage message;  // for kError
};

// Error 1205 after so many rows.
Fault deadlock_after_rows(int64_t rows);

class Faults {
 public:
  using Id = uint64_t;

  Id add(Fault fault);
  // Removing a fault that stalls a connection lets it go on.
  void remove(Id id);
  void clear();
  // Lets every stalled connection go on; the faults stay for what they have left.
  void release();

  // How often it took effect, also after it is spent; 0 for an unknown id.
  uint64_t fired(Id id) const;
  // Waits until it took effect `count` times; false if that took longer than `limit`.
  bool wait_fired(Id id, uint64_t count, std::chrono::milliseconds limit) const;

  // What follows is for connections.

  struct Armed {
    Id id = 0;
    Fault fault;
  };
  // The faults this request walks into; each counts one of its `times`.
  std::vector<Armed> take(std::string_view statement, bool is_login);
  bool is_empty() const { return count_.load(std::memory_order_relaxed) == 0; }
  void note_fired(Id id);
  // One turn of a stall: waits a moment; false once the stall is over.
  bool stall_turn(Id id, uint64_t release_count) const;
  uint64_t release_count() const;

 private:
  struct Entry {
    Id id = 0;
    Fault fault;
    uint32_t matched = 0;
    uint64_t fired = 0;
    bool is_removed = false;
  };
  const Entry* find(Id id) const;

  mutable std::mutex mutex_;  // guards all below it
  mutable std::condition_variable changed_;
  std::list<Entry> entries_;
  Id next_id_ = 1;
  uint64_t release_count_ = 0;
  std::atomic<size_t> count_{0};
};

}  // namespace dstream::standin
