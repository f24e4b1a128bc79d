// A Kafka endpoint that answers as Event Hubs does, and as a test tells it to.
//
//   ScriptedKafka hub;
//   hub.create_topic("orders", 4);
//   hub.script(KafkaRequest::kProduce, {{}, {.code = 44, .throttle_ms = 200}, {.close = true}});
//   ... a producer writes to hub.brokers() ...
//   EXPECT_EQ(hub.counts().producer_ids, 2u);
//   auto records = hub.records("orders");
//
// One broker, plain text, on a free loopback port. It offers the API versions of Event Hubs
// Standard (Produce 3-7, Metadata 0-5, InitProducerId 0-1, no transactions), takes no compression,
// and closes a connection on a request that is larger than Event Hubs takes. Sequence numbers of
// producers are checked as Kafka does: a batch sent again is not stored twice (`check_sequences`),
// or not at all. What the mock brokers can do as well is in mock_kafka.h.
//
// Thread rule: [any-thread].
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/kafka/mock_kafka.h"

namespace dstream::standin {

struct KafkaBatch;
class WireReader;
class WireWriter;

class ScriptedKafka {
 public:
  struct Options {
    uint64_t request_bytes_max = 1'046'528;
    bool check_sequences = true;
    // Announced. librdkafka does not compress for a broker that announces no Produce 0.
    int16_t produce_version_lowest = 3;
  };
  // What one request gets, instead of what it would.
  struct Answer {
    int code = 0;          // the protocol's; of each partition in the request
    int throttle_ms = 0;   // what the answer says
    int hold_ms = 0;       // how long the answer is held back, and all behind it on the connection
    bool close = false;    // the connection is closed instead
    bool applied = false;  // what it fails or leaves without an answer is done all the same
  };

  ScriptedKafka() : ScriptedKafka(Options{}) {}
  explicit ScriptedKafka(Options options);  // throws std::system_error if there is no port
  ~ScriptedKafka();
  ScriptedKafka(const ScriptedKafka&) = delete;
  ScriptedKafka& operator=(const ScriptedKafka&) = delete;

  std::string brokers() const;  // "127.0.0.1:40001"
  void create_topic(const std::string& name, int partitions);

  // What the next requests of this kind get, one each; behind them the request is served.
  void script(KafkaRequest request, std::vector<Answer> answers);
  // From now on; what `script()` says goes first.
  void always(KafkaRequest request, Answer answer);
  // Batches of the producers known until now are refused (INVALID_PRODUCER_ID_MAPPING).
  void forget_producers();

  struct Counts {
    uint64_t connections = 0;   // ever
    uint64_t produced = 0;      // requests with messages, whatever they got
    uint64_t producer_ids = 0;  // given away
    uint64_t duplicates = 0;    // batches that were known by their sequence numbers
    uint64_t too_large = 0;     // connections closed for a request's size
    uint64_t broken = 0;        // connections closed because a request could not be understood
  };
  Counts counts() const;
  // All that is stored of a topic: by partition, then by offset.
  std::vector<KafkaRecord> records(const std::string& topic) const;

 private:
  struct Connection;
  struct Producer {
    int32_t next_sequence = 0;
    int32_t last_sequence = -1;  // the first of the last batch
    int64_t last_offset = -1;
  };
  struct Partition {
    std::vector<KafkaRecord> records;
    std::map<int64_t, Producer> producers;
  };

  // scripted_kafka.cc
  void run();
  void accept_one();
  void receive(Connection& connection);
  bool handle_whole_requests(Connection& connection);
  bool refuse(Connection& connection);
  void send_due(Connection& connection, int64_t now_ns);
  int64_t wait_ns(int64_t now_ns) const;
  void wake();

  // scripted_answers.cc: the body of an answer; false: the connection is to be closed.
  bool answer(int16_t kind, int16_t version, WireReader& request, WireWriter& out, int* hold_ms);
  Answer next_answer(int16_t kind);
  void answer_versions(int16_t version, WireWriter& out) const;
  void answer_metadata(int16_t version, WireReader& request, const Answer& how, WireWriter& out);
  void answer_producer_id(const Answer& how, WireWriter& out);
  void answer_produce(int16_t version, WireReader& request, const Answer& how, WireWriter& out);
  int16_t store(Partition& partition, int32_t index, KafkaBatch batch, int64_t* offset);

  const Options options_;
  int listen_fd_ = -1;
  int wake_fd_ = -1;
  uint16_t port_ = 0;

  mutable std::mutex mutex_;  // guards all below
  bool stopping_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::map<std::string, std::vector<Partition>> topics_;
  std::map<int16_t, std::deque<Answer>> scripts_;
  std::map<int16_t, Answer> always_;
  int64_t next_producer_id_ = 1000;
  int64_t forgotten_before_ = 0;  // producer ids
  Counts counts_;

  std::thread thread_;
};

}  // namespace dstream::standin
