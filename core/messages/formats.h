// The formats, each behind make_encoder().
#pragma once

#include <memory>

#include "core/messages/encoder.h"
#include "core/messages/topic_template.h"

namespace dstream::core {

std::unique_ptr<Encoder> make_json_encoder(const MessageSettings& settings, TopicTemplate topic);
std::unique_ptr<Encoder> make_debezium_encoder(const MessageSettings& settings,
                                               TopicTemplate topic);
std::unique_ptr<Encoder> make_cloudevents_encoder(const MessageSettings& settings,
                                                  TopicTemplate topic);
std::unique_ptr<Encoder> make_avro_encoder(const MessageSettings& settings, TopicTemplate topic,
                                           SchemaRegistry* registry);

}  // namespace dstream::core
