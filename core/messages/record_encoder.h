// What all formats share: which messages a record becomes, their topic, their headers, their
// deduplication id. A format adds the texts.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/messages/change.h"
#include "core/messages/encoder.h"
#include "core/messages/row_text.h"
#include "core/messages/schema_plan.h"
#include "core/messages/topic_template.h"

namespace dstream::core {

// The header of the deduplication id.
inline constexpr char kIdHeader[] = "ce_id";

inline dstream_bytes span(const char* begin, const char* end) {
  return {reinterpret_cast<const uint8_t*>(begin), static_cast<uint64_t>(end - begin)};
}

class RecordEncoder : public Encoder {
 public:
  Result<void> encode(const dstream_record& record, uint32_t record_index, Arena& arena,
                      std::vector<dstream_message>& out) final;

 protected:
  // What a format makes of one message. The names of headers must outlive the encoder's messages.
  struct Texts {
    static constexpr uint32_t kHeadersMax = 8;

    dstream_bytes key{};  // data nullptr: no key
    dstream_bytes value{};
    int32_t partition = -1;  // -1: the sink chooses it from the key
    uint32_t header_count = 0;
    std::array<dstream_field, kHeadersMax> headers;  // the first header_count of them

    void add_header(const char* name, dstream_bytes text) {
      headers[header_count++] = {name, text};
    }
  };

  RecordEncoder(const MessageSettings& settings, TopicTemplate topic)
      : settings_(settings), topic_(std::move(topic)) {}

  const MessageSettings& settings() const { return settings_; }

  // The format has a message that tells of a table's columns.
  virtual bool writes_schemas() const { return false; }
  // A plan of the format's own kind, not filled in yet.
  virtual std::unique_ptr<SchemaPlan> new_plan() const = 0;
  // Adds the format's part to a plan whose shared part is complete.
  virtual Result<void> finish_plan(SchemaPlan* plan) const = 0;
  // At least as many bytes as write() needs.
  virtual size_t bytes_bound(const Change& change) const = 0;
  // Writes key, value and headers at `out` and returns the end. The plan knows the topic.
  virtual char* write(char* out, const Change& change, Texts* texts, Failure* failure) const = 0;
  // Sets the headers of the tombstone behind `deletion`, whose texts are `deleted`; needs at most
  // change_id_bytes_bound() bytes at `out` and returns the end.
  virtual char* write_tombstone(char* out, const Change& deletion, const Texts& deleted,
                                Texts* tombstone) const;
  // Headers that mark the two halves of an update that changed the key; nullptr for none.
  virtual const char* new_key_header() const { return nullptr; }
  virtual const char* old_key_header() const { return nullptr; }

  // The plan of a schema, made where there is none yet. Errors: as encode().
  Result<SchemaPlan*> find_plan(const dstream_schema* schema);
  TopicName topic_for(SchemaPlan* plan, dstream_op op);

 private:
  Result<void> write_texts(const Change& change, Arena& arena, Texts* texts) const;
  dstream_bytes hashed_key(dstream_bytes key, Arena& arena) const;
  void append(const Change& change, TopicName topic, const Texts& texts,
              const dstream_field& extra_header, uint32_t record_index, Arena& arena,
              std::vector<dstream_message>& out) const;
  void append_tombstone(const Change& deletion, const Texts& deleted, dstream_message message,
                        Arena& arena, std::vector<dstream_message>& out) const;
  Result<void> append_move(const Change& update, SchemaPlan* plan, uint32_t record_index,
                           Arena& arena, std::vector<dstream_message>& out);

  MessageSettings settings_;
  TopicTemplate topic_;
  std::unordered_map<uint64_t, std::unique_ptr<SchemaPlan>> plans_;  // by schema id
  uint64_t last_schema_ = 0;
  SchemaPlan* last_plan_ = nullptr;
  std::map<std::string, uint32_t, std::less<>> topic_ids_;  // its keys are the topic names
};

}  // namespace dstream::core
