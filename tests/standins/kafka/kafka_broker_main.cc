// A real Kafka broker for scripts: starts one on free ports and keeps it until it is told to end.
//
// usage: dstream-kafka-broker [--topic NAME:PARTITIONS]...
// Prints when it serves, one line each: plaintext=ADDRESS, sasl_ssl=ADDRESS, ca_file=PATH,
// connection=STRING, pid=N, ready. Ends on SIGTERM or SIGINT, and when standard input, if that is a
// pipe, closes. Lines on standard input: kill9, stop, restart, pause, resume; each answered with
// "ok" or "error: ...", restart with the new pid=N before it.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include "tests/standins/kafka/kafka_broker.h"
#include "tests/standins/kafka/until_stopped.h"

namespace {

using dstream::standin::KafkaBroker;

std::string obey(KafkaBroker& broker, const std::string& line) {
  try {
    if (line == "kill9") {
      broker.kill9();
    } else if (line == "stop") {
      broker.stop();
    } else if (line == "restart") {
      broker.restart();
      std::printf("pid=%d\n", static_cast<int>(broker.pid()));
    } else if (line == "pause") {
      broker.pause();
    } else if (line == "resume") {
      broker.resume();
    } else {
      return "error: not a command: " + line;
    }
  } catch (const std::exception& error) {
    return std::string("error: ") + error.what();
  }
  return "ok";
}

bool create_topics(KafkaBroker& broker, int argc, char** argv) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string topic = argv[i + 1];
    const size_t colon = topic.rfind(':');
    if (std::strcmp(argv[i], "--topic") != 0 || colon == std::string::npos) {
      return false;
    }
    broker.create_topic(topic.substr(0, colon), std::atoi(topic.c_str() + colon + 1));
  }
  return argc % 2 == 1;
}

}  // namespace

int main(int argc, char** argv) {
  dstream::standin::UntilStopped until_stopped;
  try {
    KafkaBroker broker;
    broker.start();
    if (!create_topics(broker, argc, argv)) {
      std::fprintf(stderr, "usage: dstream-kafka-broker [--topic NAME:PARTITIONS]...\n");
      return 2;
    }
    std::printf("plaintext=%s\nsasl_ssl=%s\nca_file=%s\nconnection=%s\npid=%d\nready\n",
                broker.plaintext().c_str(), broker.sasl_ssl().c_str(), broker.ca_file().c_str(),
                broker.connection_string().c_str(), static_cast<int>(broker.pid()));
    std::fflush(stdout);
    while (auto line = until_stopped.next_line()) {
      std::printf("%s\n", obey(broker, *line).c_str());
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dstream-kafka-broker: %s\n", error.what());
    return 1;
  }
  return 0;
}
