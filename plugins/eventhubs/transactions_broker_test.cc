// Transactions against a real broker: the mock brokers neither fence nor hide what was aborted.
#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <chrono>
#include <functional>
#include <memory>

#include "broker_fixture.h"
#include "dstream/ext/draft/testing.hpp"
#include "tests/standins/kafka/kafka_client.h"

namespace eventhubs {
namespace {

using dstream::Millis;
using dstream::standin::KafkaBroker;
using dstream::standin::read_all;
using dstream::testing::CallFailed;
using dstream::testing::FakeHost;
using dstream::testing::Messages;
using dstream::testing::SinkDriver;
using dstream::testing::Transactions;
using std::chrono::steady_clock;

// One sink with transactions, as a host has it.
class Writer {
 public:
  Writer(const std::string& config, const char* pipeline)
      : host_(config),
        sink_(*dstream::testing::find_connector(dstream_plugin_v1, "eventhubs"), host_),
        transactions_(sink_, pipeline) {}

  std::string open() {
    EXPECT_EQ(sink_.open(), DSTREAM_OK);
    return transactions_.committed();
  }
  void close() { sink_.close(); }
  void begin() { transactions_.begin(); }
  void write(const std::string& topic, int first, int count, size_t value_bytes = 20) {
    deliveries_.push_back(std::make_unique<Messages>(++next_));
    Messages& delivery = *deliveries_.back();
    for (int i = first; i < first + count; ++i) {
      delivery.add(topic, "k" + std::to_string(i % 7),
                   std::to_string(i) + std::string(value_bytes, ' '));
    }
    uint32_t taken = 0;
    until([&] {
      taken += taken < static_cast<uint32_t>(count) ? sink_.write(delivery, taken) : 0;
      sink_.poll(Millis(5));
      return taken == static_cast<uint32_t>(count);
    });
  }
  void commit(const std::string& checkpoint) {
    until([&] { return transactions_.commit(checkpoint, Millis(50)) == DSTREAM_OK; });
  }
  // Until as many messages are in the topic, committed or not.
  void deliver(const std::string& brokers, const std::string& topic, size_t count) {
    until([&] {
      sink_.poll(Millis(20));
      return read_all(brokers, topic, {{"isolation.level", "read_uncommitted"}}).size() >= count;
    });
  }
  FakeHost& host() { return host_; }
  size_t settled_ok() const {
    size_t out = 0;
    for (const auto& settle : host_.settles()) {
      out += settle.result == DSTREAM_OK ? settle.count : 0;
    }
    return out;
  }

 private:
  static void until(const std::function<bool()>& done) {
    const auto deadline = steady_clock::now() + std::chrono::seconds(30);
    while (!done()) {
      ASSERT_LT(steady_clock::now(), deadline) << "it takes too long";
    }
  }

  FakeHost host_;
  SinkDriver sink_;
  Transactions transactions_;
  std::vector<std::unique_ptr<Messages>> deliveries_;
  uint64_t next_ = 0;
};

class TransactionsBroker : public WithBroker {
 protected:
  static void SetUpTestSuite() {
    KafkaBroker::Options options;
    options.properties = {
        "transaction.abort.timed.out.transaction.cleanup.interval.ms=200",
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found=true", "super.users=User:ANONYMOUS"};
    start_broker(options);
  }
  // A commit is confirmed before it is seen.
  static size_t wait_committed(const std::string& topic, size_t count) {
    const auto deadline = steady_clock::now() + std::chrono::seconds(20);
    while (committed_in(topic) < count && steady_clock::now() < deadline) {
    }
    return committed_in(topic);
  }
  static size_t committed_in(const std::string& topic) {
    return read_all(broker_->plaintext(), topic, {{"isolation.level", "read_committed"}}).size();
  }
  template <class Call>
  static std::string message_of(Call&& call) {
    try {
      call();
    } catch (const CallFailed& failed) {
      return std::to_string(failed.status) + " " + failed.what();
    }
    return "";
  }
};

TEST_F(TransactionsBroker, SaysThatTheTransactionalIdIsNotAllowed) {
  const std::vector<std::string> rule = {"--bootstrap-server",
                                         broker_->plaintext(),
                                         "--deny-principal",
                                         "User:$ConnectionString",
                                         "--transactional-id",
                                         "dstream.forbidden",
                                         "--operation",
                                         "All",
                                         "--force"};
  std::vector<std::string> add = rule;
  add.insert(add.begin(), "--add");
  broker_->run_tool("org.apache.kafka.tools.AclCommand", add);
  broker_->create_topic("forbidden", 1);
  dstream::testing::FakeHost host(config(R"(,"connect_timeout":"3s")"));
  SinkDriver sink(*dstream::testing::find_connector(dstream_plugin_v1, "eventhubs"), host);
  Transactions transactions(sink, "forbidden");
  const auto start = steady_clock::now();
  const std::string said = message_of([&] {
    sink.open();
    transactions.committed();
  });
  EXPECT_NE(said.find(std::to_string(DSTREAM_DENIED) + " "), std::string::npos) << said;
  EXPECT_NE(said.find("Transactional id dstream.forbidden"), std::string::npos) << said;
  EXPECT_NE(said.find("right to write under it"), std::string::npos) << said;
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(30));

  Writer other(config(), "allowed");
  EXPECT_EQ(other.open(), "") << "another id is";
}

TEST_F(TransactionsBroker, MessagesAndCheckpointComeTogether) {
  broker_->create_topic("together", 3);
  {
    Writer writer(config(), "together");
    EXPECT_EQ(writer.open(), "");
    for (int i = 0; i < 5; ++i) {
      writer.begin();
      writer.write("together", i * 100, 100);
      EXPECT_EQ(writer.settled_ok(), static_cast<size_t>(i) * 100);
      writer.commit("checkpoint " + std::to_string(i));
      EXPECT_EQ(writer.settled_ok(), static_cast<size_t>(i + 1) * 100);
    }
    writer.begin();
    writer.commit("a watermark alone");
  }
  EXPECT_EQ(wait_committed("together", 500), 500u);
  Writer again(config(), "together");
  EXPECT_EQ(again.open(), "a watermark alone");
  Writer other(config(), "another");
  EXPECT_EQ(other.open(), "") << "the key is the pipeline's";
}

TEST_F(TransactionsBroker, WhatIsNotCommittedIsNeverSeen) {
  broker_->create_topic("aborted", 3);
  Writer writer(config(), "aborted");
  writer.open();
  writer.begin();
  writer.write("aborted", 0, 300);
  writer.commit("first");
  writer.begin();
  writer.write("aborted", 300, 300);
  writer.deliver(broker_->plaintext(), "aborted", 600);
  writer.close();
  EXPECT_EQ(wait_committed("aborted", 300), 300u) << "aborted at once: nothing holds a reader up";
  EXPECT_EQ(writer.open(), "first");
  writer.begin();
  writer.write("aborted", 300, 10);
  writer.commit("second");
  EXPECT_EQ(wait_committed("aborted", 310), 310u);
}

TEST_F(TransactionsBroker, ASecondHostEndsTheFirst) {
  broker_->create_topic("fenced", 3);
  Writer first(config(), "fenced");
  first.open();
  first.begin();
  first.write("fenced", 0, 100);
  first.deliver(broker_->plaintext(), "fenced", 100);
  Writer second(config(), "fenced");
  EXPECT_EQ(second.open(), "");
  second.begin();
  second.write("fenced", 0, 100);
  second.commit("by the second");
  const std::string said = message_of([&] { first.commit("by the first"); });
  EXPECT_NE(said.find("Another host runs this pipeline"), std::string::npos) << said;
  EXPECT_EQ(said.substr(0, said.find(' ')), std::to_string(DSTREAM_FATAL));
  second.begin();
  second.write("fenced", 100, 100);
  second.commit("by the second again");
  EXPECT_EQ(wait_committed("fenced", 200), 200u);
}

// It comes back after a failure of its own: it must not take the pipeline from the other again.
TEST_F(TransactionsBroker, AHostThatLostThePipelineDoesNotTakeItBack) {
  broker_->create_topic("lost", 1);
  Writer first(config(), "lost");
  first.open();
  first.begin();
  first.write("lost", 0, 10);
  first.commit("by the first");
  first.close();
  Writer second(config(), "lost");
  EXPECT_EQ(second.open(), "by the first");
  second.begin();
  second.write("lost", 10, 10);
  second.commit("by the second");
  const std::string said = message_of([&] { first.open(); });
  EXPECT_NE(said.find("Another host runs this pipeline"), std::string::npos) << said;
  second.begin();
  second.write("lost", 20, 10);
  second.commit("by the second again");
  EXPECT_EQ(wait_committed("lost", 30), 30u);
}

// A producer that writes to the topic of checkpoints and then says nothing more: the broker gives
// its transaction up after two seconds.
class SilentProducer {
 public:
  explicit SilentProducer(const std::string& brokers) {
    char reason[512];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    for (const auto& [name, value] :
         {std::pair<const char*, std::string>{"bootstrap.servers", brokers},
          {"transactional.id", "silent"},
          {"transaction.timeout.ms", "2000"}}) {
      rd_kafka_conf_set(conf, name, value.c_str(), reason, sizeof reason);
    }
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    EXPECT_EQ(rd_kafka_init_transactions(handle_, 30'000), nullptr);
    EXPECT_EQ(rd_kafka_begin_transaction(handle_), nullptr);
    EXPECT_EQ(
        rd_kafka_producev(handle_, RD_KAFKA_VTYPE_TOPIC, "dstream-checkpoints",
                          RD_KAFKA_VTYPE_PARTITION, 0, RD_KAFKA_VTYPE_KEY, "silent", size_t{6},
                          RD_KAFKA_VTYPE_VALUE, "open", size_t{4}, RD_KAFKA_VTYPE_END),
        RD_KAFKA_RESP_ERR_NO_ERROR);
    EXPECT_EQ(rd_kafka_flush(handle_, 30'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  ~SilentProducer() { rd_kafka_destroy(handle_); }
  SilentProducer(const SilentProducer&) = delete;
  SilentProducer& operator=(const SilentProducer&) = delete;

 private:
  rd_kafka_t* handle_ = nullptr;
};

// As many checkpoints of another pipeline.
void write_others(const std::string& brokers, const char* topic, int count) {
  char reason[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  rd_kafka_conf_set(conf, "bootstrap.servers", brokers.c_str(), reason, sizeof reason);
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(rd_kafka_producev(handle, RD_KAFKA_VTYPE_TOPIC, topic, RD_KAFKA_VTYPE_PARTITION, 0,
                                RD_KAFKA_VTYPE_KEY, "busy", size_t{4}, RD_KAFKA_VTYPE_VALUE,
                                static_cast<void*>(&i), sizeof i, RD_KAFKA_VTYPE_MSGFLAGS,
                                RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_END),
              RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  EXPECT_EQ(rd_kafka_flush(handle, 30'000), RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_destroy(handle);
}

// The checkpoint lies behind another pipeline's open transaction, which hides it from a reader that
// stops at the last stable offset.
TEST_F(TransactionsBroker, WaitsForTheOpenTransactionOfAnotherPipeline) {
  Writer mine(config(), "mine");
  mine.open();
  const SilentProducer silent(broker_->plaintext());
  mine.begin();
  mine.commit("mine");
  mine.close();
  Writer again(config(), "mine");
  EXPECT_EQ(again.open(), "mine");
}

TEST_F(TransactionsBroker, FindsACheckpointFarBehindThoseOfOthers) {
  broker_->create_topic("far", 1);
  const std::string own = R"(,"checkpoint_topic":"far-checkpoints")";
  {
    Writer quiet(config(own), "quiet");
    quiet.open();
    quiet.begin();
    quiet.commit("long ago");
  }
  write_others(broker_->plaintext(), "far-checkpoints", 20'000);
  Writer quiet(config(own), "quiet");
  EXPECT_EQ(quiet.open(), "long ago");
}

TEST_F(TransactionsBroker, ATopicThatForgetsIsRefused) {
  broker_->create_topic("forgetful", 1);
  Writer writer(config(R"(,"checkpoint_topic":"forgetful")"), "any");
  const std::string said = message_of([&] { writer.open(); });
  EXPECT_NE(said.find("cleanup.policy=delete"), std::string::npos) << said;
  EXPECT_EQ(said.substr(0, said.find(' ')), std::to_string(DSTREAM_CONFIG));
}

TEST_F(TransactionsBroker, ATooLargeMessageIsLeftOutAndTheRestCommitted) {
  broker_->create_topic("rejects", 1);
  Writer writer(config(R"(,"message_bytes_max":"2KiB","batch_bytes":"2KiB")"), "rejects");
  writer.open();
  writer.begin();
  writer.write("rejects", 0, 10);
  writer.write("rejects", 10, 1, 5000);
  writer.write("rejects", 11, 10);
  writer.deliver(broker_->plaintext(), "rejects", 20);
  size_t rejected = 0;
  for (const auto& settle : writer.host().settles()) {
    rejected += settle.result == DSTREAM_REJECTED ? settle.count : 0;
  }
  EXPECT_EQ(rejected, 1u) << "settled before the commit";
  writer.commit("without it");
  EXPECT_EQ(writer.settled_ok(), 20u);
  EXPECT_EQ(wait_committed("rejects", 20), 20u);
}

TEST_F(TransactionsBroker, GoesOnAfterTheBrokerWasKilled) {
  broker_->create_topic("killed-in-transaction", 3);
  Writer writer(config(), "killed");
  writer.open();
  writer.begin();
  writer.write("killed-in-transaction", 0, 500);
  broker_->kill9();
  broker_->restart();
  writer.commit("over a restart");
  EXPECT_EQ(wait_committed("killed-in-transaction", 500), 500u);
}

}  // namespace
}  // namespace eventhubs
