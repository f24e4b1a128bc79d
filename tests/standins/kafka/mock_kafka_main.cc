// librdkafka's mock brokers as a program, for the demo, benchmarks and fault injection.
//
// usage: dstream-mock-kafka [--brokers N] [--topic NAME:PARTITIONS]...
// Prints one line, the bootstrap servers, when it serves. Ends on SIGTERM or SIGINT, and when
// standard input, if that is a pipe, closes. Lines on standard input make faults (--help).
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "tests/standins/kafka/mock_kafka.h"
#include "tests/standins/kafka/until_stopped.h"

namespace {

constexpr int kBrokersMax = 16;

int usage(FILE* out, int code) {
  std::fprintf(
      out,
      "usage: dstream-mock-kafka [--brokers N] [--topic NAME:PARTITIONS]...\n"
      "Prints the bootstrap servers when ready; ends on SIGTERM or when a pipe on standard\n"
      "input closes. Lines on standard input:\n%s",
      dstream::standin::MockKafka::command_help());
  return code;
}

struct Arguments {
  int brokers = 1;
  std::vector<std::string> topics;  // "NAME PARTITIONS"
};

bool parse(int argc, char** argv, Arguments* out) {
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--brokers") == 0) {
      out->brokers = std::atoi(argv[i + 1]);
    } else if (std::strcmp(argv[i], "--topic") == 0) {
      std::string topic = argv[i + 1];
      const size_t colon = topic.rfind(':');
      if (colon == std::string::npos) {
        return false;
      }
      topic[colon] = ' ';
      out->topics.push_back(topic);
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && out->brokers >= 1 && out->brokers <= kBrokersMax;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
    return usage(stdout, 0);
  }
  Arguments arguments;
  if (!parse(argc, argv, &arguments)) {
    return usage(stderr, 2);
  }
  dstream::standin::UntilStopped until_stopped;
  try {
    dstream::standin::MockKafka mock(arguments.brokers);
    for (const std::string& topic : arguments.topics) {
      const std::string answer = mock.command("topic " + topic);
      if (answer != "ok") {
        std::fprintf(stderr, "dstream-mock-kafka: %s\n", answer.c_str());
        return 2;
      }
    }
    std::printf("%s\n", mock.brokers().c_str());
    std::fflush(stdout);
    while (auto line = until_stopped.next_line()) {
      std::printf("%s\n", mock.command(*line).c_str());
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dstream-mock-kafka: %s\n", error.what());
    return 1;
  }
  return 0;
}
