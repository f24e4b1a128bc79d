// Reads topics of a real broker as they grow, from their beginning, and judges every message.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace dstream::end_to_end {

struct StreamMessage {
  std::string topic;
  std::string key;
  std::string value;
  bool tombstone = false;
};

// `visit` is called on the reader's own thread, in offset order within a partition. Throws
// std::runtime_error if the consumer cannot be made.
class StreamReader {
 public:
  StreamReader(const std::string& brokers, const std::vector<std::string>& topics, int partitions,
               std::function<void(const StreamMessage&)> visit);
  ~StreamReader();  // stops and joins
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

 private:
  void run();

  void* consumer_ = nullptr;  // rd_kafka_t
  std::function<void(const StreamMessage&)> visit_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace dstream::end_to_end
