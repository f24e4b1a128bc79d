// What the cluster says about its brokers and topics, freed with the object.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>

namespace eventhubs {

struct ClusterAnswer {
  rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
  // nullptr if and only if `code` is an error.
  std::unique_ptr<const rd_kafka_metadata_t, decltype(&rd_kafka_metadata_destroy)> metadata;

  // The topic that was asked for; nullptr if there is no answer about just one. It may carry an
  // error of its own.
  const rd_kafka_metadata_topic_t* topic() const {
    return metadata != nullptr && metadata->topic_cnt == 1 ? metadata->topics : nullptr;
  }
};

// Waits for the answer. `topic` nullptr: about all topics that `handle` has opened.
inline ClusterAnswer ask_cluster(rd_kafka_t* handle, rd_kafka_topic_t* topic, int timeout_ms) {
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t code = rd_kafka_metadata(handle, 0, topic, &metadata, timeout_ms);
  return {code, {metadata, &rd_kafka_metadata_destroy}};
}

}  // namespace eventhubs
