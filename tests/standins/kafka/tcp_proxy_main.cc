// The proxy as a program, for benchmarks and scripts.
//
// usage: dstream-tcp-proxy [--kafka] [--round-trip-ms N] ADDRESS:PORT[,ADDRESS:PORT...]
// Prints one line, the addresses to connect to in the same order, when it listens. --kafka: the
// targets are brokers of one cluster (kafka_proxy.h). Ends on SIGTERM or SIGINT, and when standard
// input, if that is a pipe, closes. Lines on standard input, for all targets together:
// round-trip-ms N, cut, cut-after to-server|to-client BYTES, stall to-server|to-client,
// go-on to-server|to-client, counts; each answered with "ok", the counts, or "error: ...".
#include <charconv>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/standins/kafka/kafka_proxy.h"
#include "tests/standins/kafka/until_stopped.h"

namespace {

using dstream::standin::KafkaProxy;
using dstream::standin::TcpProxy;

using Direction = TcpProxy::Direction;

constexpr long kRoundTripMsMax = 600'000;

int usage(FILE* out, int code) {
  std::fputs(
      "usage: dstream-tcp-proxy [--kafka] [--round-trip-ms N] ADDRESS:PORT[,ADDRESS:PORT...]\n"
      "Prints where to connect to when ready; ends on SIGTERM or when a pipe on standard input\n"
      "closes. --kafka: the targets are the brokers of one cluster, and announce each other.\n"
      "Lines on standard input:\n"
      "round-trip-ms N              delay, half of it each way\n"
      "cut                          reset all connections\n"
      "cut-after DIRECTION BYTES    cut the connection that sends more\n"
      "stall DIRECTION | go-on DIRECTION\n"
      "counts                       bytes passed on, connections\n"
      "DIRECTION is to-server or to-client.\n",
      out);
  return code;
}

bool parse(const std::string& text, Direction* out) {
  *out = text == "to-server" ? Direction::kToServer : Direction::kToClient;
  return text == "to-server" || text == "to-client";
}

bool parse(const std::string& text, long* out) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *out);
  return error == std::errc() && stop == end && *out >= 0;
}

class Proxies {
 public:
  Proxies(const std::string& targets, bool kafka) {
    if (kafka) {
      kafka_ = std::make_unique<KafkaProxy>(targets);
      for (size_t i = 0; i < kafka_->broker_count(); ++i) {
        all_.push_back(&kafka_->broker(i));
      }
      return;
    }
    std::istringstream text(targets);
    for (std::string target; std::getline(text, target, ',');) {
      owned_.push_back(std::make_unique<TcpProxy>(target));
      all_.push_back(owned_.back().get());
    }
  }

  std::string addresses() const {
    std::string out;
    for (const TcpProxy* proxy : all_) {
      out += (out.empty() ? "" : ",") + proxy->address();
    }
    return out;
  }

  // False: out of range.
  bool set_round_trip(long milliseconds) {
    if (milliseconds < 0 || milliseconds > kRoundTripMsMax) {
      return false;
    }
    for (TcpProxy* proxy : all_) {
      proxy->set_delay(std::chrono::microseconds(milliseconds * 500));
    }
    return true;
  }

  // One line of the control language, answered.
  std::string command(const std::string& line) {
    std::istringstream text(line);
    const std::vector<std::string> words{std::istream_iterator<std::string>(text), {}};
    const std::string verb = words.empty() ? "" : words[0];
    Direction direction{};
    long number = 0;
    if (verb == "counts" && words.size() == 1) {
      return counts();
    }
    if (verb == "cut" && words.size() == 1) {
      each([](TcpProxy& proxy) { proxy.cut(); });
    } else if ((verb == "stall" || verb == "go-on") && words.size() == 2 &&
               parse(words[1], &direction)) {
      each([&](TcpProxy& proxy) { proxy.set_stalled(direction, verb == "stall"); });
    } else if (verb == "cut-after" && words.size() == 3 && parse(words[1], &direction) &&
               parse(words[2], &number)) {
      each([&](TcpProxy& proxy) { proxy.cut_after(direction, static_cast<uint64_t>(number)); });
    } else if (verb != "round-trip-ms" || words.size() != 2 || !parse(words[1], &number) ||
               !set_round_trip(number)) {
      return "error: not a command: " + line;
    }
    return "ok";
  }

 private:
  template <typename Action>
  void each(const Action& action) {
    for (TcpProxy* proxy : all_) {
      action(*proxy);
    }
  }

  std::string counts() const {
    TcpProxy::Counts sum;
    for (const TcpProxy* proxy : all_) {
      const TcpProxy::Counts one = proxy->counts();
      sum.bytes[0] += one.bytes[0];
      sum.bytes[1] += one.bytes[1];
      sum.accepted += one.accepted;
      sum.open += one.open;
    }
    return "to-server=" + std::to_string(sum.bytes[0]) +
           " to-client=" + std::to_string(sum.bytes[1]) +
           " accepted=" + std::to_string(sum.accepted) + " open=" + std::to_string(sum.open);
  }

  std::unique_ptr<KafkaProxy> kafka_;
  std::vector<std::unique_ptr<TcpProxy>> owned_;
  std::vector<TcpProxy*> all_;
};

}  // namespace

int main(int argc, char** argv) {
  bool kafka = false;
  long round_trip_ms = 0;
  std::string targets;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--help") {
      return usage(stdout, 0);
    }
    if (argument == "--kafka") {
      kafka = true;
    } else if (argument == "--round-trip-ms" && i + 1 < argc &&
               parse(argv[i + 1], &round_trip_ms)) {
      ++i;
    } else if (!argument.starts_with("-") && targets.empty()) {
      targets = argument;
    } else {
      return usage(stderr, 2);
    }
  }
  if (targets.empty()) {
    return usage(stderr, 2);
  }
  dstream::standin::UntilStopped until_stopped;
  try {
    Proxies proxies(targets, kafka);
    if (!proxies.set_round_trip(round_trip_ms)) {
      return usage(stderr, 2);
    }
    std::printf("%s\n", proxies.addresses().c_str());
    std::fflush(stdout);
    while (auto line = until_stopped.next_line()) {
      std::printf("%s\n", proxies.command(*line).c_str());
      std::fflush(stdout);
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dstream-tcp-proxy: %s\n", error.what());
    return 1;
  }
  return 0;
}
