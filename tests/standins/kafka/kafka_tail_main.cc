// Prints what is in topics and what arrives.
//
// usage: dstream-kafka-tail BROKERS TOPIC... [--count N] [--new] [-X property=value]...
//   --count N   ends after N messages
//   --new       only what arrives from now on
//   -X          a librdkafka property, for TLS and SASL
// A line a message: topic[partition]@offset key value. Waits for topics that are not there yet.
// Ends on SIGTERM or SIGINT, and when standard input, if that is a pipe, closes.
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/standins/kafka/until_stopped.h"

namespace {

constexpr int kMetadataTimeoutMs = 1000;
constexpr int kPollMs = 100;

struct Arguments {
  std::string brokers;
  std::vector<std::string> topics;
  std::vector<std::pair<std::string, std::string>> properties;
  long count_max = 0;  // 0: without end
  bool only_new = false;
};

bool parse(int argc, char** argv, Arguments* out) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool has_next = i + 1 < argc;
    if (argument == "--new") {
      out->only_new = true;
    } else if (argument == "--count" && has_next) {
      out->count_max = std::atol(argv[++i]);
    } else if (argument == "-X" && has_next) {
      const std::string property = argv[++i];
      const size_t equals = property.find('=');
      if (equals == std::string::npos) {
        return false;
      }
      out->properties.emplace_back(property.substr(0, equals), property.substr(equals + 1));
    } else if (argument.starts_with("-")) {
      return false;
    } else if (out->brokers.empty()) {
      out->brokers = argument;
    } else {
      out->topics.push_back(argument);
    }
  }
  return !out->topics.empty();
}

rd_kafka_t* make_consumer(const Arguments& arguments) {
  char reason[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  std::vector<std::pair<std::string, std::string>> properties = {
      {"bootstrap.servers", arguments.brokers},
      {"group.id", "dstream-kafka-tail"},
      {"enable.auto.commit", "false"},
      {"allow.auto.create.topics", "false"},
      {"fetch.wait.max.ms", "50"},
      {"log_level", "2"}};
  properties.insert(properties.end(), arguments.properties.begin(), arguments.properties.end());
  for (const auto& [name, value] : properties) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason) !=
        RD_KAFKA_CONF_OK) {
      std::fprintf(stderr, "dstream-kafka-tail: %s\n", reason);
      rd_kafka_conf_destroy(conf);
      return nullptr;
    }
  }
  rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
  if (consumer == nullptr) {
    std::fprintf(stderr, "dstream-kafka-tail: %s\n", reason);
    rd_kafka_conf_destroy(conf);
    return nullptr;
  }
  rd_kafka_poll_set_consumer(consumer);
  return consumer;
}

// Starts to read the topics of `missing` that exist by now, and takes them out of it.
void assign_found(rd_kafka_t* consumer, std::set<std::string>* missing, int64_t start,
                  rd_kafka_topic_partition_list_t* assigned) {
  for (auto topic = missing->begin(); topic != missing->end();) {
    rd_kafka_topic_t* object = rd_kafka_topic_new(consumer, topic->c_str(), nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    int partitions = 0;
    if (rd_kafka_metadata(consumer, 0, object, &metadata, kMetadataTimeoutMs) ==
        RD_KAFKA_RESP_ERR_NO_ERROR) {
      partitions = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
      rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(object);
    for (int i = 0; i < partitions; ++i) {
      rd_kafka_topic_partition_list_add(assigned, topic->c_str(), i)->offset = start;
    }
    topic = partitions > 0 ? missing->erase(topic) : std::next(topic);
  }
  rd_kafka_assign(consumer, assigned);
}

void print(const rd_kafka_message_t* message) {
  std::printf("%s[%d]@%lld %.*s %.*s\n", rd_kafka_topic_name(message->rkt),
              static_cast<int>(message->partition), static_cast<long long>(message->offset),
              static_cast<int>(message->key_len), static_cast<const char*>(message->key),
              message->payload == nullptr ? 4 : static_cast<int>(message->len),
              message->payload == nullptr ? "null" : static_cast<const char*>(message->payload));
}

// Prints until the count is reached or it is time to end.
void tail(rd_kafka_t* consumer, const Arguments& arguments,
          dstream::standin::UntilStopped& until_stopped) {
  std::set<std::string> missing(arguments.topics.begin(), arguments.topics.end());
  const int64_t start = arguments.only_new ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
  rd_kafka_topic_partition_list_t* assigned = rd_kafka_topic_partition_list_new(8);
  long count = 0;
  while (!until_stopped.stopped(0) && (arguments.count_max == 0 || count < arguments.count_max)) {
    if (!missing.empty()) {
      assign_found(consumer, &missing, start, assigned);
    }
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, kPollMs);
    if (message == nullptr) {
      std::fflush(stdout);
      continue;
    }
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      print(message);
      ++count;
    }
    rd_kafka_message_destroy(message);
    if (isatty(STDOUT_FILENO) != 0) {
      std::fflush(stdout);
    }
  }
  rd_kafka_topic_partition_list_destroy(assigned);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, &arguments)) {
    std::fprintf(
        stderr, "usage: dstream-kafka-tail BROKERS TOPIC... [--count N] [--new] [-X name=value]\n");
    return 2;
  }
  dstream::standin::UntilStopped until_stopped;
  rd_kafka_t* consumer = make_consumer(arguments);
  if (consumer == nullptr) {
    return 1;
  }
  tail(consumer, arguments, until_stopped);
  rd_kafka_consumer_close(consumer);
  rd_kafka_destroy(consumer);
  std::fflush(stdout);
  return 0;
}
