#include "error_class.h"

#include <librdkafka/rdkafka.h>

namespace eventhubs {
namespace {

constexpr const char* kCheckNetwork = "Check the host name, the port and the network in between.";
constexpr const char* kCheckTls = "Check tls.ca_file and that the port speaks TLS.";
constexpr const char* kCheckCredentials =
    "Check user and password; for Event Hubs the policy's name and key, or the oauth section.";
constexpr const char* kCheckRights =
    "Give the user the right to write; for Event Hubs a policy with Send, or the role Azure Event "
    "Hubs Data Sender. The Basic tier has no Kafka endpoint.";
constexpr const char* kCheckTopic =
    "Create the topic (event hub), or correct topic. auto_create_topics works on brokers that "
    "allow it.";
constexpr const char* kCheckCompression =
    "Set compression: none. Event Hubs takes gzip alone, in the Premium and Dedicated tiers.";
constexpr const char* kThrottled =
    "The hub is the limit: add throughput units, or send less at a time.";

constexpr ErrorRow kTable[] = {
    // librdkafka sends again by itself; with message.timeout.ms=0 these end no message.
    {RD_KAFKA_RESP_ERR__TRANSPORT, ErrorClass::kConnection, kCheckNetwork},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, ErrorClass::kConnection, kCheckNetwork},
    {RD_KAFKA_RESP_ERR__RESOLVE, ErrorClass::kConnection, kCheckNetwork},
    {RD_KAFKA_RESP_ERR__SSL, ErrorClass::kConnection, kCheckTls},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR__WAIT_COORD, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR__WAIT_CACHE, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, ErrorClass::kConnection, ""},
    {RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, ErrorClass::kConnection, ""},

    // librdkafka calls these final; they pass. Event Hubs answers POLICY_VIOLATION when it would
    // have to hold a request back for longer than the request timeout.
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, ErrorClass::kRetry, kThrottled},
    {RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, ErrorClass::kRetry, kThrottled},
    {RD_KAFKA_RESP_ERR_UNKNOWN, ErrorClass::kRetry, ""},
    {RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, ErrorClass::kRetry, ""},
    {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, ErrorClass::kRetry, ""},

    // The producer cannot go on; Event Hubs forgets producer ids (49) and then refuses each batch.
    {RD_KAFKA_RESP_ERR__FATAL, ErrorClass::kNewProducer, ""},
    {RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE, ErrorClass::kNewProducer, ""},
    {RD_KAFKA_RESP_ERR__INCONSISTENT, ErrorClass::kNewProducer, ""},
    {RD_KAFKA_RESP_ERR__PURGE_QUEUE, ErrorClass::kNewProducer, ""},
    {RD_KAFKA_RESP_ERR__PURGE_INFLIGHT, ErrorClass::kNewProducer, ""},
    {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorClass::kNewProducer, ""},
    {RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER, ErrorClass::kNewProducer, ""},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, ErrorClass::kNewProducer, ""},
    {RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING, ErrorClass::kNewProducer, ""},
    {RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID, ErrorClass::kNewProducer, ""},

    {RD_KAFKA_RESP_ERR__AUTHENTICATION, ErrorClass::kDenied, kCheckCredentials},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, ErrorClass::kDenied, kCheckCredentials},
    {RD_KAFKA_RESP_ERR_ILLEGAL_SASL_STATE, ErrorClass::kDenied, kCheckCredentials},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ErrorClass::kDenied, kCheckRights},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ErrorClass::kDenied, kCheckRights},

    {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, ErrorClass::kConfig, kCheckTopic},
    {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, ErrorClass::kConfig, kCheckTopic},
    {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ErrorClass::kConfig, kCheckTopic},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, ErrorClass::kConfig, kCheckTopic},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, ErrorClass::kConfig, kCheckCompression},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, ErrorClass::kConfig, kCheckCompression},
    {RD_KAFKA_RESP_ERR_INVALID_REQUIRED_ACKS, ErrorClass::kConfig, ""},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, ErrorClass::kConfig, ""},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, ErrorClass::kConfig,
     "Set sasl.mechanism to one that the broker offers."},
    {RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE, ErrorClass::kConfig, ""},

    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ErrorClass::kReject,
     "Raise message_bytes_max and the topic's limit, or leave the large column out."},
    {RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, ErrorClass::kReject,
     "Raise the topic's limit, or leave the large column out."},
    {RD_KAFKA_RESP_ERR_INVALID_MSG, ErrorClass::kReject, ""},
    {RD_KAFKA_RESP_ERR_INVALID_RECORD, ErrorClass::kReject,
     "A compacted topic takes no message without a key."},
    {RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, ErrorClass::kReject, ""},

    {RD_KAFKA_RESP_ERR__QUEUE_FULL, ErrorClass::kFull, ""},
};

const ErrorRow* find(int code) {
  for (const ErrorRow& row : kTable) {
    if (row.code == code) {
      return &row;
    }
  }
  return nullptr;
}

}  // namespace

std::span<const ErrorRow> error_table() { return kTable; }

ErrorClass classify(int code) {
  const ErrorRow* row = find(code);
  return row == nullptr ? ErrorClass::kRetry : row->error_class;
}

const char* advice_for(int code) {
  const ErrorRow* row = find(code);
  return row == nullptr ? "" : row->advice;
}

}  // namespace eventhubs
