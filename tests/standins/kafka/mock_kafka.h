// librdkafka's mock brokers, and the faults they can be told to make.
//
// They speak plaintext Kafka on free loopback ports, keep at most 5 MB a partition, create topics
// on sight (4 partitions), and never throttle. What only a real broker can show is in
// kafka_broker.h.
//
// Thread rule: [any-thread].
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

struct rd_kafka_s;
struct rd_kafka_mock_cluster_s;

namespace dstream::standin {

// Protocol numbers of the requests that tests make fail.
enum class KafkaRequest : int16_t {
  kProduce = 0,
  kFetch = 1,
  kMetadata = 3,
  kFindCoordinator = 10,
  kInitProducerId = 22,
};

class MockKafka {
 public:
  explicit MockKafka(int brokers = 1);  // throws std::runtime_error
  ~MockKafka();
  MockKafka(const MockKafka&) = delete;
  MockKafka& operator=(const MockKafka&) = delete;

  // "127.0.0.1:45001,127.0.0.1:45002"
  const std::string& brokers() const { return bootstrap_; }
  void create_topic(const std::string& name, int partitions);

  // The next requests of this kind are answered with these codes (rd_kafka_resp_err_t), one each;
  // 0 lets one through, -195 (_TRANSPORT) closes the connection.
  void push_errors(KafkaRequest request, const std::vector<int>& codes);
  void clear_errors(KafkaRequest request);
  void set_topic_error(const std::string& topic, int code);  // 0 clears
  void set_broker_up(int broker, bool up);                   // brokers count from 1
  void set_round_trip_ms(int broker, int milliseconds);
  void set_leader(const std::string& topic, int partition, int broker);  // -1: no leader

  // One line of the control language (see command_help()): "ok", or "error: " and the reason.
  std::string command(std::string_view line);
  static const char* command_help();

 private:
  rd_kafka_s* handle_ = nullptr;
  rd_kafka_mock_cluster_s* cluster_ = nullptr;
  std::string bootstrap_;
};

// "POLICY_VIOLATION", "_TRANSPORT" or "44" -> the code. False if there is no such error.
bool parse_error_code(std::string_view text, int* code);

}  // namespace dstream::standin
