// The sink: takes messages, keeps the order of each partition over every failure, settles.
//
// Design note 003 tells how. In short: a message is accepted, waits in the line of its partition,
// is handed to librdkafka, and is settled after its delivery report. When any message fails,
// nothing behind it is sent any more; what was delivered is settled OK, all else RETRY, and a new
// producer takes over after a back-off (I3, I5).
//
// Thread rule: [worker], but stop.request() and status_json() [any-thread].
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "answer_watch.h"
#include "backoff.h"
#include "deliveries.h"
#include "metrics.h"
#include "producer.h"
#include "rate_limit.h"
#include "settings.h"
#include "sink_status.h"
#include "throttling.h"
#include "topics.h"

namespace eventhubs {

class Sink final : private ProducerListener {
 public:
  dstream::StopToken stop;

  // Throws dstream::Error (CONFIG). No I/O.
  Sink(dstream::Host host, std::string_view config);
  ~Sink() override;

  // Connects and looks for the topic, if there is one for everything. Throws dstream::Error:
  // DENIED, CONFIG (no such topic, a property, a file), REOPEN (nobody answers), CANCELLED.
  void open();
  // Takes what there is room for. 0 while it recovers from a failure.
  uint32_t write(const dstream::Delivery& delivery, uint32_t first);
  // Serves reports, settles, hands over what waits. Throws dstream::Error: DENIED until the broker
  // lets us in again, CONFIG if a message failed for a reason that only a changed file removes.
  void poll(dstream::Millis max_wait);
  // Sends partial batches, too. True if nothing is unsettled.
  bool flush(dstream::Millis max_wait);
  void close();

  // dstream.transactions/1; see dstream/ext/draft/transactions.h.
  void use_transactions(std::string_view pipeline);
  std::string committed_checkpoint();
  // Throws dstream::Error: REOPEN, FATAL if another host runs the pipeline.
  void begin_transaction();
  // False: not everything is with the broker yet, or its answer is not there.
  bool commit_transaction(std::string_view checkpoint, dstream::Millis max_wait);
  // Replaces the settings. Throws as the constructor, and has then changed nothing. REQUIRES: not
  // open.
  void reconfigure(std::string_view config);
  uint64_t message_bytes_max() const { return settings_.message_bytes_max; }
  // For `dstream status`; see sink_status.h. [any-thread]
  std::string status_json() const;
  // For `dstream doctor`; see checks.h. REQUIRES: not open.
  void check(dstream::Checks& checks);

 private:
  enum class State {
    kClosed,
    kRunning,
    kFailing,    // a message failed: waits for the reports of the others
    kBackingOff  // all is settled; a new producer comes at resume_ns_
  };
  struct Failure {
    int code = 0;
    std::string text;
  };
  static constexpr int kAnyBroker = -1;  // a broker whose number is not known
  struct Waiting {
    Topic* topic;
    Line* line;
  };
  struct Transaction {
    rd_kafka_topic_t* topic = nullptr;  // of the checkpoints; the producer's
    bool open = false;
    int64_t begun_ns = 0;
    bool checkpoint_sent = false;
    bool checkpoint_delivered = false;
    bool committing = false;  // a commit was asked for, and its answer has not come
  };

  // sink.cc
  void start_producer();
  void settle_done();
  void report_in_flight();
  void stop_producer();
  void wait_for_cluster();
  bool accept(const dstream_message& message);
  bool reject_partition(Topic& topic, const dstream_message& message);
  bool hand_over(Topic& topic, Line& line, Ticket ticket, const dstream_message& message);
  void hand_over_waiting();
  void serve(int64_t deadline_ns, bool hurry);
  bool flush_filling(bool hurry);
  void send_next_batches();
  bool within_limits(const dstream_message& message);
  void report_throttling();
  void ask_for_topics(int64_t deadline_ns);
  void make_ready(Topic& topic, const Producer::TopicAnswer& answer);
  int64_t read_clock();

  // sink_topics.cc
  bool is_being_made(Topic& topic, int code);
  void create_missing(Topic& topic);
  void note_growth(Topic& topic, int32_t partitions);
  void count_wanted();
  void look_for_partitions();
  void take_partitions();

  // sink_transactions.cc
  void open_transactions();
  void find_coordinator();
  void make_checkpoint_topic();
  void check_checkpoint_topic();
  bool send_checkpoint(std::string_view checkpoint);
  void on_checkpoint_report(const rd_kafka_message_t& message);
  bool is_transaction_delivered() const;
  void fail_transaction(rd_kafka_error_t* error, const char* doing);
  bool is_fenced() const;
  void abort_transaction();
  void throw_ended_session() const;

  // sink_watch.cc
  void on_statistics(uint64_t failed_sends) override;
  void watch_answers();
  std::string why_late(const Topic& topic, int32_t partition);

  // sink_failure.cc
  void on_report(const rd_kafka_message_t& message) override;
  void on_error(int code, const std::string& text, bool fatal) override;
  void on_throttle(int milliseconds) override;
  std::string too_large_for_event_hubs(int code) const;
  void fail(int code, const std::string& text);
  void serve_failing(int64_t deadline_ns);
  void finish_failing();
  void settle_refused(Topic& topic, Line& line);
  uint32_t delay_after_failure();
  void resume(int64_t deadline_ns);
  void lost_connection(const Failure& failure);
  void connection_works(int broker);
  void throw_pending() const;
  std::string describe(const Failure& failure) const;
  [[noreturn]] void throw_answer(const std::string& topic, int code) const;

  dstream::Host host_;
  Settings settings_;
  Scrubber scrubber_;
  Metrics metrics_;
  SinkStatus status_;
  Backoff backoff_;
  Topics topics_;
  Deliveries deliveries_;
  BatchLimits batch_;  // smaller than the settings' after a batch was refused
  std::unique_ptr<Producer> producer_;

  State state_ = State::kClosed;
  int64_t now_ns_ = 0;       // read once a call and after each wait
  uint64_t sent_bytes_ = 0;  // with librdkafka
  uint32_t sent_messages_ = 0;
  // With librdkafka, by broker; the addresses of the counts stay. What is known of leaders may be
  // old, which costs speed and nothing else.
  std::map<int32_t, uint32_t> broker_batches_;
  int64_t next_flush_ns_ = 0;   // a line fills, and has lingered by then; 0: none fills
  int64_t flush_again_ns_ = 0;  // unless all is reported by then; 0: nothing was flushed
  int64_t flush_again_after_ns_ = 0;
  std::deque<Waiting> waiting_;
  std::deque<Waiting> begun_;  // of one call
  RateLimit limit_;
  int64_t limited_since_ns_ = 0;  // a message waits for a limit; 0: none does
  int64_t limited_until_ns_ = 0;  // then the host is to write again; 0: whenever it likes
  Throttling throttling_;
  AnswerWatch answers_;
  uint64_t failed_sends_ = 0;  // of this producer
  bool resending_ = false;     // there were more in the last statistics

  std::optional<Failure> failure_;  // why the state is kFailing
  int64_t failing_until_ns_ = 0;    // then what has no report is purged
  bool purged_ = false;
  int64_t resume_ns_ = 0;
  int64_t producer_since_ns_ = 0;
  uint32_t last_delay_ms_ = 0;

  int64_t partition_check_at_ns_ = 0;
  uint64_t taken_messages_ = 0;    // by all sessions
  uint64_t offered_messages_ = 0;  // those, and the rest of the delivery at hand
  bool growing_ = false;  // a topic has more partitions: nothing is accepted until all is delivered

  bool opening_ = false;
  std::optional<Failure> trouble_;        // a connection does not work
  std::map<int, int64_t> away_;           // brokers without one, and when each last failed
  std::optional<Failure> denied_;         // until something works again
  std::optional<Failure> misconfigured_;  // until close()
  uint64_t delivered_bytes_ = 0;          // since the last poll

  Transaction transaction_;
  // What outlives a session: where our newest checkpoint stands, committed or not. One behind it is
  // another host's. -1: not known.
  int64_t checkpoint_offset_ = -1;
  std::optional<Failure> ended_;  // why the session of transactions is over
  bool fenced_ = false;           // because another host has begun one
};

}  // namespace eventhubs
