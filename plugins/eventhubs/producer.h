// One librdkafka producer: made, spoken to, destroyed. Knows nothing of deliveries or retries.
//
// Thread rule: [worker]. Listener calls come out of serve_one(), on the calling thread.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dstream/plugin.hpp"
#include "metrics.h"
#include "settings.h"
#include "token_keeper.h"

namespace eventhubs {

// Takes secrets out of text that others wrote (I11). Immutable: [any-thread].
class Scrubber {
 public:
  explicit Scrubber(std::vector<std::string> secrets) : secrets_(std::move(secrets)) {}
  std::string clean(std::string_view text) const;

 private:
  std::vector<std::string> secrets_;
};

class ProducerListener {
 public:
  virtual ~ProducerListener() = default;
  // The last word on a message: its _private is the ticket, and its memory is the host's again.
  virtual void on_report(const rd_kafka_message_t& message) = 0;
  // An error of the client as a whole. After a fatal one only reports follow.
  virtual void on_error(int code, const std::string& text, bool fatal) = 0;
  // The broker held an answer back for this long.
  virtual void on_throttle(int milliseconds) = 0;
  // Now and then: how many messages this producer has sent that were not taken then and are not on
  // the wire now. It sends them again by itself.
  virtual void on_statistics(uint64_t failed_sends) = 0;
};

class Producer {
 public:
  // Throws dstream::Error (CONFIG) if librdkafka does not take a property. Connects in the
  // background. The references outlive the producer.
  Producer(const Settings& settings, const BatchLimits& batch, dstream::Host host,
           const Scrubber& scrubber, const Metrics& metrics, ProducerListener& listener);
  // Messages without a report are forgotten; nothing refers to their memory any more.
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // `opaque` comes back as rd_kafka_topic_opaque(). Lives as long as the producer.
  rd_kafka_topic_t* open_topic(const std::string& name, void* opaque);

  struct TopicAnswer {
    int code = 0;                       // of the request, or of the topic
    int partitions = 0;                 // 0: ask again
    std::vector<int32_t> leaders = {};  // by partition; -1: none
  };
  // Asks the cluster about one topic, or, with nullptr, only whether it answers. Blocks for at most
  // `timeout_ms`; a code of class kConnection then says that there was no answer.
  TopicAnswer ask(rd_kafka_topic_t* topic, int timeout_ms);

  struct PartitionAnswer {
    int code = 0;
    int32_t leader = -1;  // a broker; -1: none
    int replicas = 0;
    int replicas_in_sync = 0;
  };
  // The same about one partition.
  PartitionAnswer ask_partition(rd_kafka_topic_t* topic, int32_t partition, int timeout_ms);

  // How many partitions each of the producer's topics has now; empty if there was no answer in
  // time. Blocks for at most `timeout_ms`.
  std::vector<std::pair<std::string, int32_t>> count_partitions(int timeout_ms);

  // Hands a message over without copying its value, which must stay until on_report().
  // _QUEUE_FULL, MSG_SIZE_TOO_LARGE, _FATAL, _UNKNOWN_PARTITION and others: it was not taken.
  rd_kafka_resp_err_t produce(rd_kafka_topic_t* topic, int32_t partition,
                              const dstream_message& message, uint64_t ticket);

  // Serves one event, waiting for it for at most `wait_ms`. False if none came.
  bool serve_one(int wait_ms);
  // Sends batches that are not full yet. Blocks for a millisecond.
  void flush();
  // Ends every message that is not on the wire with an error report.
  void purge_queue();
  // Ends every message with an error report, also those whose fate is not known.
  void purge();
  // For transactions and topics, whose calls go to librdkafka directly.
  rd_kafka_t* handle() const { return handle_; }

 private:
  static void on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text);
  void make_handle(const Settings& settings, const BatchLimits& batch);

  dstream::Host host_;
  const Scrubber& scrubber_;
  ProducerListener& listener_;
  std::unique_ptr<TokenKeeper> tokens_;
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_queue_t* queue_ = nullptr;
  std::vector<rd_kafka_topic_t*> topics_;
};

// Checks all properties without connecting anywhere: no I/O. Throws as the constructor does.
void check_properties(const Settings& settings, const Scrubber& scrubber);

}  // namespace eventhubs
