// What the sink does when something goes wrong.
#include <algorithm>
#include <charconv>

#include "error_class.h"
#include "sink.h"

namespace eventhubs {
namespace {

using dstream::Error;

constexpr int64_t kMs = 1'000'000;  // nanoseconds
// How long requests on the wire may still end by themselves, and how long the purge of the rest may
// take: it needs no network, only librdkafka's threads.
constexpr int64_t kFailingNs = 2'000 * kMs;
constexpr int64_t kPurgeNs = 5'000 * kMs;
// A TLS error that lasts this long with messages waiting is a matter of certificates, not of luck.
constexpr double kTlsPatienceSeconds = 60;
// A broker that has not failed for so long fails anew. Longer than librdkafka waits between
// attempts to connect, and than it keeps the same error to itself.
constexpr int64_t kForgetFailureNs = 60'000 * kMs;
constexpr uint64_t kEventHubsRequestBytesMax = 1'046'528;
constexpr uint64_t kBatchBytesMin = 512;
// How much smaller the next batches are when one was refused for a message in it: by bytes to find
// the topic's limit, by messages to find the culprit in few attempts.
constexpr uint64_t kShrinkBytesBy = 4;
constexpr uint32_t kShrinkMessagesBy = 8;
// A producer that lived this many times the last delay starts the back-off from the beginning.
constexpr int64_t kForgiveFactor = 10;

// Codes that only say "something else failed".
bool is_consequence(int code) {
  return code == RD_KAFKA_RESP_ERR__GAPLESS_GUARANTEE || code == RD_KAFKA_RESP_ERR__FATAL ||
         code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

// librdkafka begins such texts with the broker's address and number: "10.0.0.7:9093/2: Connect
// ..."; "bootstrap" stands for a number that it does not know yet.
int broker_of(const std::string& text) {
  const std::string name = text.substr(0, text.find(": "));
  const char* number = name.c_str() + name.rfind('/') + 1;  // the whole name if there is no '/'
  int broker = -1;
  std::from_chars(number, name.c_str() + name.size(), broker);
  return broker;
}

int wait_ms(int64_t from_ns, int64_t until_ns) {
  return static_cast<int>(std::clamp<int64_t>((until_ns - from_ns + kMs - 1) / kMs, 0, 3'600'000));
}

}  // namespace

void Sink::on_report(const rd_kafka_message_t& message) {
  const auto ticket = reinterpret_cast<Ticket>(message._private);
  auto* topic = static_cast<Topic*>(rd_kafka_topic_opaque(message.rkt));
  if (topic == nullptr) {
    on_checkpoint_report(message);
    return;
  }
  Line& line = topic->lines[static_cast<size_t>(message.partition)];
  --sent_messages_;
  if (const uint64_t bytes = line.reported(); bytes > 0) {
    sent_bytes_ -= bytes;
    if (const int32_t broker = rd_kafka_message_broker_id(&message); broker >= 0) {
      line.broker_batches = &broker_batches_[broker];  // the leader may have moved
    }
    send_next_batches();
  }
  if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    deliveries_.delivered(ticket);
    delivered_bytes_ += message.len + message.key_len;
    if (trouble_ || denied_) {
      connection_works(rd_kafka_message_broker_id(&message));
    }
    return;
  }
  if (classify(message.err) == ErrorClass::kReject) {
    if (line.refused == 0) {
      line.refused_ticket = ticket;
      line.refused_code = message.err;
    }
    ++line.refused;
  }
  fail(message.err,
       "Topic " + topic->name + ", partition " + std::to_string(message.partition) + ".");
}

void Sink::on_error(int code, const std::string& text, bool fatal) {
  if (fatal) {
    fail(code, text);
    return;
  }
  const ErrorClass error_class = classify(code);
  if (error_class == ErrorClass::kDenied) {
    denied_ = Failure{code, text};
  } else if (error_class != ErrorClass::kConnection) {
    host_.warn(describe({code, text}));
  } else {
    metrics_.connection_errors.add();
    // That all are down adds nothing to why the first one is.
    if (!trouble_ || code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
      lost_connection({code, text});
    }
    if (code == RD_KAFKA_RESP_ERR__SSL &&
        (opening_ || answers_.waited_seconds() > kTlsPatienceSeconds)) {
      denied_ = Failure{code, text};
    }
  }
}

// Event Hubs closes the connection on such a request without a word, each time it is sent.
std::string Sink::too_large_for_event_hubs(int code) const {
  uint64_t largest = 0;
  for (const auto& topic : topics_) {
    for (const Line& line : topic->lines) {
      largest = std::max(largest, line.sent_bytes);
    }
  }
  if (code != RD_KAFKA_RESP_ERR__TRANSPORT || largest <= kEventHubsRequestBytesMax) {
    return "";
  }
  return " A batch of " + std::to_string(largest) +
         " bytes was on its way: Event Hubs closes the connection on a request of more than "
         "1,046,528 bytes. Lower batch_bytes and message_bytes_max if this is one.";
}

void Sink::on_throttle(int milliseconds) {
  metrics_.throttled_seconds.add(milliseconds / 1000.0);
  status_.throttled(milliseconds, now_ns_);
  // Its request is not reported yet, so it is among those on their way; the oldest one it can be.
  int64_t sent_ns = now_ns_;
  for (const auto& topic : topics_) {
    for (const Line& line : topic->lines) {
      if (line.flushed) {
        sent_ns = std::min(sent_ns, line.flushed_at_ns);
      }
    }
  }
  throttling_.reported(now_ns_, sent_ns, milliseconds);
}

// Once for each broker, however often librdkafka tries: others may work well meanwhile.
void Sink::lost_connection(const Failure& failure) {
  const auto [found, is_new] = away_.try_emplace(broker_of(failure.text), now_ns_);
  if ((is_new || now_ns_ - found->second > kForgetFailureNs) && !opening_) {
    host_.warn("No connection; messages wait.",
               {{"reason", describe(failure) + too_large_for_event_hubs(failure.code)}});
  }
  found->second = now_ns_;
  trouble_ = failure;
}

void Sink::connection_works(int broker) {
  denied_.reset();
  const size_t back = away_.erase(broker) + (broker == kAnyBroker ? 0 : away_.erase(kAnyBroker));
  if (away_.empty()) {
    trouble_.reset();
  }
  if (back > 0 && !opening_) {
    host_.info("The broker answers again.", {{"broker", broker}});
  }
}

// Stops the line: from here on nothing is handed over, and what librdkafka has not sent comes back.
void Sink::fail(int code, const std::string& text) {
  if (state_ == State::kRunning) {
    state_ = State::kFailing;
    failing_until_ns_ = now_ns_ + kFailingNs;
    purged_ = false;
    failure_.reset();
    producer_->purge_queue();
  }
  if (!failure_ || (is_consequence(failure_->code) && !is_consequence(code))) {
    failure_ = Failure{code, text};
  }
}

void Sink::serve_failing(int64_t deadline_ns) {
  while (sent_messages_ > 0) {
    const int64_t until_ns = std::min(deadline_ns, failing_until_ns_);
    const bool served = producer_->serve_one(wait_ms(now_ns_, until_ns));
    read_clock();
    if (now_ns_ >= failing_until_ns_ && purged_) {
      break;  // librdkafka owes reports that never come; its end forgets the messages
    }
    if (now_ns_ >= failing_until_ns_) {
      producer_->purge();
      purged_ = true;
      failing_until_ns_ = now_ns_ + kPurgeNs;
    }
    if (!served && (now_ns_ >= deadline_ns || stop.stopped())) {
      break;
    }
  }
  settle_done();
  if (sent_messages_ == 0 || (purged_ && now_ns_ >= failing_until_ns_)) {
    finish_failing();
  }
}

// A batch was refused for one message in it, and every message of it came back with the same code.
// A batch of one names the culprit; else the next batches are smaller.
void Sink::settle_refused(Topic& topic, Line& line) {
  const uint64_t first_bytes = deliveries_.message(line.refused_ticket).key.size +
                               deliveries_.message(line.refused_ticket).value.size;
  const int code = line.refused_code;
  const bool by_size = code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
                       code == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE;
  if (line.refused == 1 || batch_.messages == 1 || first_bytes >= batch_.bytes) {
    const std::string text = "Topic " + topic.name + " does not take the message of " +
                             std::to_string(first_bytes) + " bytes.";
    deliveries_.rejected(line.refused_ticket, {code, describe({code, text})});
    metrics_.rejected_messages.add();
    batch_.messages = settings_.batch.messages;
  } else if (by_size) {
    batch_.bytes = std::max(kBatchBytesMin, batch_.bytes / kShrinkBytesBy);
    host_.warn(
        "A topic refuses a batch for its size; batches are smaller from now on. Set "
        "batch_bytes to the topic's limit.",
        {{"topic", topic.name}, {"batch_bytes", batch_.bytes}});
  } else {
    batch_.messages = std::max(1u, line.refused / kShrinkMessagesBy);
  }
}

uint32_t Sink::delay_after_failure() {
  if (now_ns_ - producer_since_ns_ >= kForgiveFactor * kMs * last_delay_ms_) {
    backoff_.reset();
  }
  const ErrorClass error_class = classify(failure_->code);
  if (error_class == ErrorClass::kReject) {
    return 0;  // each attempt narrows it down
  }
  last_delay_ms_ = backoff_.next_ms();
  return last_delay_ms_;
}

void Sink::finish_failing() {
  const Failure failure = *failure_;
  const ErrorClass error_class = classify(failure.code);
  for (const auto& topic : topics_) {
    for (Line& line : topic->lines) {
      if (line.refused > 0) {
        settle_refused(*topic, line);
      }
    }
  }
  const uint32_t delay_ms = delay_after_failure();
  if (settings_.transactional) {
    fenced_ = is_fenced();
    ended_ = failure;
    deliveries_.forget_delivered();
  }
  stop_producer();
  if (fenced_) {
    state_ = State::kBackingOff;
    failure_.reset();
    return;  // Whoever took over goes on from what is committed; nothing is to be written again.
  }
  // In one go, with nothing under way any more: the host writes again from the lowest unsettled
  // item and finds the same order as before (I3).
  const std::string text = describe(failure);
  const uint32_t again = deliveries_.settle_all(host_, {failure.code, text}, delay_ms);
  metrics_.retried_messages.add(again);
  metrics_.producer_recreations.add();
  if (error_class == ErrorClass::kDenied) {
    denied_ = failure;
  } else if (error_class == ErrorClass::kConfig) {
    misconfigured_ = failure;
  } else if (error_class != ErrorClass::kReject) {
    host_.warn(
        "A batch failed; its messages and those behind it are written again with a new "
        "producer.",
        {{"reason", text}, {"messages", again}, {"delay_ms", delay_ms}});
  }
  failure_.reset();
  state_ = State::kBackingOff;
  resume_ns_ = now_ns_ + delay_ms * kMs;
}

void Sink::resume(int64_t deadline_ns) {
  const int wait = wait_ms(now_ns_, std::min(deadline_ns, resume_ns_));
  if (wait > 0 && !misconfigured_) {
    stop.wait_for(dstream::Millis(wait));
    read_clock();
  }
  if (now_ns_ >= resume_ns_ && !misconfigured_ && !settings_.transactional) {
    start_producer();
    denied_.reset();
    state_ = State::kRunning;
  }
}

void Sink::throw_pending() const {
  if (fenced_) {
    throw_ended_session();
  }
  if (misconfigured_) {
    throw Error(DSTREAM_CONFIG, describe(*misconfigured_), misconfigured_->code);
  }
  if (denied_) {
    throw Error(DSTREAM_DENIED, describe(*denied_), denied_->code);
  }
  throw_ended_session();
}

std::string Sink::describe(const Failure& failure) const {
  const auto code = static_cast<rd_kafka_resp_err_t>(failure.code);
  std::string out = std::string("Kafka error ") + rd_kafka_err2name(code) + " (" +
                    rd_kafka_err2str(code) + "): " + scrubber_.clean(failure.text);
  const char* advice = advice_for(failure.code);
  return *advice == '\0' ? out : out + " " + advice;
}

void Sink::throw_answer(const std::string& topic, int code) const {
  const Failure failure{code, topic.empty() ? settings_.brokers : "Topic " + topic + "."};
  switch (classify(code)) {
    case ErrorClass::kDenied:
      throw Error(DSTREAM_DENIED, describe(failure), code);
    case ErrorClass::kConfig:
      throw Error(DSTREAM_CONFIG, describe(failure), code);
    default:
      throw Error(DSTREAM_RETRY, describe(failure), code);
  }
}

}  // namespace eventhubs
