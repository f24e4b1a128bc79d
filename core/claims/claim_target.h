// Where claim-checked values are written: a folder, or a container of Azure Blob Storage. One
// attempt at a time; who tries again is core/pipeline/claim_uploads.h.
//
// Thread rule: put() and check() one thread at a time; location() and cancel() [any-thread].
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/base/file_system.h"

namespace dstream::core {

// `claim_check:` of a pipeline: one of folder and container_url.
struct ClaimCheckSettings {
  std::string folder;         // absolute, or relative to the working folder
  std::string container_url;  // https://ACCOUNT/CONTAINER?SAS (I11)
  std::string ca_file;        // PEM of the CAs to trust; empty: the system's

  bool operator==(const ClaimCheckSettings&) const = default;
};

class ClaimTarget {
 public:
  // kAgain: it may pass. kDenied: the login is refused. kRefused: waiting changes nothing.
  enum class Outcome { kStored, kAgain, kDenied, kRefused };
  struct Attempt {
    Outcome outcome = Outcome::kStored;
    std::string why;             // a sentence without its full stop, no secrets; empty if stored
    uint32_t retry_after_s = 0;  // what the server asked for
  };

  virtual ~ClaimTarget() = default;
  // Where consumers find the value of that name, without any secret.
  virtual std::string location(const std::string& name) const = 0;
  // Stores `value`, durable when it returns kStored; waits. It replaces what is there.
  virtual Attempt put(const std::string& name, std::string_view value) = 0;
  // Ends a put() that runs, as far as that can be done, and all later ones.
  virtual void cancel() = 0;
};

// What one network operation may take.
inline constexpr std::chrono::milliseconds kClaimTimeout{30'000};

// `files` is borrowed. `seed` sets the names of temporary files apart.
std::unique_ptr<ClaimTarget> make_claim_target(const ClaimCheckSettings& settings,
                                               FileSystem* files, uint64_t seed,
                                               std::chrono::milliseconds timeout = kClaimTimeout);

// The error of a value that cannot be stored: DS-CLAIM-AWAY, DS-CLAIM-DENIED or DS-CLAIM-REFUSED.
// REQUIRES: it is not stored.
Error claim_error(const ClaimTarget::Attempt& attempt);

}  // namespace dstream::core
