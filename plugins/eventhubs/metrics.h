// The sink's instruments. Exported as dstream_eventhubs_<name>[_<unit>][_total].
//
// Thread rule: [any-thread].
#pragma once

#include "dstream/plugin.hpp"

namespace eventhubs {

struct Metrics {
  explicit Metrics(const dstream::Host& host)
      : delivered_messages(host.counter("delivered_messages", "", "Messages acknowledged.")),
        delivered_bytes(host.counter("delivered", "bytes", "Keys and values acknowledged.")),
        retried_messages(
            host.counter("retried_messages", "", "Messages given back to be written again.")),
        rejected_messages(
            host.counter("rejected_messages", "", "Messages that are too large or invalid.")),
        throttled_seconds(
            host.counter("throttled", "seconds", "Time the broker held answers back for a quota.")),
        throttled_percent(host.gauge("throttled_percent", "",
                                     "Of the last minute, how much the broker asked to wait.")),
        limited_seconds(
            host.counter("limited", "seconds", "Time messages waited for the sink's own limits.")),
        resent_messages(host.counter("resent_messages", "",
                                     "Messages the client had to send again by itself.")),
        oldest_batch_seconds(
            host.gauge("oldest_batch", "seconds", "How long a batch has waited for its answer.")),
        partition_changes(
            host.counter("partition_changes", "", "Topics that were found with more partitions.")),
        topics_created(
            host.counter("topics_created", "", "Topics made because they were missing.")),
        producer_recreations(
            host.counter("producer_recreations", "", "Producers replaced after a failed batch.")),
        connection_errors(host.counter("connection_errors", "",
                                       "Connection, TLS and name errors of the client.")),
        token_refreshes(host.counter("token_refreshes", "", "Access tokens got.")),
        token_failures(host.counter("token_failures", "", "Access tokens asked for in vain.")),
        token_lifetime_seconds(host.gauge("token_lifetime", "seconds",
                                          "Life of the last access token when it was got.")),
        in_flight_messages(
            host.gauge("in_flight_messages", "", "Messages taken from the host and not settled.")),
        in_flight_bytes(
            host.gauge("in_flight", "bytes", "Handed to the Kafka client and not acknowledged.")) {}

  dstream::Metric delivered_messages;
  dstream::Metric delivered_bytes;
  dstream::Metric retried_messages;
  dstream::Metric rejected_messages;
  dstream::Metric throttled_seconds;
  dstream::Metric throttled_percent;
  dstream::Metric limited_seconds;
  dstream::Metric resent_messages;
  dstream::Metric oldest_batch_seconds;
  dstream::Metric partition_changes;
  dstream::Metric topics_created;
  dstream::Metric producer_recreations;
  dstream::Metric connection_errors;
  dstream::Metric token_refreshes;
  dstream::Metric token_failures;
  dstream::Metric token_lifetime_seconds;
  dstream::Metric in_flight_messages;
  dstream::Metric in_flight_bytes;
};

}  // namespace eventhubs
