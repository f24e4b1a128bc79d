#include "sink.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <random>
#include <utility>

#include "checks.h"
#include "error_class.h"

namespace eventhubs {
namespace {

using dstream::Error;

constexpr int64_t kMs = 1'000'000;  // nanoseconds
// Bounds of what the sink keeps for itself: 9 bytes an item, 200 a message in librdkafka.
constexpr uint32_t kOpenItemsMax = 1'000'000;
constexpr uint32_t kSentMessagesMax = 100'000;
// A poll gives the host its turn after this many events.
constexpr int kEventsPerPollMax = 256;
// An answer about a topic: within these bounds whatever the host's wait is.
constexpr int64_t kAskMsMin = 300;
constexpr int64_t kAskMsMax = 600;
// librdkafka's threads may sleep through the millisecond of a flush when the machine is busy.
constexpr int64_t kFlushAgainNsMin = 10 * kMs;
constexpr int64_t kFlushAgainNsMax = 1'000 * kMs;
// How long a call waits at most once a stop was requested.
constexpr int64_t kStoppedWaitMs = 10;

// No less than the message takes on the wire.
uint64_t bytes_of(const dstream_message& message) {
  uint64_t bytes = message.key.size + message.value.size + kRecordOverheadBytes;
  for (uint32_t i = 0; i < message.header_count; ++i) {
    bytes +=
        std::strlen(message.headers[i].name) + message.headers[i].value.size + kHeaderOverheadBytes;
  }
  return bytes;
}

Topics make_topics(const Settings& settings) {
  return {settings.partitioner,
          settings.event_hubs ? settings.event_hubs->entity_path : std::string()};
}

int wait_ms(int64_t from_ns, int64_t until_ns) {
  return static_cast<int>(std::clamp<int64_t>((until_ns - from_ns + kMs - 1) / kMs, 0, 3'600'000));
}

}  // namespace

Sink::Sink(dstream::Host host, std::string_view config)
    : host_(host),
      settings_(parse_settings(config)),
      scrubber_(settings_.secrets()),
      metrics_(host),
      backoff_(settings_.backoff_min_ms, settings_.backoff_max_ms, std::random_device{}()),
      topics_(make_topics(settings_)),
      batch_(settings_.batch),
      limit_(settings_.max_events_per_second, settings_.max_bytes_per_second) {
  check_properties(settings_, scrubber_);
}

Sink::~Sink() { close(); }

void Sink::reconfigure(std::string_view config) {
  Settings settings = parse_settings(config);
  Scrubber scrubber(settings.secrets());
  check_properties(settings, scrubber);
  settings_ = std::move(settings);
  scrubber_ = std::move(scrubber);
  backoff_ = Backoff(settings_.backoff_min_ms, settings_.backoff_max_ms, std::random_device{}());
  topics_ = make_topics(settings_);
  batch_ = settings_.batch;
  limit_ = RateLimit(settings_.max_events_per_second, settings_.max_bytes_per_second);
}

int64_t Sink::read_clock() {
  now_ns_ = std::chrono::duration_cast<std::chrono::nanoseconds>(
                std::chrono::steady_clock::now().time_since_epoch())
                .count();
  return now_ns_;
}

void Sink::open() {
  read_clock();
  start_producer();
  opening_ = true;
  try {
    wait_for_cluster();
    if (settings_.transactional) {
      open_transactions();
    }
  } catch (...) {
    close();
    throw;
  }
  opening_ = false;
  state_ = State::kRunning;
  host_.info("Connected.", {{"brokers", settings_.brokers}});
}

void Sink::start_producer() {
  ProducerListener& listener = *this;
  producer_ = std::make_unique<Producer>(settings_, batch_, host_, scrubber_, metrics_, listener);
  producer_since_ns_ = now_ns_;
  failed_sends_ = 0;
  // Before the connection stands: a policy of one event hub may ask about that hub alone.
  if (const std::string single = settings_.single_topic(); !single.empty()) {
    topics_.open(single, *producer_);
  }
}

void Sink::stop_producer() {
  waiting_.clear();
  topics_.clear();
  sent_bytes_ = 0;
  sent_messages_ = 0;
  broker_batches_.clear();
  next_flush_ns_ = 0;
  flush_again_ns_ = 0;
  growing_ = false;
  status_.forgets_counts();
  limited_since_ns_ = limited_until_ns_ = 0;
  transaction_ = {};
  producer_.reset();
}

void Sink::close() {
  if (producer_ != nullptr && transaction_.open) {
    abort_transaction();
  }
  if (producer_ != nullptr) {
    stop_producer();
  }
  deliveries_.clear();
  delivered_bytes_ = 0;
  report_in_flight();
  state_ = State::kClosed;
  opening_ = false;
  failure_.reset();
  trouble_.reset();
  away_.clear();
  denied_.reset();
  misconfigured_.reset();
  ended_.reset();
  fenced_ = false;
}

std::string Sink::status_json() const {
  return status_.json(std::chrono::duration_cast<std::chrono::nanoseconds>(
                          std::chrono::steady_clock::now().time_since_epoch())
                          .count());
}

void Sink::check(dstream::Checks& checks) { run_checks(settings_, scrubber_, host_, checks); }

void Sink::wait_for_cluster() {
  const int64_t deadline_ns = now_ns_ + settings_.connect_timeout_ms * kMs;
  Topic* single = topics_.first_unready();
  for (;;) {
    const int patience =
        static_cast<int>(std::clamp<int64_t>((deadline_ns - now_ns_) / kMs, 1, kAskMsMin));
    const Producer::TopicAnswer answer =
        producer_->ask(single == nullptr ? nullptr : single->handle, patience);
    while (producer_->serve_one(0)) {
    }
    read_clock();
    if (answer.code == 0) {
      connection_works(kAnyBroker);
      if (single == nullptr) {
        return;
      }
      make_ready(*single, answer);
      if (single->is_ready()) {
        return;
      }
    }
    throw_pending();
    const bool being_made = single != nullptr && is_being_made(*single, answer.code);
    if (answer.code != 0 && !being_made && classify(answer.code) != ErrorClass::kConnection) {
      throw_answer(single == nullptr ? "" : single->name, answer.code);
    }
    if (stop.stopped()) {
      throw Error(DSTREAM_CANCELLED, "Stopped while connecting.");
    }
    if (now_ns_ >= deadline_ns) {
      throw Error(DSTREAM_REOPEN,
                  "No answer from " + settings_.brokers + " in " +
                      std::to_string(settings_.connect_timeout_ms) + " ms" +
                      (trouble_ ? ": " + describe(*trouble_) : std::string(".")),
                  trouble_ ? trouble_->code : answer.code);
    }
    if (answer.code != RD_KAFKA_RESP_ERR__TIMED_OUT) {
      producer_->serve_one(wait_ms(now_ns_, std::min(deadline_ns, now_ns_ + 50 * kMs)));
    }
  }
}

uint32_t Sink::write(const dstream::Delivery& delivery, uint32_t first) {
  if (state_ != State::kRunning) {
    return 0;
  }
  read_clock();
  limited_until_ns_ = 0;
  deliveries_.begin(delivery, first);
  offered_messages_ = taken_messages_ + delivery.count() - first;
  uint32_t index = first;
  while (index < delivery.count() && accept(delivery.message(index))) {
    ++index;
    ++taken_messages_;
  }
  return index - first;
}

// False: there is no room, or it is not known yet where the message goes.
bool Sink::accept(const dstream_message& message) {
  if (state_ != State::kRunning || misconfigured_ || growing_ ||
      (deliveries_.open_items() >= kOpenItemsMax && !settings_.transactional)) {
    return false;
  }
  Topic* topic = nullptr;
  try {
    topic = &topics_.of(message, *producer_);
  } catch (const Error& error) {
    misconfigured_ = Failure{RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, error.what()};
    return false;  // poll() says it; items before this one are taken
  }
  if (!topic->is_ready()) {
    return false;
  }
  Line* line = topics_.line_of(*topic, message);
  if (line == nullptr) {
    return reject_partition(*topic, message);
  }
  if (!within_limits(message)) {
    return false;
  }
  const Ticket ticket = deliveries_.accept();
  if (line->queue.empty() && hand_over(*topic, *line, ticket, message)) {
    return true;
  }
  line->queue.push(ticket);
  if (line->full && line->is_filling()) {
    next_flush_ns_ = now_ns_;
  }
  if (!line->waiting) {
    line->waiting = true;
    waiting_.push_back({topic, line});
  }
  return true;
}

// True if the message is rejected. False: the topic may have grown before the message came; the
// next poll asks, once for all that has been offered by then.
bool Sink::reject_partition(Topic& topic, const dstream_message& message) {
  topic.count_wanted = taken_messages_ >= topic.counted_for;
  if (topic.count_wanted) {
    return false;
  }
  // Another partition would be another order, and perhaps another reader (I3, I5).
  const std::string text = "Topic " + topic.name + " has " + std::to_string(topic.lines.size()) +
                           " partitions, and no partition " + std::to_string(message.partition) +
                           ". Give it more, or correct the pipeline's partition.";
  deliveries_.rejected(deliveries_.accept(), {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, text});
  metrics_.rejected_messages.add();
  return true;
}

bool Sink::within_limits(const dstream_message& message) {
  if (!limit_.is_on()) {
    return true;
  }
  const uint64_t bytes = bytes_of(message);
  if (!limit_.take(now_ns_, bytes)) {
    limited_since_ns_ = limited_since_ns_ == 0 ? now_ns_ : limited_since_ns_;
    limited_until_ns_ = limit_.ready_at_ns(now_ns_, bytes);
    return false;
  }
  if (limited_since_ns_ != 0) {
    const int64_t since_ns = std::exchange(limited_since_ns_, 0);
    metrics_.limited_seconds.add(static_cast<double>(now_ns_ - since_ns) / 1e9);
  }
  return true;
}

// True if the message is off our hands: with librdkafka, or rejected. False: not now.
bool Sink::hand_over(Topic& topic, Line& line, Ticket ticket, const dstream_message& message) {
  const uint64_t bytes = bytes_of(message);
  const bool room_in_all =
      sent_messages_ == 0 ||
      (sent_bytes_ + bytes <= settings_.in_flight_bytes_max && sent_messages_ < kSentMessagesMax);
  if (!room_in_all) {
    next_flush_ns_ = now_ns_;  // nothing can be added anyway
  }
  if (now_ns_ < throttling_.until_ns() || !room_in_all ||
      (line.sent_messages == 0 && !line.may_begin()) || !line.has_room(bytes, now_ns_, batch_)) {
    return false;
  }
  const rd_kafka_resp_err_t code =
      producer_->produce(topic.handle, line.partition, message, ticket);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    line.sent(bytes, now_ns_, batch_);
    ++sent_messages_;
    sent_bytes_ += bytes;
    if (line.is_filling() && next_flush_ns_ == 0) {
      next_flush_ns_ = now_ns_ + settings_.linger_ms * kMs;
    }
    return true;
  }
  const ErrorClass error_class = classify(code);
  if (error_class == ErrorClass::kReject) {
    // Never sent, never lost (I5): the host stops or keeps it as a dead letter.
    const std::string text = "The message has " + std::to_string(message.value.size) +
                             " bytes of value; message_bytes_max is " +
                             std::to_string(settings_.message_bytes_max) + ".";
    deliveries_.rejected(ticket, {code, describe({code, text})});
    metrics_.rejected_messages.add();
    return true;
  }
  if (error_class != ErrorClass::kFull) {
    fail(code, "Topic " + topic.name + ", partition " + std::to_string(line.partition) + ".");
  }
  return false;
}

// A line that has begun a batch goes behind those that have not: all get their turn.
void Sink::hand_over_waiting() {
  begun_.clear();
  for (size_t count = waiting_.size(); count > 0 && state_ == State::kRunning; --count) {
    const Waiting next = waiting_.front();
    waiting_.pop_front();
    TicketQueue& queue = next.line->queue;
    const bool begins = next.line->sent_messages == 0;
    while (!queue.empty() &&
           hand_over(*next.topic, *next.line, queue.front(), deliveries_.message(queue.front()))) {
      queue.pop();
    }
    next.line->waiting = !queue.empty();
    if (next.line->waiting) {
      if (next.line->full && next.line->is_filling()) {
        next_flush_ns_ = now_ns_;
      }
      (begins && next.line->sent_messages > 0 ? begun_ : waiting_).push_back(next);
    }
    if (begins && next.line->is_filling()) {
      next_flush_ns_ = now_ns_;  // it has waited long enough
    }
  }
  waiting_.insert(waiting_.end(), begun_.begin(), begun_.end());
}

// Sends what has lingered or is full, with `hurry` all there is. True if it did.
bool Sink::flush_filling(bool hurry) {
  if (sent_messages_ == 0) {
    next_flush_ns_ = flush_again_ns_ = 0;
    return false;
  }
  const bool again = flush_again_ns_ != 0 && now_ns_ >= flush_again_ns_;
  if (!again && (next_flush_ns_ == 0 || (!hurry && now_ns_ < next_flush_ns_))) {
    return false;
  }
  next_flush_ns_ = 0;
  bool filling = false;
  for (const auto& topic : topics_) {
    for (Line& line : topic->lines) {
      filling = filling || line.is_filling();
      if (line.sent_messages > 0) {
        line.flush(now_ns_);
      }
    }
  }
  if (!again && !filling) {
    return false;  // what filled became full by its count, and is on its way
  }
  producer_->flush();
  flush_again_after_ns_ =
      again ? std::clamp(flush_again_after_ns_ * 2, kFlushAgainNsMin, kFlushAgainNsMax)
            : kFlushAgainNsMin;
  flush_again_ns_ = now_ns_ + flush_again_after_ns_;
  return true;
}

// A batch is done. If so many others are on their way that some may wait in librdkafka for its
// request (leaders have moved, and a broker has more than it was meant to have),
// the flush that was meant for them is long over: without another they would wait out their linger.
void Sink::send_next_batches() {
  uint32_t on_way = 0;
  for (const auto& topic : topics_) {
    for (const Line& line : topic->lines) {
      if (line.flushed && ++on_way == kRequestsOnWireMax) {
        flush_again_ns_ = now_ns_;
        flush_again_after_ns_ = 0;
        return;
      }
    }
  }
}

// What has come is looked at first, so that one flush sends all that it made room for.
void Sink::serve(int64_t deadline_ns, bool hurry) {
  hand_over_waiting();
  bool served = false;
  for (int events = 0; events < kEventsPerPollMax && state_ == State::kRunning; ++events) {
    if (producer_->serve_one(0)) {
      served = true;
      read_clock();
      hand_over_waiting();
      continue;
    }
    if (flush_filling(hurry)) {
      read_clock();
      continue;
    }
    if (served || now_ns_ >= deadline_ns) {
      break;
    }
    if (limited_until_ns_ != 0 && now_ns_ >= limited_until_ns_) {
      limited_until_ns_ = 0;
      break;  // the host may write again
    }
    int64_t until_ns = deadline_ns;
    for (const int64_t due_ns : {next_flush_ns_, flush_again_ns_, limited_until_ns_,
                                 waiting_.empty() ? 0 : throttling_.until_ns()}) {
      until_ns = due_ns <= now_ns_ ? until_ns : std::min(until_ns, due_ns);
    }
    served = producer_->serve_one(wait_ms(now_ns_, until_ns));
    read_clock();
    hand_over_waiting();
    if (stop.stopped()) {
      break;
    }
  }
  settle_done();
}

void Sink::settle_done() {
  if (settings_.transactional) {
    deliveries_.settle_rejected(host_);
    return;
  }
  if (const uint32_t delivered = deliveries_.settle_done(host_); delivered > 0) {
    metrics_.delivered_messages.add(delivered);
    metrics_.delivered_bytes.add(static_cast<double>(std::exchange(delivered_bytes_, 0)));
  }
}

void Sink::report_in_flight() {
  metrics_.in_flight_messages.set(deliveries_.open_items());
  metrics_.in_flight_bytes.set(static_cast<double>(sent_bytes_));
}

// Said once a minute while it lasts: no setting of ours helps, only more units of throughput.
void Sink::report_throttling() {
  if (const auto percent = throttling_.percent_of_last_minute(now_ns_)) {
    metrics_.throttled_percent.set(*percent);
    status_.throttled_percent(*percent);
    if (*percent > 0) {
      host_.warn("The hub is the limit: it throttled us.", {{"percent_of_time", *percent}});
    }
  }
}

void Sink::make_ready(Topic& topic, const Producer::TopicAnswer& answer) {
  topic.counted_for = offered_messages_;
  topic.lines.resize(static_cast<size_t>(answer.partitions));
  for (int32_t partition = 0; partition < answer.partitions; ++partition) {
    Line& line = topic.lines[static_cast<size_t>(partition)];
    line.partition = partition;
    line.broker_batches = &broker_batches_[answer.leaders[static_cast<size_t>(partition)]];
  }
}

void Sink::ask_for_topics(int64_t deadline_ns) {
  while (Topic* topic = topics_.first_unready()) {
    const int64_t left_ms = (deadline_ns - now_ns_) / kMs;
    const Producer::TopicAnswer answer =
        producer_->ask(topic->handle, static_cast<int>(std::clamp(left_ms, kAskMsMin, kAskMsMax)));
    read_clock();
    const bool being_made = is_being_made(*topic, answer.code);
    if (answer.code == 0 && answer.partitions > 0) {
      connection_works(kAnyBroker);
      make_ready(*topic, answer);
    } else if (answer.code == 0 || being_made || classify(answer.code) == ErrorClass::kConnection) {
      return;  // the next poll asks again
    } else {
      throw_answer(topic->name, answer.code);
    }
  }
}

void Sink::poll(dstream::Millis max_wait) {
  const int64_t patience_ms = stop.stopped() ? kStoppedWaitMs : max_wait.count();
  const int64_t deadline_ns = read_clock() + std::min(patience_ms, max_wait.count()) * kMs;
  if (state_ == State::kBackingOff) {
    resume(deadline_ns);
  }
  if (state_ == State::kRunning) {
    if (denied_) {
      const Topic* topic = topics_.begin() == topics_.end() ? nullptr : topics_.begin()->get();
      if (producer_->ask(topic == nullptr ? nullptr : topic->handle, kAskMsMin).code == 0) {
        connection_works(kAnyBroker);
      }
      read_clock();
    }
    if (!denied_) {
      ask_for_topics(deadline_ns);
      count_wanted();
      look_for_partitions();
    }
    serve(deadline_ns, growing_);
    take_partitions();
  }
  if (state_ == State::kFailing) {
    serve_failing(deadline_ns);
  }
  report_in_flight();
  report_throttling();
  watch_answers();
  throw_pending();
}

bool Sink::flush(dstream::Millis max_wait) {
  const int64_t deadline_ns = read_clock() + max_wait.count() * kMs;
  while (state_ == State::kRunning && deliveries_.open_items() > 0) {
    serve(deadline_ns, true);
    if (now_ns_ >= deadline_ns) {
      break;
    }
  }
  if (state_ == State::kFailing) {
    serve_failing(deadline_ns);
  }
  report_in_flight();
  throw_pending();
  return deliveries_.open_items() == 0;
}

}  // namespace eventhubs
