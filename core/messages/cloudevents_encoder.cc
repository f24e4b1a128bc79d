// The format `cloudevents-json`: CloudEvents 1.0 in its Kafka binding, binary or structured. The
// data of an event is the message of format `json`. Described in docs/messages.md.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "core/messages/abi_text.h"
#include "core/messages/formats.h"
#include "core/messages/json_encoder.h"

namespace dstream::core {
namespace {

constexpr char kTypeHeader[] = "ce_type";
constexpr char kContentTypeHeader[] = "content-type";
constexpr std::string_view kVersion = "1.0";
constexpr std::string_view kDataType = "application/json";
constexpr std::string_view kEventType = "application/cloudevents+json; charset=UTF-8";
constexpr std::string_view kTombstoneType = "dstream.change.tombstone";
// An escape inside a text that is escaped itself: \\u0080.
constexpr size_t kPartitionKeyGrowthMax = 7;

// What RFC 3986 does not have in a URI is percent-encoded; what is encoded already stays.
std::string uri_text(std::string_view text, std::string_view also_kept) {
  constexpr std::string_view kUnreserved = "-._~";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain || kUnreserved.find(c) != kUnreserved.npos || also_kept.find(c) != also_kept.npos) {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[static_cast<uint8_t>(c) >> 4];
      out += "0123456789ABCDEF"[static_cast<uint8_t>(c) & 15];
    }
  }
  return out;
}

// Texts of events have no control characters; those below U+0020 are escapes in a key already.
std::string without_controls(std::string text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<uint8_t>(text[i]);
    if (c < 0x20 || c == 0x7F) {
      text[i] = '?';
    } else if (c == 0xC2 && i + 1 < text.size() && static_cast<uint8_t>(text[i + 1]) < 0xA0) {
      text.replace(i, 2, "?");
    }
  }
  return text;
}

bool has_control(std::string_view key) {
  for (size_t i = 0; i < key.size(); ++i) {
    const auto c = static_cast<uint8_t>(key[i]);
    if (c == 0x7F || (c == 0xC2 && static_cast<uint8_t>(key[i + 1]) < 0xA0)) {
      return true;
    }
  }
  return false;
}

// The text of a key with its controls escaped, which leaves it the same JSON; with `quoted` as the
// inside of a JSON string.
char* write_partition_key(char* out, std::string_view key, bool quoted) {
  for (size_t i = 0; i < key.size(); ++i) {
    const auto c = static_cast<uint8_t>(key[i]);
    // Keys are valid UTF-8: a first byte has its second one.
    const bool two = c == 0xC2 && static_cast<uint8_t>(key[i + 1]) < 0xA0;
    if (c == 0x7F || two) [[unlikely]] {
      const uint8_t code = two ? static_cast<uint8_t>(key[++i]) : c;
      out = write_raw(out, quoted ? "\\\\u00" : "\\u00");
      *out++ = "0123456789abcdef"[code >> 4];
      *out++ = "0123456789abcdef"[code & 15];
      continue;
    }
    if (quoted && (c == '"' || c == '\\')) {
      *out++ = '\\';
    }
    *out++ = static_cast<char>(c);
  }
  return out;
}

struct CloudEventsPlan final : JsonPlan {
  std::string source;
  std::string subject;
  std::array<std::string, kOpCount> types;
  // ","source":"...","type":"...","subject":"...","datacontenttype":"application/json"
  std::array<Fragment, kOpCount> attributes;
};

class CloudEventsEncoder final : public JsonEncoder {
 public:
  CloudEventsEncoder(const MessageSettings& settings, TopicTemplate topic)
      : JsonEncoder(settings, std::move(topic)) {}

 private:
  std::unique_ptr<SchemaPlan> new_plan() const override {
    return std::make_unique<CloudEventsPlan>();
  }

  Result<void> finish_plan(SchemaPlan* shared) const override {
    auto* plan = static_cast<CloudEventsPlan*>(shared);
    if (auto finished = JsonEncoder::finish_plan(plan); !finished) {
      return finished;
    }
    const std::string& source = settings().cloudevents_source;
    plan->source = source.empty() ? "/dstream/" + uri_text(settings().pipeline, "") + "/" +
                                        uri_text(plan->database, "")
                                  : uri_text(source, ":/?#[]@!$&'()*+,;=%");
    plan->subject = without_controls(plan->full_name());
    size_t attributes_bytes_max = 0;
    for (dstream_op op = DSTREAM_OP_SNAPSHOT; op <= DSTREAM_OP_SCHEMA; ++op) {
      plan->types[op] = std::string("dstream.change.") + op_name(op);
      plan->attributes[op] = plan->fragments.add("\",\"source\":" + json_string(plan->source) +
                                                 ",\"type\":" + json_string(plan->types[op]) +
                                                 ",\"subject\":" + json_string(plan->subject) +
                                                 ",\"datacontenttype\":\"application/json\"");
      attributes_bytes_max = std::max<size_t>(attributes_bytes_max, plan->attributes[op].size);
    }
    constexpr size_t kOtherTexts = 192;  // names of members, the time
    plan->fixed_bytes_max += attributes_bytes_max + kOtherTexts;
    return {};
  }

  size_t bytes_bound(const Change& change) const override {
    const auto& plan = static_cast<const CloudEventsPlan&>(change.plan);
    size_t key_bytes = 0;
    if (change.has_key()) {
      key_bytes = key_bytes_bound(plan, change.key_row());
    } else if (change.op == DSTREAM_OP_SCHEMA) {
      key_bytes = plan.schema_key.size();
    }
    return JsonEncoder::bytes_bound(change) + change_id_bytes_bound(change) +
           kPartitionKeyGrowthMax * key_bytes;
  }

  char* write(char* out, const Change& change, Texts* texts, Failure* failure) const override {
    return settings().cloudevents_binary ? write_binary(out, change, texts, failure)
                                         : write_structured(out, change, texts, failure);
  }

  char* write_structured(char* out, const Change& change, Texts* texts, Failure* failure) const {
    const auto& plan = static_cast<const CloudEventsPlan&>(change.plan);
    char* const begin = out;
    out = write_raw(out, "{\"specversion\":\"1.0\",\"id\":\"");
    out = write_change_id(out, change, op_name(change.op));
    out = write_fragment(out, plan.attributes[change.op]);
    if (change.record.commit_time_ns != 0) {
      out = write_raw(out, ",\"time\":\"");
      out = write_committed_at(out, change.record.commit_time_ns);
      *out++ = '"';
    }
    out = write_raw(out, ",\"data\":");
    Places places;
    out = write_message(out, change, &places, failure);
    if (places.key.data != nullptr && failure->code == nullptr) {
      out = write_raw(out, ",\"partitionkey\":\"");
      out = write_partition_key(out, text_of(places.key), true);
      *out++ = '"';
    }
    *out++ = '}';
    texts->key = places.key;
    texts->value = span(begin, out);
    texts->add_header(kContentTypeHeader, bytes_of(kEventType));
    return out;
  }

  // The attributes stand in the message already; headers point there.
  char* write_binary(char* out, const Change& change, Texts* texts, Failure* failure) const {
    const auto& plan = static_cast<const CloudEventsPlan&>(change.plan);
    char* const begin = out;
    Places places;
    out = write_message(out, change, &places, failure);
    texts->key = places.key;
    texts->value = span(begin, out);
    texts->add_header("ce_specversion", bytes_of(kVersion));
    texts->add_header(kIdHeader, places.id);
    texts->add_header("ce_source", bytes_of(plan.source));
    texts->add_header(kTypeHeader, bytes_of(plan.types[change.op]));
    texts->add_header("ce_subject", bytes_of(plan.subject));
    if (places.committed_at.data != nullptr) {
      texts->add_header("ce_time", places.committed_at);
    }
    if (places.key.data != nullptr && failure->code == nullptr) {
      dstream_bytes partition_key = places.key;
      if (has_control(text_of(places.key))) [[unlikely]] {
        char* const start = out;
        out = write_partition_key(out, text_of(places.key), false);
        partition_key = span(start, out);
      }
      texts->add_header("ce_partitionkey", partition_key);
    }
    texts->add_header(kContentTypeHeader, bytes_of(kDataType));
    return out;
  }

  // In binary mode an event without data. In structured mode no event can have no value: the
  // message then carries the id alone, which readers of events take for something else.
  char* write_tombstone(char* out, const Change& deletion, const Texts& deleted,
                        Texts* tombstone) const override {
    if (!settings().cloudevents_binary) {
      return JsonEncoder::write_tombstone(out, deletion, deleted, tombstone);
    }
    char* const end = write_change_id(out, deletion, "tombstone");
    for (uint32_t i = 0; i < deleted.header_count; ++i) {
      const dstream_field& header = deleted.headers[i];
      if (header.name == kIdHeader) {
        tombstone->add_header(kIdHeader, span(out, end));
      } else if (header.name == kTypeHeader) {
        tombstone->add_header(kTypeHeader, bytes_of(kTombstoneType));
      } else if (header.name != kContentTypeHeader) {
        tombstone->add_header(header.name, header.value);
      }
    }
    return end;
  }
};

}  // namespace

std::unique_ptr<Encoder> make_cloudevents_encoder(const MessageSettings& settings,
                                                  TopicTemplate topic) {
  return std::make_unique<CloudEventsEncoder>(settings, std::move(topic));
}

}  // namespace dstream::core
