// Messages that are larger than the sink takes: a column is cut, or the message is sent in parts,
// or its value is stored elsewhere, or it is refused. Never silently: headers say what was done,
// and it is counted.
//
// An encoder around the format's own. Sizes are checked when a message is encoded, so that the sink
// never sees what it would have to reject.
//
// Thread rule: [worker] of the sink; counts() [any-thread].
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/messages/claim_check.h"
#include "core/messages/encoder.h"

namespace dstream::core {

// The code of the error for a message that is too large and stays so.
inline constexpr const char* kOversizeCode = "DS-ENCODE-OVERSIZE";

// Headers of what was made smaller; docs/messages.md tells consumers.
inline constexpr const char* kTruncatedHeader = "dstream-truncated";
inline constexpr const char* kPartHeader = "dstream-part";
inline constexpr const char* kPartOfHeader = "dstream-part-of";

// `on_oversize` of a pipeline. The first three are refused, as a record that cannot be encoded.
enum class OnOversize {
  kOnReject,         // not set: the sink rejects it, and on_reject decides
  kStop,             // the pipeline stops before it
  kDeadLetter,       // it is put aside, whatever on_reject says
  kTruncateColumns,  // the largest columns are cut until it fits
  kSplit,            // several messages, one after the other, with the same key
  kClaimCheck        // the value is stored elsewhere, and a reference is sent
};

// What has been done since the start.
struct OversizeCounts {
  uint64_t refused = 0;
  uint64_t truncated = 0;
  uint64_t split = 0;
  uint64_t claimed = 0;
};

// What a message takes of a sink's limit: key, value, headers, and what the protocol adds at most.
uint64_t message_bytes(const dstream_message& message);

class OversizeEncoder final : public Encoder {
 public:
  // Nothing is too large before set_limit().
  OversizeEncoder(std::unique_ptr<Encoder> inner, OnOversize policy, MessageSettings settings)
      : inner_(std::move(inner)), policy_(policy), settings_(std::move(settings)) {}

  // What the sink takes; 0: everything. Counts for the next encode().
  void set_limit(uint64_t bytes) { limit_bytes_ = bytes; }
  // Where kClaimCheck stores values; borrowed. Messages that encode() has made must not be written
  // before claims()->stored() says true, and their memory not be freed before that or forget().
  void set_claims(ClaimStore* claims) { claims_ = claims; }
  ClaimStore* claims() { return claims_; }
  Result<bool> prepare(const dstream_batch& batch) override { return inner_->prepare(batch); }
  std::optional<Error> trouble() const override { return inner_->trouble(); }
  bool needs_preparation() const override { return inner_->needs_preparation(); }
  // Errors besides the format's: DS-ENCODE-OVERSIZE.
  Result<void> encode(const dstream_record& record, uint32_t record_index, Arena& arena,
                      std::vector<dstream_message>& out) override;
  OversizeCounts counts() const;
  // The format's own: messages whole, whatever they weigh.
  Encoder& whole() { return *inner_; }

 private:
  bool fits(const std::vector<dstream_message>& out, size_t from) const;
  Result<void> truncate(const dstream_record& record, uint32_t record_index, Arena& arena,
                        std::vector<dstream_message>& out, size_t from);
  Result<void> split(Arena& arena, std::vector<dstream_message>& out, size_t from);
  Result<void> split_one(const dstream_message& whole, Arena& arena,
                         std::vector<dstream_message>& out) const;
  Result<void> claim(const dstream_record& record, uint32_t record_index, Arena& arena,
                     std::vector<dstream_message>& out, size_t from);
  Error refusal(const dstream_record& record, uint64_t bytes, const std::string& why) const;

  const std::unique_ptr<Encoder> inner_;
  const OnOversize policy_;
  const MessageSettings settings_;
  ClaimStore* claims_ = nullptr;
  uint64_t limit_bytes_ = 0;
  std::vector<dstream_message> parts_;  // keeps its memory
  std::atomic<uint64_t> refused_{0};
  std::atomic<uint64_t> truncated_{0};
  std::atomic<uint64_t> split_{0};
  std::atomic<uint64_t> claimed_{0};
};

}  // namespace dstream::core
