#include "tests/standins/kafka/mock_kafka.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <charconv>
#include <stdexcept>

namespace dstream::standin {
namespace {

constexpr int kErrorsMax = 100'000;

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  size_t at = 0;
  while ((at = line.find_first_not_of(" \t\r\n", at)) != std::string_view::npos) {
    const size_t end = line.find_first_of(" \t\r\n", at);
    words.emplace_back(line.substr(at, end - at));
    at = end == std::string_view::npos ? line.size() : end;
  }
  return words;
}

bool parse_number(std::string_view text, int* number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *number);
  return error == std::errc() && stop == end;
}

bool parse_request(std::string_view text, KafkaRequest* request) {
  static constexpr std::pair<std::string_view, KafkaRequest> kNames[] = {
      {"produce", KafkaRequest::kProduce},
      {"fetch", KafkaRequest::kFetch},
      {"metadata", KafkaRequest::kMetadata},
      {"init-producer-id", KafkaRequest::kInitProducerId}};
  for (const auto& [name, value] : kNames) {
    if (text == name) {
      *request = value;
      return true;
    }
  }
  int number = 0;
  if (!parse_number(text, &number) || number < 0 || number > 100) {
    return false;
  }
  *request = static_cast<KafkaRequest>(number);
  return true;
}

}  // namespace

bool parse_error_code(std::string_view text, int* code) {
  if (parse_number(text, code)) {
    return true;
  }
  const rd_kafka_err_desc* descriptions = nullptr;
  size_t count = 0;
  rd_kafka_get_err_descs(&descriptions, &count);
  for (size_t i = 0; i < count; ++i) {
    if (descriptions[i].name != nullptr && text == descriptions[i].name) {
      *code = descriptions[i].code;
      return true;
    }
  }
  return false;
}

MockKafka::MockKafka(int brokers) {
  char reason[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "log_level", "2", reason, sizeof reason);
  rd_kafka_conf_set(conf, "client.id", "mock", reason, sizeof reason);
  handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
  if (handle_ == nullptr) {
    rd_kafka_conf_destroy(conf);
    throw std::runtime_error(std::string("Mock brokers: ") + reason);
  }
  cluster_ = rd_kafka_mock_cluster_new(handle_, brokers);
  if (cluster_ == nullptr) {
    rd_kafka_destroy(handle_);
    throw std::runtime_error("Mock brokers: no cluster");
  }
  bootstrap_ = rd_kafka_mock_cluster_bootstraps(cluster_);
}

MockKafka::~MockKafka() {
  rd_kafka_mock_cluster_destroy(cluster_);
  rd_kafka_destroy(handle_);
}

void MockKafka::create_topic(const std::string& name, int partitions) {
  const rd_kafka_resp_err_t error =
      rd_kafka_mock_topic_create(cluster_, name.c_str(), partitions, 1);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    throw std::runtime_error("Topic " + name + ": " + rd_kafka_err2str(error));
  }
}

void MockKafka::push_errors(KafkaRequest request, const std::vector<int>& codes) {
  std::vector<rd_kafka_resp_err_t> errors;
  for (int code : codes) {
    errors.push_back(static_cast<rd_kafka_resp_err_t>(code));
  }
  rd_kafka_mock_push_request_errors_array(cluster_, static_cast<int16_t>(request), errors.size(),
                                          errors.data());
}

void MockKafka::clear_errors(KafkaRequest request) {
  rd_kafka_mock_clear_request_errors(cluster_, static_cast<int16_t>(request));
}

void MockKafka::set_topic_error(const std::string& topic, int code) {
  rd_kafka_mock_topic_set_error(cluster_, topic.c_str(), static_cast<rd_kafka_resp_err_t>(code));
}

void MockKafka::set_broker_up(int broker, bool up) {
  if (up) {
    rd_kafka_mock_broker_set_up(cluster_, broker);
  } else {
    rd_kafka_mock_broker_set_down(cluster_, broker);
  }
}

void MockKafka::set_round_trip_ms(int broker, int milliseconds) {
  rd_kafka_mock_broker_set_rtt(cluster_, broker, milliseconds);
}

void MockKafka::set_leader(const std::string& topic, int partition, int broker) {
  rd_kafka_mock_partition_set_leader(cluster_, topic.c_str(), partition, broker);
}

const char* MockKafka::command_help() {
  return "topic NAME PARTITIONS        make a topic\n"
         "error REQUEST CODE [COUNT]   fail the next COUNT requests; CODE 0 lets one through,\n"
         "                             _TRANSPORT closes the connection\n"
         "clear REQUEST                forget pushed errors\n"
         "topic-error TOPIC CODE       fail everything about a topic; 0 clears\n"
         "down BROKER | up BROKER      close and reopen a broker's port; brokers count from 1\n"
         "rtt BROKER MILLISECONDS      delay every answer\n"
         "leader TOPIC PARTITION BROKER   move a leader; -1 takes it away\n"
         "REQUEST is produce, fetch, metadata, init-producer-id or a protocol number; CODE is a\n"
         "number or a name such as POLICY_VIOLATION.\n";
}

std::string MockKafka::command(std::string_view line) {
  const std::vector<std::string> words = words_of(line);
  const size_t count = words.size();
  const std::string verb = count == 0 ? "" : words[0];
  int first = 0;
  int second = 0;
  KafkaRequest request{};
  if (verb == "topic" && count == 3 && parse_number(words[2], &first)) {
    try {
      create_topic(words[1], first);
    } catch (const std::runtime_error& error) {
      return std::string("error: ") + error.what();
    }
  } else if (verb == "error" && (count == 3 || count == 4) && parse_request(words[1], &request) &&
             parse_error_code(words[2], &first)) {
    if (count == 4 && (!parse_number(words[3], &second) || second < 1 || second > kErrorsMax)) {
      return "error: COUNT must be 1 to " + std::to_string(kErrorsMax);
    }
    push_errors(request, std::vector<int>(count == 4 ? static_cast<size_t>(second) : 1, first));
  } else if (verb == "clear" && count == 2 && parse_request(words[1], &request)) {
    clear_errors(request);
  } else if (verb == "topic-error" && count == 3 && parse_error_code(words[2], &first)) {
    set_topic_error(words[1], first);
  } else if ((verb == "down" || verb == "up") && count == 2 && parse_number(words[1], &first)) {
    set_broker_up(first, verb == "up");
  } else if (verb == "rtt" && count == 3 && parse_number(words[1], &first) &&
             parse_number(words[2], &second) && second >= 0) {
    set_round_trip_ms(first, second);
  } else if (verb == "leader" && count == 4 && parse_number(words[2], &first) &&
             parse_number(words[3], &second)) {
    set_leader(words[1], first, second);
  } else {
    return "error: not a command: " + std::string(line);
  }
  return "ok";
}

}  // namespace dstream::standin
