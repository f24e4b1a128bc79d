// The sink under `delivery: exactly_once`: messages and the pipeline's checkpoint in one
// transaction of Kafka. Design note 007 tells why it is so.
#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include "checkpoint_reader.h"
#include "coordinator_probe.h"
#include "error_class.h"
#include "sink.h"
#include "topic_admin.h"

namespace eventhubs {
namespace {

using dstream::Error;

constexpr int64_t kMs = 1'000'000;  // nanoseconds
constexpr int kInitStepMs = 300;
constexpr int kAdminWaitMs = 5'000;
constexpr int kAbortMs = 2'000;
constexpr int kServeMs = 20;
constexpr int64_t kPurgeNs = 500 * kMs;
// The client's threads may sleep through the millisecond of a flush.
constexpr int64_t kFlushEveryNs = 20 * kMs;
constexpr dstream::Millis kProbeWait(3'000);
constexpr int32_t kCheckpointPartition = 0;
// Of the room for a whole batch, so that a log of checkpoints stays short.
constexpr const char* kSegmentBytes = "16777216";

using OwnedError = std::unique_ptr<rd_kafka_error_t, void (*)(rd_kafka_error_t*)>;

OwnedError own(rd_kafka_error_t* error) {
  return {error, [](rd_kafka_error_t* each) {
            if (each != nullptr) {
              rd_kafka_error_destroy(each);
            }
          }};
}

bool says_fenced(int code) {
  return code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
         code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

bool says_denied(int code) {
  return code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
         classify(code) == ErrorClass::kDenied;
}

}  // namespace

void Sink::use_transactions(std::string_view pipeline) {
  settings_.transactional = true;
  if (settings_.transactional_id.empty()) {
    settings_.transactional_id = "dstream." + std::string(pipeline);
  }
  check_properties(settings_, scrubber_);
}

// ---- a session ---------------------------------------------------------------------------------

// Ends the session of whoever was here before, and what it had begun.
void Sink::open_transactions() {
  if (checkpoint_offset_ >= 0) {
    // Not to take the pipeline from a host that has taken it from us.
    const FoundCheckpoint found =
        read_checkpoint(settings_, scrubber_, host_, ReadUpTo::kDecided, stop);
    if (found.offset > checkpoint_offset_) {
      fenced_ = true;
      ended_ = Failure{RD_KAFKA_RESP_ERR__FENCED, "It has committed a checkpoint."};
      throw_ended_session();
    }
  }
  // Before anything is made: a cluster without transactions is to be left as it was.
  find_coordinator();
  make_checkpoint_topic();
}

void Sink::find_coordinator() {
  const int64_t deadline_ns = now_ns_ + settings_.connect_timeout_ms * kMs;
  for (;;) {
    const OwnedError error = own(rd_kafka_init_transactions(producer_->handle(), kInitStepMs));
    while (producer_->serve_one(0)) {
    }
    read_clock();
    if (error == nullptr) {
      return;
    }
    throw_pending();
    const int code = rd_kafka_error_code(error.get());
    const std::string text = scrubber_.clean(rd_kafka_error_string(error.get()));
    if (says_denied(code)) {
      throw Error(DSTREAM_DENIED,
                  "Transactional id " + settings_.transactional_id + ": " + text +
                      ". Give the user the right to write under it.",
                  code);
    }
    if (rd_kafka_error_is_retriable(error.get()) == 0) {
      throw Error(classify(code) == ErrorClass::kConfig ? DSTREAM_CONFIG : DSTREAM_REOPEN,
                  "No transactions under " + settings_.transactional_id + ": " + text, code);
    }
    if (stop.stopped()) {
      throw Error(DSTREAM_CANCELLED, "Stopped while connecting.");
    }
    if (now_ns_ >= deadline_ns) {
      const CoordinatorAnswer answer = probe_coordinator(settings_, scrubber_, host_, kProbeWait);
      if (answer.refused) {
        throw Error(DSTREAM_CONFIG, describe_refusal(settings_, answer), code);
      }
      throw Error(
          DSTREAM_REOPEN,
          "No coordinator for transactions yet: " + (answer.text.empty() ? text : answer.text),
          code);
    }
  }
}

void Sink::make_checkpoint_topic() {
  TopicConfig config = {{"cleanup.policy", "compact"}};
  if (!settings_.event_hubs) {
    config["segment.bytes"] = kSegmentBytes;
  }
  std::string reason;
  if (settings_.auto_create_topics) {
    // Before anything names it: the broker would make it, and not compacted. Whether it is there is
    // seen below.
    create_topic(producer_->handle(), settings_.checkpoint_topic, 1, -1, config, kAdminWaitMs,
                 &reason);
  }
  transaction_.topic = producer_->open_topic(settings_.checkpoint_topic, nullptr);
  const Producer::TopicAnswer answer = producer_->ask(transaction_.topic, kAdminWaitMs);
  if (answer.code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
    const int code = create_topic(producer_->handle(), settings_.checkpoint_topic, 1, -1, config,
                                  kAdminWaitMs, &reason);
    if (code != 0 && classify(code) == ErrorClass::kConnection) {
      throw Error(DSTREAM_REOPEN, scrubber_.clean(reason), code);
    }
    if (code != 0) {
      throw Error(DSTREAM_CONFIG,
                  "/checkpoint_topic: Topic " + settings_.checkpoint_topic +
                      " is not there and cannot be made (" + scrubber_.clean(reason) +
                      "). Make it with cleanup.policy=compact and one partition.",
                  code);
    }
    host_.info("Made the topic that keeps checkpoints.", {{"topic", settings_.checkpoint_topic}});
  } else if (answer.code != 0) {
    throw_answer(settings_.checkpoint_topic, answer.code);
  }
  check_checkpoint_topic();
  read_clock();
}

// A topic that deletes old records would one day forget where a quiet pipeline is.
void Sink::check_checkpoint_topic() {
  std::string reason;
  const auto config =
      describe_topic(producer_->handle(), settings_.checkpoint_topic, kAdminWaitMs, &reason);
  if (!config || config->count("cleanup.policy") == 0) {
    host_.warn("The broker does not tell whether the topic of checkpoints is compacted.",
               {{"topic", settings_.checkpoint_topic}, {"reason", scrubber_.clean(reason)}});
  } else if (config->at("cleanup.policy") != "compact") {
    throw Error(DSTREAM_CONFIG, "/checkpoint_topic: Topic " + settings_.checkpoint_topic +
                                    " has cleanup.policy=" + config->at("cleanup.policy") +
                                    " and would forget positions. Set it to compact.");
  }
}

std::string Sink::committed_checkpoint() {
  FoundCheckpoint found = read_checkpoint(settings_, scrubber_, host_, ReadUpTo::kEverything, stop);
  checkpoint_offset_ = found.offset;
  read_clock();
  return std::move(found.value);
}

// ---- a transaction -----------------------------------------------------------------------------

void Sink::begin_transaction() {
  read_clock();
  throw_pending();
  const OwnedError error = own(rd_kafka_begin_transaction(producer_->handle()));
  if (error != nullptr) {
    fail_transaction(error.get(), "begin");
  }
  transaction_.open = true;
  transaction_.begun_ns = now_ns_;
  transaction_.checkpoint_sent = transaction_.checkpoint_delivered = false;
  transaction_.committing = false;
}

bool Sink::commit_transaction(std::string_view checkpoint, dstream::Millis max_wait) {
  const int64_t deadline_ns = read_clock() + max_wait.count() * kMs;
  if (state_ == State::kRunning && !transaction_.checkpoint_sent) {
    transaction_.checkpoint_sent = send_checkpoint(checkpoint);
  }
  const uint32_t open_before = deliveries_.open_items();
  for (bool first = true; state_ == State::kRunning && !is_transaction_delivered() &&
                          (first || now_ns_ < deadline_ns) && !stop.stopped();
       first = false) {
    serve(std::min(deadline_ns, now_ns_ + kFlushEveryNs), true);
    if (!transaction_.checkpoint_delivered) {
      producer_->flush();
      read_clock();
    }
  }
  if (state_ == State::kFailing) {
    serve_failing(deadline_ns);
  }
  report_in_flight();
  throw_pending();
  // What was rejected is kept elsewhere first.
  if (state_ != State::kRunning || !is_transaction_delivered() ||
      deliveries_.open_items() != open_before) {
    return false;
  }
  transaction_.committing = true;
  const int64_t left_ms = (deadline_ns - read_clock() + kMs - 1) / kMs;
  const OwnedError error = own(rd_kafka_commit_transaction(
      producer_->handle(), static_cast<int>(std::max<int64_t>(left_ms, 1))));
  read_clock();
  if (error != nullptr && rd_kafka_error_is_retriable(error.get()) != 0) {
    return false;  // the same call goes on where this one left off
  }
  if (error != nullptr) {
    fail_transaction(error.get(), "commit");
  }
  transaction_.open = false;
  metrics_.delivered_messages.add(deliveries_.settle_done(host_));
  metrics_.delivered_bytes.add(static_cast<double>(std::exchange(delivered_bytes_, 0)));
  report_in_flight();
  return true;
}

bool Sink::send_checkpoint(std::string_view checkpoint) {
  const rd_kafka_resp_err_t code = rd_kafka_producev(
      producer_->handle(), RD_KAFKA_VTYPE_RKT, transaction_.topic, RD_KAFKA_VTYPE_PARTITION,
      kCheckpointPartition, RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_VALUE,
      static_cast<void*>(const_cast<char*>(checkpoint.data())), checkpoint.size(),
      RD_KAFKA_VTYPE_KEY, static_cast<const void*>(settings_.transactional_id.data()),
      settings_.transactional_id.size(), RD_KAFKA_VTYPE_END);
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
    producer_->flush();
    return true;
  }
  if (classify(code) != ErrorClass::kFull) {
    fail(code, "Topic " + settings_.checkpoint_topic + ".");
  }
  return false;
}

void Sink::on_checkpoint_report(const rd_kafka_message_t& message) {
  transaction_.checkpoint_delivered = message.err == RD_KAFKA_RESP_ERR_NO_ERROR;
  // A report without an offset leaves it open whose the newest one is.
  checkpoint_offset_ = message.offset;
  if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    fail(message.err, "Topic " + settings_.checkpoint_topic + ".");
  }
}

bool Sink::is_transaction_delivered() const {
  return sent_messages_ == 0 && waiting_.empty() && transaction_.checkpoint_delivered;
}

// ---- its end -----------------------------------------------------------------------------------

// The session is over: what was written in the transaction is written again in the next one.
void Sink::fail_transaction(rd_kafka_error_t* error, const char* doing) {
  const int code = rd_kafka_error_code(error);
  fenced_ = says_fenced(code) || is_fenced();
  ended_ = Failure{code, std::string("Transaction (") + doing +
                             "): " + scrubber_.clean(rd_kafka_error_string(error))};
  state_ = State::kBackingOff;
  throw_ended_session();
}

// Another producer has our id. A broker that gave the transaction up for its age says the same;
// then the next session sees by the checkpoint whether there is another host.
bool Sink::is_fenced() const {
  char text[512] = "";
  const bool fenced = (failure_ && says_fenced(failure_->code)) ||
                      (producer_ != nullptr &&
                       says_fenced(rd_kafka_fatal_error(producer_->handle(), text, sizeof text)));
  const int64_t age_ns = now_ns_ - transaction_.begun_ns;
  return fenced && (!transaction_.open || age_ns < kTransactionTimeoutMs * kMs * 9 / 10);
}

// So that readers need not wait for the broker to give it up. If it cannot be done in time, the
// next session does it.
void Sink::abort_transaction() {
  read_clock();
  transaction_.open = false;
  char text[512] = "";
  if (rd_kafka_fatal_error(producer_->handle(), text, sizeof text) != RD_KAFKA_RESP_ERR_NO_ERROR ||
      transaction_.committing) {
    return;  // a commit may be under way: its fate is for the next session to see
  }
  producer_->purge();
  const int64_t until_ns = now_ns_ + kPurgeNs;
  while (rd_kafka_outq_len(producer_->handle()) > 0 && read_clock() < until_ns) {
    producer_->serve_one(kServeMs);
  }
  own(rd_kafka_abort_transaction(producer_->handle(), kAbortMs));
}

void Sink::throw_ended_session() const {
  if (fenced_) {
    throw Error(DSTREAM_FATAL,
                "Another host runs this pipeline: the transactional id " +
                    settings_.transactional_id +
                    " is taken. Stop one of the two, or set "
                    "transactional_id if they are different pipelines. " +
                    describe(*ended_),
                ended_->code);
  }
  if (ended_) {
    throw Error(DSTREAM_REOPEN, describe(*ended_), ended_->code);
  }
}

}  // namespace eventhubs
