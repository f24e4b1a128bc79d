#include "core/messages/encoder.h"

#include <utility>

#include "core/messages/formats.h"
#include "core/messages/partition_template.h"
#include "core/messages/passed_message.h"
#include "core/messages/topic_template.h"

namespace dstream::core {

Result<std::unique_ptr<Encoder>> make_encoder(const MessageSettings& settings,
                                              SchemaRegistry* registry) {
  auto topic = TopicTemplate::parse(settings.topic);
  if (!topic) {
    return fail(std::move(topic.error()));
  }
  if (!settings.partition.empty()) {
    if (auto partition = PartitionTemplate::parse(settings.partition); !partition) {
      return fail(std::move(partition.error()));
    }
  }
  if (settings.format == kPassedMessageFormat) {
    return std::make_unique<PassedMessageEncoder>();
  }
  if (settings.format == "json") {
    return make_json_encoder(settings, std::move(*topic));
  }
  if (settings.format == "debezium-json") {
    return make_debezium_encoder(settings, std::move(*topic));
  }
  if (settings.format == "cloudevents-json") {
    return make_cloudevents_encoder(settings, std::move(*topic));
  }
  if (settings.format == "avro") {
    return make_avro_encoder(settings, std::move(*topic), registry);
  }
  Error error;
  error.code = "DS-FORMAT-UNKNOWN";
  error.message = "There is no message format \"" + settings.format + "\".";
  error.hint = "Formats are json, debezium-json, cloudevents-json and avro.";
  error.exit_code = ExitCode::kUsage;
  return fail(std::move(error));
}

}  // namespace dstream::core
