// A connector's configuration, read once more because a login was refused: keys rotate.
//
// A worker says denied() when the other side refuses it, and calls apply() before the next open().
//
// Thread rule: [worker].
#pragma once

#include <string>

#include "core/pipeline/worker.h"

namespace dstream::core {

class ConfigRefresh {
 public:
  ConfigRefresh(const WorkerContext& context, Role role, const std::string& config_json)
      : context_(context), role_(role), config_json_(config_json) {}

  void denied() { due_ = true; }

  // Hands over what changed, if a login was refused since the last call. What cannot be read or is
  // not taken is said in the log, once; the instance then goes on with what it has, and the refusal
  // itself is what the operator sees. `Guarded` is GuardedSource or GuardedSink, not open.
  template <class Guarded>
  void apply(Guarded& instance) {
    if (std::string changed; due_ && read(&changed)) {
      taken(changed, instance.reconfigure(changed));
    }
    due_ = false;
  }

 private:
  bool read(std::string* changed);
  void taken(const std::string& changed, const std::optional<CallResult>& result);
  void warn(const std::string& what, const std::string& reason);

  const WorkerContext context_;
  const Role role_;
  std::string config_json_;  // the last one that was handed over
  std::string said_;
  bool due_ = false;
};

}  // namespace dstream::core
