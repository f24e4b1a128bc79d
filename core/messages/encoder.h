// Turns records into messages: format, topic, key, headers.
//
// An encoder belongs to one pipeline and is called by its sink worker alone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/arena.h"
#include "core/base/error.h"
#include "core/messages/schema_registry.h"
#include "dstream/abi.h"

namespace dstream::core {

// What `format:`, `key:`, `partition:` and the sink's `topic:` say. Defaults are those of the
// configuration.
struct MessageSettings {
  std::string pipeline;         // for {pipeline} and as debezium's prefix
  std::string format = "json";  // json | debezium-json | cloudevents-json | avro
  std::string topic = "{database}.{schema}.{table}";  // template
  // "dbo.Persons" -> columns in key order; overrides the primary key.
  std::map<std::string, std::vector<std::string>> key_columns;
  std::string partition;        // template; empty: the sink chooses it from the key
  uint64_t key_bytes_max = 0;   // a longer key becomes its SHA-256; 0: never; not with avro
  bool allow_no_key = false;    // a table without any key: false refuses it (DS-KEY-MISSING)
  bool tombstones = true;       // after a delete, a message with the key and no value
  bool schemas_enable = false;  // debezium-json only
  std::string topic_prefix;     // debezium-json: source.name; empty means `pipeline`
  // Of json, and of the data of cloudevents-json:
  bool large_integers_as_strings = false;  // 64-bit values over 2^53 become strings
  bool schema_changes = true;              // a SCHEMA record is a message
  // cloudevents-json only:
  bool cloudevents_binary = false;  // attributes are headers; else all of the event is the value
  std::string cloudevents_source;   // a URI reference; empty: /dstream/<pipeline>/<database>
  RegistrySettings registry;        // avro only

  bool operator==(const MessageSettings&) const = default;
};

// Thread rule: [worker] of the sink.
class Encoder {
 public:
  virtual ~Encoder() = default;

  // Whether encode() may be called for the records of `batch`: false while something it needs from
  // elsewhere, such as the id of a schema, has been asked for and is not there yet. Never waits;
  // where it is about to come in, the owner of the encoder is told. Errors: asking again changes
  // nothing, and the pipeline must stop before the batch (I5).
  virtual Result<bool> prepare(const dstream_batch& /*batch*/) { return true; }
  // Why it has not come yet; nullopt if nothing is wrong.
  virtual std::optional<Error> trouble() const { return std::nullopt; }
  // False: prepare() always says true, and need not be called.
  virtual bool needs_preparation() const { return false; }

  // Appends the messages of one record to `out`: none for WATERMARK, and for SCHEMA where the
  // format or its settings leave it out, 1 for most, 2 for a delete with its tombstone, up to 3 for
  // an update that changes the key or the partition (delete, tombstone, insert). Everything they
  // point to lives in `arena`, in the record's batch, or in the encoder. `record_index` goes into
  // message.record. topic_id is dense from 0 and stable for the life of the encoder. Errors:
  // DS-KEY-MISSING, DS-KEY-COLUMN, DS-PARTITION-*, DS-ENCODE-*: the record cannot become a message;
  // the caller treats it as REJECTED (I5). Nothing has then been appended.
  virtual Result<void> encode(const dstream_record& record, uint32_t record_index, Arena& arena,
                              std::vector<dstream_message>& out) = 0;
};

// `registry` is borrowed and outlives the encoder; without one no record can become a message in
// format avro. Errors: DS-FORMAT-UNKNOWN, DS-TOPIC-TEMPLATE,
// DS-PARTITION-TEMPLATE.
Result<std::unique_ptr<Encoder>> make_encoder(const MessageSettings& settings,
                                              SchemaRegistry* registry = nullptr);

}  // namespace dstream::core
