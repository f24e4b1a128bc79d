// Stores values that are too large for the sink, for one pipeline: a few threads, each with one
// value at a time, that try again as `retry` says.
//
// A refused login has the configuration's secrets read again before the next try: they rotate.
//
// Thread rule: as ClaimStore; the destructor ends what runs.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.h"
#include "core/base/file_system.h"
#include "core/base/log.h"
#include "core/claims/claim_target.h"
#include "core/messages/claim_check.h"
#include "core/pipeline/back_off.h"
#include "core/pipeline/settings.h"
#include "core/pipeline/worker.h"

namespace dstream::core {

class ClaimUploads final : public ClaimStore {
 public:
  // Values that are stored at the same time: what a store takes is mostly waiting for it.
  static constexpr int kThreads = 4;

  // Pointers are borrowed. `reread` may be empty; `changed` is called from a thread of this object
  // whenever stored() or trouble() would say something else than before.
  struct Environment {
    FileSystem* files = nullptr;
    const Clock* clock = nullptr;
    Log* log = nullptr;
    PipelineMetrics* metrics = nullptr;
    RereadClaimCheck reread;
    std::function<void()> changed;
    uint64_t seed = 0;
  };
  ClaimUploads(const PipelineSettings& settings, Environment environment);
  ~ClaimUploads() override;
  ClaimUploads(const ClaimUploads&) = delete;
  ClaimUploads& operator=(const ClaimUploads&) = delete;

  std::string location(const std::string& name) const override;
  void put(const std::string& name, dstream_bytes value) override;
  Result<bool> stored() override;
  std::optional<Error> trouble() const override;
  void forget() override;

 private:
  struct Value {
    std::string name;
    std::string_view bytes;
  };

  void run(uint64_t seed);
  void store(const Value& value, uint64_t seed, std::unique_lock<std::mutex>& lock);
  bool is_over(uint64_t round) const { return ends_ || round_ != round || failure_.has_value(); }
  bool may_go_on(const ClaimTarget::Attempt& attempt, BackOff& back_off, int64_t now_ns);
  void read_secret_again();

  const std::string pipeline_;
  const RetrySettings retry_;
  const Environment environment_;

  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wanted_;
  std::condition_variable idle_;
  ClaimCheckSettings settings_;
  std::deque<Value> values_;
  std::set<ClaimTarget*> running_;  // each with a value that is borrowed
  int busy_ = 0;                    // threads that have a value
  uint64_t round_ = 0;              // forget() begins another one
  std::optional<Error> trouble_;
  std::optional<Error> failure_;
  std::string said_;  // of a secret that cannot be read
  bool ends_ = false;

  std::vector<std::thread> threads_;
};

}  // namespace dstream::core
