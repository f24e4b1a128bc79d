// Claim check: a value that is too large for the sink is kept elsewhere, and a small message with a
// reference is sent in its place. See docs/design/010-claim-check.md; docs/messages.md tells
// consumers what the reference looks like.
#pragma once

#include <optional>
#include <string>

#include "core/base/arena.h"
#include "core/base/error.h"
#include "dstream/abi.h"

namespace dstream::core {

// The header of a reference: the name of the value.
inline constexpr const char* kClaimCheckHeader = "dstream-claim-check";

// Where values are kept, as the encoder and the sink worker see it.
//
// Thread rule: [worker] of the sink.
class ClaimStore {
 public:
  virtual ~ClaimStore() = default;

  // Where a consumer finds the value of that name: a URL, without any secret (I11).
  virtual std::string location(const std::string& name) const = 0;
  // Begins to store a value; never waits. It is borrowed until stored() says true or forget() has
  // returned. A value that is there already under the name is replaced.
  virtual void put(const std::string& name, dstream_bytes value) = 0;
  // Whether everything that was put is durable; the store's owner is told when that may have
  // changed. Errors: DS-CLAIM-*, waiting changes nothing, and the pipeline must stop before the
  // messages that refer to the values (I5); the same until forget().
  virtual Result<bool> stored() = 0;
  // Why it takes so long: DS-CLAIM-AWAY, DS-CLAIM-DENIED; nullopt if nothing is wrong.
  virtual std::optional<Error> trouble() const = 0;
  // Gives up what is not stored yet. Nothing is borrowed any more when it returns.
  virtual void forget() = 0;
};

// `<pipeline>/<id>-<digest>`, of the characters A-Z, a-z, 0-9, '.', '_', '-' and one '/': a name
// for files and for URLs. The same value at the same place of the source has the same name, always.
std::string claim_name(const std::string& pipeline, const dstream_message& whole,
                       const std::string& sha256_hex);

// The message that stands for `whole`, whose value is at `location`; its texts are in `arena`.
dstream_message claim_message(const dstream_message& whole, const std::string& name,
                              const std::string& location, const std::string& sha256_hex,
                              Arena& arena);

}  // namespace dstream::core
