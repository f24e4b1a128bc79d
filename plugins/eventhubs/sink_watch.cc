// What the sink sees of a cluster that takes its time, and says of it.
#include <algorithm>

#include "sink.h"

namespace eventhubs {
namespace {

constexpr int kAskMs = 1000;
constexpr int kSeconds = 1'000'000'000;  // nanoseconds

class Deaf final : public ProducerListener {
  void on_report(const rd_kafka_message_t&) override {}
  void on_error(int, const std::string&, bool) override {}
  void on_throttle(int) override {}
  void on_statistics(uint64_t) override {}
};

}  // namespace

// Once for each time that it lasts long; the cluster is asked why.
void Sink::watch_answers() {
  if (!answers_.is_due(now_ns_)) {
    return;
  }
  const Topic* late_topic = nullptr;
  const Line* late = nullptr;
  for (const auto& topic : topics_) {
    for (const Line& line : topic->lines) {
      if (line.flushed && (late == nullptr || line.flushed_at_ns < late->flushed_at_ns)) {
        late_topic = topic.get();
        late = &line;
      }
    }
  }
  const AnswerWatch::Change change = answers_.look(now_ns_, late ? late->flushed_at_ns : 0);
  metrics_.oldest_batch_seconds.set(answers_.waited_seconds());
  if (change == AnswerWatch::Change::kAnswered) {
    host_.info("Batches are answered again.");
  } else if (change == AnswerWatch::Change::kTooLong) {
    host_.warn("A batch waits for its answer.",
               {{"topic", late_topic->name},
                {"partition", late->partition},
                {"seconds", (now_ns_ - late->flushed_at_ns) / kSeconds},
                {"reason", why_late(*late_topic, late->partition)}});
  }
}

// A broker works on the requests of one connection in turn, so the question goes over another one.
std::string Sink::why_late(const Topic& topic, int32_t partition) {
  Deaf deaf;
  Producer other(settings_, batch_, host_, scrubber_, metrics_, deaf);
  const Producer::PartitionAnswer answer =
      other.ask_partition(other.open_topic(topic.name, nullptr), partition, kAskMs);
  read_clock();
  if (answer.code != 0) {
    return "The cluster does not answer at all: " +
           describe(Failure{answer.code, topic.name + "."});
  }
  if (answer.leader < 0) {
    return "The partition has no leader: brokers that have it are down.";
  }
  if (answer.replicas_in_sync < answer.replicas) {
    return std::to_string(answer.replicas_in_sync) + " of " + std::to_string(answer.replicas) +
           " replicas are in sync; that is too few if min.insync.replicas is higher.";
  }
  return "The cluster is well: the broker is slow, or holds answers back for a quota.";
}

// Said when it begins, and again only after a time without.
void Sink::on_statistics(uint64_t failed_sends) {
  const bool more = failed_sends > failed_sends_;
  if (more) {
    metrics_.resent_messages.add(static_cast<double>(failed_sends - failed_sends_));
    if (!resending_) {
      host_.info("Messages are sent again: a broker asked for it, or did not answer.",
                 {{"messages", failed_sends - failed_sends_}});
    }
    failed_sends_ = failed_sends;
  }
  resending_ = more;
}

}  // namespace eventhubs
