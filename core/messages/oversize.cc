#include "core/messages/oversize.h"

#include <Poco/DigestEngine.h>
#include <Poco/SHA2Engine.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "core/base/assert.h"
#include "core/messages/column_cut.h"

namespace dstream::core {
namespace {

// What Kafka's batch of one record adds at most; of a header two lengths.
constexpr uint64_t kRecordOverheadBytes = 100;
constexpr uint64_t kHeaderOverheadBytes = 10;
// "10000/10000", a digest in hexadecimal, the longest addition to an id.
constexpr uint64_t kPartHeadersBytes = 256;
// A smaller part would be mostly headers.
constexpr uint64_t kPartBytesMin = 128;
constexpr uint64_t kPartsMax = 10'000;
// Each cut takes a little more than the text says: escapes and base64 spread unevenly.
constexpr uint64_t kCutMarginBytes = 64;
constexpr int kCutsMax = 64;
constexpr std::string_view kIdHeader = "ce_id";

dstream_bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string sha256(const dstream_bytes& bytes) {
  Poco::SHA2Engine engine(Poco::SHA2Engine::SHA_256);
  engine.update(bytes.data, bytes.size);
  return Poco::DigestEngine::digestToHex(engine.digest());
}

uint64_t largest(const std::vector<dstream_message>& out, size_t from) {
  uint64_t bytes = 0;
  for (size_t i = from; i < out.size(); ++i) {
    bytes = std::max(bytes, message_bytes(out[i]));
  }
  return bytes;
}

}  // namespace

uint64_t message_bytes(const dstream_message& message) {
  uint64_t bytes = kRecordOverheadBytes + message.key.size + message.value.size;
  for (uint32_t i = 0; i < message.header_count; ++i) {
    const dstream_field& header = message.headers[i];
    bytes += std::strlen(header.name) + header.value.size + kHeaderOverheadBytes;
  }
  return bytes;
}

OversizeCounts OversizeEncoder::counts() const {
  return {refused_.load(std::memory_order_relaxed), truncated_.load(std::memory_order_relaxed),
          split_.load(std::memory_order_relaxed), claimed_.load(std::memory_order_relaxed)};
}

bool OversizeEncoder::fits(const std::vector<dstream_message>& out, size_t from) const {
  return limit_bytes_ == 0 || std::all_of(out.begin() + static_cast<std::ptrdiff_t>(from),
                                          out.end(), [this](const dstream_message& message) {
                                            return message_bytes(message) <= limit_bytes_;
                                          });
}

Result<void> OversizeEncoder::encode(const dstream_record& record, uint32_t record_index,
                                     Arena& arena, std::vector<dstream_message>& out) {
  const size_t before = out.size();
  if (Result<void> encoded = inner_->encode(record, record_index, arena, out);
      !encoded || fits(out, before)) {
    return encoded;
  }
  const uint64_t bytes = largest(out, before);
  Result<void> made;
  switch (policy_) {
    case OnOversize::kOnReject:
    case OnOversize::kStop:
    case OnOversize::kDeadLetter:
      made = fail(refusal(record, bytes, ""));
      break;
    case OnOversize::kTruncateColumns:
      made = truncate(record, record_index, arena, out, before);
      break;
    case OnOversize::kSplit:
      made = split(arena, out, before);
      break;
    case OnOversize::kClaimCheck:
      made = claim(record, record_index, arena, out, before);
      break;
  }
  if (!made) {
    out.resize(before);
    refused_.fetch_add(1, std::memory_order_relaxed);
    return fail(made.error().code == kOversizeCode && made.error().message.empty()
                    ? refusal(record, bytes, made.error().hint)
                    : std::move(made.error()));
  }
  return {};
}

Result<void> OversizeEncoder::truncate(const dstream_record& record, uint32_t record_index,
                                       Arena& arena, std::vector<dstream_message>& out,
                                       size_t from) {
  ColumnCut cut(record, settings_);
  for (int i = 0; i < kCutsMax; ++i) {
    const uint64_t bytes = largest(out, from);
    // How much text a byte of a column becomes.
    const uint64_t left = std::max<uint64_t>(cut.left(), 1);
    const uint64_t excess = bytes - limit_bytes_ + kCutMarginBytes;
    const uint64_t take = std::max<uint64_t>(
        1, static_cast<uint64_t>(static_cast<double>(excess) * static_cast<double>(left) /
                                 static_cast<double>(bytes)));
    if (!cut.take(take)) {
      break;
    }
    out.resize(from);
    Result<void> encoded = inner_->encode(cut.record(arena), record_index, arena, out);
    if (!encoded) {
      return encoded;
    }
    if (fits(out, from)) {
      truncated_.fetch_add(1, std::memory_order_relaxed);
      return {};
    }
  }
  return fail(
      Error{kOversizeCode, "", "what is left when all columns but the key are cut", {}, {}});
}

Result<void> OversizeEncoder::split(Arena& arena, std::vector<dstream_message>& out, size_t from) {
  parts_.clear();
  for (size_t i = from; i < out.size(); ++i) {
    if (message_bytes(out[i]) <= limit_bytes_) {
      parts_.push_back(out[i]);
    } else if (Result<void> made = split_one(out[i], arena, parts_); !made) {
      return made;
    }
  }
  out.resize(from);
  out.insert(out.end(), parts_.begin(), parts_.end());
  split_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

// All parts have the key of the whole, and with it its partition: a consumer reads them in order.
Result<void> OversizeEncoder::split_one(const dstream_message& whole, Arena& arena,
                                        std::vector<dstream_message>& out) const {
  if (whole.key.data == nullptr) {
    return fail(Error{kOversizeCode, "", "its parts have no key to keep them together", {}, {}});
  }
  const uint64_t fixed = message_bytes(whole) - whole.value.size + kPartHeadersBytes;
  if (fixed + kPartBytesMin > limit_bytes_) {
    return fail(Error{kOversizeCode, "", "key and headers alone take the room", {}, {}});
  }
  const uint64_t room = limit_bytes_ - fixed;
  const uint64_t count = (whole.value.size + room - 1) / room;
  if (count > kPartsMax) {
    return fail(Error{kOversizeCode, "", "it would be more than 10,000 parts", {}, {}});
  }
  const std::string_view digest = arena.copy(sha256(whole.value));
  for (uint64_t part = 0; part < count; ++part) {
    const std::string number = std::to_string(part + 1);
    dstream_message message = whole;
    message.value.data = whole.value.data + part * room;
    message.value.size = std::min(room, whole.value.size - part * room);
    auto* headers = static_cast<dstream_field*>(
        arena.allocate((whole.header_count + 2) * sizeof(dstream_field), alignof(dstream_field)));
    message.headers = headers;
    message.header_count = whole.header_count + 2;
    for (uint32_t i = 0; i < whole.header_count; ++i) {
      headers[i] = whole.headers[i];
      // A consumer that drops ids it has seen would drop all parts but the first.
      if (kIdHeader == headers[i].name) {
        const auto* id = reinterpret_cast<const char*>(whole.headers[i].value.data);
        headers[i].value =
            bytes_of(arena.copy(std::string(id, whole.headers[i].value.size) + "#" + number));
      }
    }
    headers[whole.header_count] = {kPartHeader,
                                   bytes_of(arena.copy(number + "/" + std::to_string(count)))};
    headers[whole.header_count + 1] = {kPartOfHeader, bytes_of(digest)};
    out.push_back(message);
  }
  return {};
}

// Nothing is stored before it is known that all references fit. The whole keep their memory in the
// arena, where the store reads them. When the record was read is left out of them: it would give a
// change that is read again another hash, and so another name.
Result<void> OversizeEncoder::claim(const dstream_record& record, uint32_t record_index,
                                    Arena& arena, std::vector<dstream_message>& out, size_t from) {
  DSTREAM_ASSERT(claims_ != nullptr);
  dstream_record repeatable = record;
  repeatable.read_time_ns = 0;
  out.resize(from);
  if (Result<void> encoded = inner_->encode(repeatable, record_index, arena, out); !encoded) {
    return encoded;
  }
  parts_.assign(out.begin() + static_cast<std::ptrdiff_t>(from), out.end());
  std::vector<std::pair<std::string, dstream_bytes>> values;
  for (dstream_message& message : parts_) {
    if (message_bytes(message) <= limit_bytes_) {
      continue;
    }
    const std::string digest = sha256(message.value);
    const std::string name = claim_name(settings_.pipeline, message, digest);
    const dstream_bytes value = message.value;
    message = claim_message(message, name, claims_->location(name), digest, arena);
    if (message_bytes(message) > limit_bytes_) {
      return fail(Error{kOversizeCode, "", "key and headers alone take the room", {}, {}});
    }
    values.emplace_back(name, value);
  }
  for (const auto& [name, value] : values) {
    claims_->put(name, value);
  }
  std::copy(parts_.begin(), parts_.end(), out.begin() + static_cast<std::ptrdiff_t>(from));
  claimed_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Error OversizeEncoder::refusal(const dstream_record& record, uint64_t bytes,
                               const std::string& why) const {
  const char* table = record.schema == nullptr ? "?" : record.schema->name;
  Error error;
  error.code = kOversizeCode;
  error.message = std::string("A change of ") + table + " makes a message of " +
                  std::to_string(bytes) + " bytes; the sink takes " + std::to_string(limit_bytes_) +
                  "." + (why.empty() ? "" : " It cannot be made smaller: " + why + ".");
  error.hint =
      "Raise the sink's limit and the topic's, leave the large column out, or set on_oversize.";
  return error;
}

}  // namespace dstream::core
