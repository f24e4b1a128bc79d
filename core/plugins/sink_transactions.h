// The transactions of a sink, behind the guard: their order, and that nothing counts as safe before
// its transaction is.
//
// Thread rule: [worker], one call at a time; may_settle_ok() and settled_...() [any-thread].
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/plugins/guarded_call.h"
#include "dstream/ext/draft/transactions.h"

namespace dstream::core {

class SinkTransactions {
 public:
  explicit SinkTransactions(GuardedCalls& calls) : calls_(calls) {}

  // Asks the new instance for its table, once.
  template <class Api, class Instance>
  void find(const Api& api, Instance* self) {
    self_ = self;
    if (api.get_extension != nullptr) {
      calls_.run_void("get_extension()", [&] {
        table_ = static_cast<const dstream_transactions*>(
            api.get_extension(self, DSTREAM_EXT_TRANSACTIONS));
      });
    }
  }
  bool offered() const { return table_ != nullptr; }

  // As in guard.h.
  CallResult use(const std::string& pipeline);
  CallResult committed(std::string* out);
  CallResult begin();
  // `open_count()` says how many deliveries are not settled.
  template <class OpenCount>
  CallResult commit(std::string_view checkpoint, uint32_t max_wait_ms, OpenCount&& open_count) {
    CallResult result = commit_alone(checkpoint, max_wait_ms);
    if (result.ok() && open_count() != 0) {
      return calls_.breach("transactions", "committed a transaction and left items unsettled.");
    }
    return result;
  }
  // The session is over, and with it a transaction.
  void closed() { in_transaction_ = false; }

  // Outside of a commit an item must not be settled OK, if transactions are used at all.
  bool may_settle_ok() const { return !used_.load() || committing_.load(); }
  void settled_ok() { settled_ok_.store(true); }
  void settled_rejected() { settled_rejected_.store(true); }
  bool may_write() const { return !used_.load() || in_transaction_; }

 private:
  CallResult commit_alone(std::string_view checkpoint, uint32_t max_wait_ms);

  GuardedCalls& calls_;
  void* self_ = nullptr;
  const dstream_transactions* table_ = nullptr;
  bool in_transaction_ = false;
  std::atomic<bool> used_{false};
  std::atomic<bool> committing_{false};
  // Of the commit that runs.
  std::atomic<bool> settled_ok_{false};
  std::atomic<bool> settled_rejected_{false};
};

}  // namespace dstream::core
