#include "checkpoint_reader.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace eventhubs {
namespace {

using dstream::Error;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kPartition = 0;
constexpr int kStepMs = 200;
// An open transaction of another pipeline ends by itself within its timeout.
constexpr milliseconds kPatience(kTransactionTimeoutMs + 30'000);
// The newest record of a pipeline that ran lately is near the end; else ever more is read.
constexpr int64_t kFirstStep = 1000;
constexpr int64_t kStepFactor = 8;

class Consumer {
 public:
  Consumer(const Settings& settings, const Scrubber& scrubber, dstream::Host host,
           const char* isolation)
      : scrubber_(scrubber) {
    if (settings.oauth) {
      tokens_ = std::make_unique<TokenKeeper>(*settings.oauth, scrubber, host, nullptr);
    }
    Properties properties = make_connection_properties(settings);
    properties.insert(properties.end(), {{"isolation.level", isolation},
                                         {"enable.partition.eof", "true"},
                                         {"fetch.wait.max.ms", "50"}});
    char reason[512] = "";
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] : properties) {
      if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason) !=
          RD_KAFKA_CONF_OK) {
        rd_kafka_conf_destroy(conf);
        throw Error(DSTREAM_CONFIG, "/" + name + ": " + scrubber_.clean(reason));
      }
    }
    rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
    rd_kafka_conf_set_opaque(conf, this);
    if (tokens_) {
      TokenKeeper::install(conf, [](rd_kafka_t* handle, const char*, void* opaque) {
        static_cast<Consumer*>(opaque)->tokens_->refresh(handle);
      });
    }
    handle_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (handle_ == nullptr) {
      rd_kafka_conf_destroy(conf);
      throw Error(DSTREAM_CONFIG, "/: " + scrubber_.clean(reason));
    }
    if (tokens_) {
      TokenKeeper::start(handle_);
    }
    topic_ = rd_kafka_topic_new(handle_, settings.checkpoint_topic.c_str(), nullptr);
  }
  ~Consumer() {
    if (tokens_) {
      tokens_->cancel();
    }
    if (topic_ != nullptr) {
      rd_kafka_topic_destroy(topic_);
    }
    rd_kafka_destroy(handle_);
  }
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;

  rd_kafka_t* handle() const { return handle_; }
  rd_kafka_topic_t* topic() const { return topic_; }

 private:
  const Scrubber& scrubber_;
  std::unique_ptr<TokenKeeper> tokens_;
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_topic_t* topic_ = nullptr;
};

class Search {
 public:
  Search(const Settings& settings, const Scrubber& scrubber, dstream::Host host,
         const dstream::StopToken& stop)
      : settings_(settings), scrubber_(scrubber), host_(host), stop_(stop) {}

  FoundCheckpoint run(ReadUpTo up_to) {
    find_bounds();
    if (high_ <= low_) {
      return {};
    }
    Consumer consumer(settings_, scrubber_, host_, "read_committed");
    int64_t end = high_;
    int64_t step = kFirstStep;
    bool last_one = true;
    while (end > low_) {
      const int64_t start = std::max(low_, end - step);
      // What is behind the first stretch was decided long ago, or is gone.
      if (auto found = read(consumer, start, end, last_one && up_to == ReadUpTo::kDecided)) {
        return *found;
      }
      last_one = false;
      end = start;
      step *= kStepFactor;
    }
    return {};
  }

 private:
  void check_time() const {
    if (stop_.stopped()) {
      throw Error(DSTREAM_CANCELLED, "Stopped while reading the checkpoint.");
    }
    if (steady_clock::now() >= until_) {
      throw Error(DSTREAM_REOPEN, "The checkpoint cannot be read from topic " +
                                      settings_.checkpoint_topic + ": " + last_trouble_);
    }
  }

  // With isolation, the end would be where the oldest open transaction begins.
  void find_bounds() {
    const Consumer consumer(settings_, scrubber_, host_, "read_uncommitted");
    for (;;) {
      const int code =
          rd_kafka_query_watermark_offsets(consumer.handle(), settings_.checkpoint_topic.c_str(),
                                           kPartition, &low_, &high_, kStepMs);
      if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
      }
      last_trouble_ = rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(code));
      check_time();
    }
  }

  // Of the records in [start, end) the newest with our key.
  std::optional<FoundCheckpoint> read(Consumer& consumer, int64_t start, int64_t end,
                                      bool only_decided) {
    if (rd_kafka_consume_start(consumer.topic(), kPartition, start) != 0) {
      throw Error(DSTREAM_REOPEN, rd_kafka_err2str(rd_kafka_last_error()));
    }
    std::optional<FoundCheckpoint> found;
    try {
      for (bool more = true; more;) {
        more = read_one(consumer, end, only_decided, &found);
      }
    } catch (...) {
      rd_kafka_consume_stop(consumer.topic(), kPartition);
      throw;
    }
    rd_kafka_consume_stop(consumer.topic(), kPartition);
    return found;
  }

  // False at the end.
  bool read_one(Consumer& consumer, int64_t end, bool only_decided,
                std::optional<FoundCheckpoint>* found) {
    rd_kafka_poll(consumer.handle(), 0);
    const std::unique_ptr<rd_kafka_message_t, void (*)(rd_kafka_message_t*)> message(
        rd_kafka_consume(consumer.topic(), kPartition, kStepMs), &destroy);
    if (message == nullptr) {
      last_trouble_ = "a transaction of another pipeline is open there";
      check_time();
      return true;
    }
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      return !only_decided && message->offset < end;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      last_trouble_ = scrubber_.clean(rd_kafka_message_errstr(message.get()));
      check_time();
      return true;
    }
    if (message->offset >= end) {
      return false;
    }
    const std::string_view key(static_cast<const char*>(message->key), message->key_len);
    if (key == settings_.transactional_id) {
      // A tombstone is an operator's word that the pipeline starts anew.
      found->emplace(FoundCheckpoint{
          std::string(static_cast<const char*>(message->payload), message->len), message->offset});
    }
    return message->offset + 1 < end;
  }

  static void destroy(rd_kafka_message_t* message) {
    if (message != nullptr) {
      rd_kafka_message_destroy(message);
    }
  }

  const Settings& settings_;
  const Scrubber& scrubber_;
  dstream::Host host_;
  const dstream::StopToken& stop_;
  const steady_clock::time_point until_ = steady_clock::now() + kPatience;
  int64_t low_ = 0;
  int64_t high_ = 0;
  std::string last_trouble_ = "no answer";
};

}  // namespace

FoundCheckpoint read_checkpoint(const Settings& settings, const Scrubber& scrubber,
                                dstream::Host host, ReadUpTo up_to,
                                const dstream::StopToken& stop) {
  return Search(settings, scrubber, host, stop).run(up_to);
}

}  // namespace eventhubs
