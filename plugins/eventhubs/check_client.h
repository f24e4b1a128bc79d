// A Kafka client that looks at a cluster and sends nothing to it: for the sink's checks.
//
// Thread rule: one thread.
#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <optional>
#include <string>

#include "dstream/plugin.hpp"
#include "producer.h"
#include "settings.h"
#include "topic_admin.h"

namespace eventhubs {

class CheckClient {
 public:
  struct Trouble {
    int code = 0;  // rd_kafka_resp_err_t
    std::string text;
  };
  struct TopicState {
    int code = 0;
    int partitions = 0;
    int without_leader = 0;
  };

  // Throws dstream::Error (CONFIG) if librdkafka does not take a property, or a file of it.
  CheckClient(const Settings& settings, const Scrubber& scrubber, dstream::Host host);
  ~CheckClient();
  CheckClient(const CheckClient&) = delete;
  CheckClient& operator=(const CheckClient&) = delete;

  // Until the cluster answers, refuses the login or the certificate, or the time is over. How many
  // brokers it has; 0: trouble() says why not.
  int wait_for_cluster(const dstream::Checks& checks, dstream::Millis max_wait);
  // The first trouble that says more than that there is no connection; else the first.
  const std::optional<Trouble>& trouble() const { return trouble_; }

  TopicState ask_for_topic(const std::string& name, const dstream::Checks& checks);
  // The topic's configuration as the broker tells it; nullopt, and why, if it does not.
  std::optional<TopicConfig> topic_config(const std::string& name, const dstream::Checks& checks,
                                          std::string* reason);
  // Until the broker has given this idempotent producer its id. False: trouble() may say why not.
  bool wait_for_producer_id(const dstream::Checks& checks, dstream::Millis max_wait);

 private:
  struct HandleDeleter {
    void operator()(rd_kafka_t* handle) const { rd_kafka_destroy(handle); }
  };
  struct QueueDeleter {
    void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
  };

  // Everything that has come; waits for the first of it.
  void serve(int wait_ms);
  bool serve_one(int wait_ms);
  void take_error(int code, const std::string& text);
  void take_statistics(const char* json);

  const Scrubber& scrubber_;
  std::unique_ptr<TokenKeeper> tokens_;  // ends after handle_
  std::unique_ptr<rd_kafka_t, HandleDeleter> handle_;
  std::unique_ptr<rd_kafka_queue_t, QueueDeleter> queue_;
  std::optional<Trouble> trouble_;
  bool final_trouble_ = false;  // waiting changes nothing
  bool has_producer_id_ = false;
};

}  // namespace eventhubs
