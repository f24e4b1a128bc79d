#include "core/plugins/sink_transactions.h"

#include "core/base/assert.h"

namespace dstream::core {
namespace {

CallResult not_offered() {
  CallResult result;
  result.status = DSTREAM_UNSUPPORTED;
  return result;
}

}  // namespace

CallResult GuardedSink::use_transactions(const std::string&) { return not_offered(); }
CallResult GuardedSink::committed_checkpoint(std::string*) { return not_offered(); }
CallResult GuardedSink::begin_transaction() { return not_offered(); }
CallResult GuardedSink::commit_transaction(std::string_view, uint32_t) { return not_offered(); }

CallResult SinkTransactions::use(const std::string& pipeline) {
  DSTREAM_ASSERT(offered());
  CallResult result = calls_.run("transactions.use()", 0, kAllowOk, [&](dstream_error* error) {
    return table_->use(self_, pipeline.c_str(), error);
  });
  if (result.ok()) {
    used_.store(true);
  }
  return result;
}

CallResult SinkTransactions::committed(std::string* out) {
  DSTREAM_ASSERT(used_.load() && !in_transaction_);
  uint32_t size = 0;
  out->resize(DSTREAM_MAX_CHECKPOINT);
  CallResult result =
      calls_.run("transactions.committed()", GuardedCalls::kNoLimit, kAllowOk | kAllowCancelled,
                 [&](dstream_error* error) {
                   return table_->committed(self_, reinterpret_cast<uint8_t*>(out->data()),
                                            DSTREAM_MAX_CHECKPOINT, &size, error);
                 });
  if (result.ok() && size > DSTREAM_MAX_CHECKPOINT) {
    result = calls_.breach("transactions", "wrote a checkpoint of " + std::to_string(size) +
                                               " bytes into a smaller buffer.");
  }
  out->resize(result.ok() ? size : 0);
  return result;
}

CallResult SinkTransactions::begin() {
  DSTREAM_ASSERT(used_.load() && !in_transaction_);
  CallResult result =
      calls_.run("transactions.begin()", GuardedCalls::kNoLimit, kAllowOk | kAllowCancelled,
                 [&](dstream_error* error) { return table_->begin(self_, error); });
  in_transaction_ = result.ok();
  return result;
}

CallResult SinkTransactions::commit_alone(std::string_view checkpoint, uint32_t max_wait_ms) {
  DSTREAM_ASSERT(in_transaction_ && checkpoint.size() <= DSTREAM_MAX_CHECKPOINT);
  settled_ok_.store(false);
  settled_rejected_.store(false);
  committing_.store(true);
  CallResult result =
      calls_.run("transactions.commit()", max_wait_ms, kAllowOk | kAllowAgain | kAllowCancelled,
                 [&](dstream_error* error) {
                   dstream_bytes bytes = {reinterpret_cast<const uint8_t*>(checkpoint.data()),
                                          checkpoint.size()};
                   return table_->commit(self_, bytes, max_wait_ms, error);
                 });
  committing_.store(false);
  if (!result.ok() && settled_ok_.load()) {
    // They count as delivered by now, and would be missing if it was not committed after all.
    return calls_.breach("transactions", "settled items OK in a commit that did not succeed.");
  }
  if (result.ok() && settled_rejected_.load()) {
    return calls_.breach("transactions",
                         "rejected an item in a commit and committed all the same.");
  }
  in_transaction_ = !result.ok();
  return result;
}

}  // namespace dstream::core
