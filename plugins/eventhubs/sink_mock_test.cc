// The sink against librdkafka's mock brokers: everything that needs a broker which fails on demand.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "sink_driver.h"
#include "stream_check.h"
#include "tests/standins/kafka/kafka_client.h"
#include "tests/standins/kafka/mock_kafka.h"

namespace eventhubs {
namespace {

using dstream::standin::KafkaRecord;
using dstream::standin::KafkaRequest;
using dstream::standin::MockKafka;
using dstream::standin::read_all;
using std::chrono::steady_clock;

// Small batches, so that a few thousand messages are many requests.
std::string config_for(const std::string& brokers, const std::string& more = "") {
  return R"({"brokers":")" + brokers +
         R"(","linger":"2ms","batch_bytes":"4KiB","backoff_min":"5ms","backoff_max":"50ms",)"
         R"("connect_timeout":"5s","librdkafka":{"retry.backoff.ms":10,"reconnect.backoff.ms":10,)"
         R"("reconnect.backoff.max.ms":50})" +
         more + "}";
}

int64_t ms_since(steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start).count();
}

TEST(SinkMock, DeliversWhatAMessageIs) {
  MockKafka mock;
  mock.create_topic("orders", 1);
  SinkDriver driver(config_for(mock.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  const std::string nul("a\0b", 3);
  driver.add({.key = nul,
              .value = nul,
              .headers = {{"kind", nul}, {"none", std::nullopt}},
              .timestamp_ns = 1'700'000'000'123'456'789});
  driver.add({.key = "deleted", .value = std::nullopt});
  driver.add({.key = "", .value = ""});
  driver.add({.value = "no key"});
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();

  const std::vector<KafkaRecord> records = read_all(mock.brokers(), "orders");
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].key, nul);
  EXPECT_EQ(records[0].value, nul);
  EXPECT_EQ(records[0].timestamp_ms, 1'700'000'000'123);
  ASSERT_EQ(records[0].headers.size(), 2u);
  EXPECT_EQ(records[0].headers[0],
            (std::pair<std::string, std::optional<std::string>>("kind", nul)));
  EXPECT_EQ(records[0].headers[1].second, std::nullopt);
  EXPECT_EQ(records[1].value, std::nullopt) << "a tombstone";
  EXPECT_EQ(records[2].key, "");
  EXPECT_EQ(records[2].value, "") << "empty is not a tombstone";
  EXPECT_EQ(records[3].key, std::nullopt);
}

TEST(SinkMock, KeepsTheOrderOfEachKey) {
  MockKafka mock;
  mock.create_topic("orders", 8);
  SinkDriver driver(config_for(mock.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add_numbered(0, 20'000, 37);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  const StreamCheck check = check_stream(read_all(mock.brokers(), "orders"), 20'000, 37);
  EXPECT_EQ(check.problem, "");
  EXPECT_EQ(check.duplicates, 0u);
  EXPECT_EQ(driver.sessions(), 1);
  EXPECT_EQ(driver.host().metric("delivered_messages"), 20'000);
  EXPECT_EQ(driver.host().metric("in_flight_messages"), 0);
}

TEST(SinkMock, KeepsItsOwnLimits) {
  MockKafka mock;
  mock.create_topic("orders", 4);
  SinkDriver driver(config_for(mock.brokers(), R"(,"max_events_per_second":5000)"));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add_numbered(0, 10'000, 37);
  const auto start = steady_clock::now();
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  // A tenth of a second's worth may go at once; the rest takes its time.
  EXPECT_GE(ms_since(start), 1'890);
  EXPECT_EQ(driver.delivered(), 10'000u);
  EXPECT_GT(driver.host().metric("limited_seconds"), 1.0);
  EXPECT_EQ(check_stream(read_all(mock.brokers(), "orders"), 10'000, 37).problem, "");
}

TEST(SinkMock, WritesManyTopicsAndChosenPartitions) {
  MockKafka mock;
  for (int i = 0; i < 20; ++i) {
    mock.create_topic("topic" + std::to_string(i), 3);
  }
  SinkDriver driver(config_for(mock.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  for (int i = 0; i < 200; ++i) {
    driver.add({.topic = "topic" + std::to_string(i % 20),
                .key = "k",
                .value = std::to_string(i),
                .partition = i % 3});
  }
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  size_t total = 0;
  for (int i = 0; i < 20; ++i) {
    for (const KafkaRecord& record : read_all(mock.brokers(), "topic" + std::to_string(i))) {
      EXPECT_EQ(std::stoi(*record.value) % 3, record.partition);
      ++total;
    }
  }
  EXPECT_EQ(total, 200u);
}

TEST(SinkMock, RefusesAPartitionThatIsNotThere) {
  MockKafka mock;
  mock.create_topic("orders", 3);
  SinkDriver driver(config_for(mock.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add({.key = "k", .value = "0", .partition = 2});
  driver.add({.key = "k", .value = "1", .partition = 3});
  driver.add({.key = "k", .value = "2", .partition = 1});
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  EXPECT_EQ(driver.rejected(), std::vector<size_t>{1});
  EXPECT_EQ(driver.reject_message(),
            "Topic orders has 3 partitions, and no partition 3. Give it more, or correct the "
            "pipeline's partition.");
  EXPECT_EQ(driver.delivered(), 2u) << "neither is in another partition";
  EXPECT_EQ(driver.host().metric("rejected_messages"), 1);
  EXPECT_EQ(driver.sessions(), 1);
}

// ---- errors that pass ---------------------------------------------------------------------------

enum class Helper { kSink, kClient, kEither };

struct PassingError {
  int code;
  Helper helper;  // who has to act
};

class PassingErrorTest : public testing::TestWithParam<std::tuple<PassingError, bool>> {};

// However a produce request fails, no message is lost, none comes before an earlier one of its key,
// and the sink goes on.
TEST_P(PassingErrorTest, LosesNothingAndKeepsTheOrder) {
  const auto [error, reopen] = GetParam();
  MockKafka mock;
  mock.create_topic("orders", 4);
  SinkDriver driver(config_for(mock.brokers()));
  driver.reopen_on_retry = reopen;
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add_numbered(0, 1000, 16);
  ASSERT_EQ(driver.run().status, DSTREAM_OK);
  mock.push_errors(KafkaRequest::kProduce, {0, 0, error.code, 0, error.code, error.code});
  driver.add_numbered(1000, 4000, 16);
  const SinkDriver::Result result = driver.run();
  ASSERT_EQ(result.status, DSTREAM_OK) << result.message;

  const StreamCheck check = check_stream(read_all(mock.brokers(), "orders"), 5000, 16);
  EXPECT_EQ(check.problem, "");
  EXPECT_TRUE(driver.rejected().empty());
  const double replaced = driver.host().metric("producer_recreations");
  if (error.helper == Helper::kSink) {
    EXPECT_GE(replaced, 1);
    EXPECT_GT(driver.host().metric("retried_messages"), 0);
    EXPECT_NE(driver.last_retry(), "");
  } else if (error.helper == Helper::kClient) {
    EXPECT_EQ(replaced, 0);  // duplicates there may be: the mock does not look at sequences
  }
}

INSTANTIATE_TEST_SUITE_P(
    Codes, PassingErrorTest,
    testing::Combine(
        testing::Values(PassingError{44, Helper::kSink}, PassingError{89, Helper::kSink},
                        PassingError{-1, Helper::kSink}, PassingError{49, Helper::kSink},
                        PassingError{45, Helper::kSink}, PassingError{59, Helper::kEither},
                        PassingError{47, Helper::kSink}, PassingError{200, Helper::kSink},
                        PassingError{6, Helper::kClient}, PassingError{7, Helper::kClient},
                        PassingError{19, Helper::kClient}, PassingError{-195, Helper::kClient}),
        testing::Bool()),
    [](const auto& row) {
      const int code = std::get<0>(row.param).code;
      return (code < 0 ? "minus_" : "code_") + std::to_string(std::abs(code)) +
             (std::get<1>(row.param) ? "_reopened" : "_by_itself");
    });

TEST(SinkMock, SurvivesARandomScheduleOfFaults) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  constexpr int kCodes[] = {0, 0, 0, 0, 0, 0, 44, 49, 7, -195, 89, 6};
  MockKafka mock(3);
  mock.create_topic("orders", 6);
  SinkDriver driver(config_for(mock.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  int added = 0;
  for (int round = 0; round < 12; ++round) {
    std::vector<int> codes;
    for (int i = 0; i < 10; ++i) {
      codes.push_back(kCodes[random() % std::size(kCodes)]);
    }
    mock.push_errors(KafkaRequest::kProduce, codes);
    mock.set_leader("orders", static_cast<int>(random() % 6), static_cast<int>(random() % 3) + 1);
    const int broker = static_cast<int>(random() % 3) + 1;
    mock.set_broker_up(broker, false);
    driver.add_numbered(added, 500, 11);
    added += 500;
    for (int turn = 0; turn < 5; ++turn) {
      ASSERT_GE(driver.turn(5).status, 0);
    }
    mock.set_broker_up(broker, true);
  }
  mock.clear_errors(KafkaRequest::kProduce);
  const SinkDriver::Result result = driver.run(60'000);
  ASSERT_EQ(result.status, DSTREAM_OK) << result.message;
  EXPECT_EQ(check_stream(read_all(mock.brokers(), "orders"), added, 11).problem, "");
}

TEST(SinkMock, TellsTheHostHowLongToWait) {
  MockKafka mock;
  mock.create_topic("orders", 1);
  SinkDriver driver(R"({"brokers":")" + mock.brokers() +
                    R"(","linger":"2ms","backoff_min":"40s","backoff_max":"80s"})");
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  mock.push_errors(KafkaRequest::kProduce, {44});
  driver.add_numbered(0, 10, 1);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << "a host that opens again is not held up";
  EXPECT_GE(driver.last_retry_after_ms(), 20'000u);
  EXPECT_LE(driver.last_retry_after_ms(), 40'000u);
  EXPECT_NE(driver.last_retry().find("POLICY_VIOLATION"), std::string::npos);
  EXPECT_NE(driver.last_retry().find("The hub is the limit"), std::string::npos);
}

TEST(SinkMock, TakesNothingWhileItBacksOff) {
  MockKafka mock;
  mock.create_topic("orders", 1);
  SinkDriver driver(R"({"brokers":")" + mock.brokers() +
                    R"(","linger":"2ms","backoff_min":"1h","backoff_max":"1h"})");
  driver.reopen_on_retry = false;
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  mock.push_errors(KafkaRequest::kProduce, {44});
  driver.add_numbered(0, 10, 1);
  for (int turn = 0; turn < 500 && driver.last_retry().empty(); ++turn) {
    driver.turn(20);
  }
  ASSERT_NE(driver.last_retry(), "");
  for (int turn = 0; turn < 5; ++turn) {
    EXPECT_EQ(driver.turn(1).status, DSTREAM_OK);
    EXPECT_EQ(driver.in_flight(), 0u);
  }
}

// ---- errors that do not pass --------------------------------------------------------------------

TEST(SinkMock, SaysThatCompressionIsNotAllowed) {
  MockKafka mock;
  mock.create_topic("orders", 2);
  SinkDriver driver(config_for(mock.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  mock.push_errors(KafkaRequest::kProduce, {43});
  driver.add_numbered(0, 10, 2);
  const SinkDriver::Result result = driver.run();
  EXPECT_EQ(result.status, DSTREAM_CONFIG);
  EXPECT_NE(result.message.find("compression: none"), std::string::npos) << result.message;
  EXPECT_EQ(driver.delivered(), 0u);
}

TEST(SinkMock, IsDeniedUntilItIsAllowed) {
  MockKafka mock;
  mock.create_topic("orders", 2);
  SinkDriver driver(config_for(mock.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add_numbered(0, 100, 4);
  ASSERT_EQ(driver.run().status, DSTREAM_OK);
  mock.push_errors(KafkaRequest::kProduce, {29});
  driver.add_numbered(100, 100, 4);
  const SinkDriver::Result denied = driver.run();
  EXPECT_EQ(denied.status, DSTREAM_DENIED);
  EXPECT_NE(denied.message.find("right to write"), std::string::npos) << denied.message;
  const SinkDriver::Result again = driver.run();
  EXPECT_EQ(again.status, DSTREAM_OK) << again.message;
  EXPECT_EQ(check_stream(read_all(mock.brokers(), "orders"), 200, 4).problem, "");
}

TEST(SinkMock, SaysThatATopicIsUnknown) {
  MockKafka mock;
  mock.set_topic_error("orders", 3);
  SinkDriver driver(config_for(mock.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK) << "the topic is not known at start";
  driver.add_numbered(0, 10, 2);
  const SinkDriver::Result result = driver.run();
  EXPECT_EQ(result.status, DSTREAM_CONFIG);
  EXPECT_NE(result.message.find("Topic orders"), std::string::npos) << result.message;

  SinkDriver single(config_for(mock.brokers(), R"(,"topic":"orders")"));
  EXPECT_EQ(single.open().status, DSTREAM_CONFIG) << "known from the configuration: said at start";
}

TEST(SinkMock, WaitsForATopicThatIsBeingMade) {
  MockKafka mock;
  mock.set_topic_error("orders", 3);
  SinkDriver driver(config_for(mock.brokers(), R"(,"auto_create_topics":true)"));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add_numbered(0, 10, 2);
  for (int turn = 0; turn < 3; ++turn) {
    ASSERT_EQ(driver.turn(1).status, DSTREAM_OK);
  }
  mock.set_topic_error("orders", 0);
  EXPECT_EQ(driver.run().status, DSTREAM_OK);
}

TEST(SinkMock, RejectsWhatIsTooLargeAndDeliversTheRest) {
  MockKafka mock;
  mock.create_topic("orders", 1);
  SinkDriver driver(config_for(mock.brokers(), R"(,"message_bytes_max":"4KiB")"));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add_numbered(0, 10, 1);
  driver.add({.key = "large", .value = std::string(5000, 'x')});
  driver.add_numbered(10, 10, 1);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  EXPECT_EQ(driver.rejected(), std::vector<size_t>{10});
  EXPECT_NE(driver.reject_message().find("message_bytes_max is 4096"), std::string::npos)
      << driver.reject_message();
  std::vector<KafkaRecord> records = read_all(mock.brokers(), "orders");
  EXPECT_EQ(check_stream(records, 20, 1).problem, "");
  EXPECT_EQ(driver.host().metric("rejected_messages"), 1);
}

// A refused batch says nothing about which message is to blame. Refused once, all pass the next
// time.
TEST(SinkMock, ARefusedBatchIsTriedInSmallerOnes) {
  for (const int code : {10, 87}) {
    MockKafka mock;
    mock.create_topic("orders", 1);
    SinkDriver driver(config_for(mock.brokers()));
    ASSERT_EQ(driver.open().status, DSTREAM_OK);
    mock.push_errors(KafkaRequest::kProduce, {code});
    driver.add_numbered(0, 2000, 5);
    ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
    EXPECT_TRUE(driver.rejected().empty());
    EXPECT_EQ(check_stream(read_all(mock.brokers(), "orders"), 2000, 5).problem, "");
  }
}

// ---- life cycle and time ------------------------------------------------------------------------

TEST(SinkMock, SaysThatNobodyAnswers) {
  SinkDriver driver(config_for("127.0.0.1:1", R"(,"connect_timeout":"300ms")"));
  const auto start = steady_clock::now();
  const SinkDriver::Result result = driver.open();
  EXPECT_EQ(result.status, DSTREAM_REOPEN);
  EXPECT_NE(result.message.find("127.0.0.1:1"), std::string::npos) << result.message;
  EXPECT_NE(result.message.find("refused"), std::string::npos) << result.message;
  EXPECT_LT(ms_since(start), 3000);
}

TEST(SinkMock, StopsWaitingForAConnection) {
  SinkDriver driver(config_for("127.0.0.1:1", R"(,"connect_timeout":"5m")"));
  // librdkafka says from a thread of its own that the connection was refused: open() is waiting.
  driver.host().on_log = [&driver] { driver.stop(); };
  EXPECT_EQ(driver.open().status, DSTREAM_CANCELLED);
}

TEST(SinkMock, PollEndsInTime) {
  MockKafka mock;
  SinkDriver driver(config_for(mock.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  mock.set_broker_up(1, false);
  driver.add_numbered(0, 10, 1);  // to a topic that nobody can tell about
  for (const uint32_t wait : {0u, 10u, 200u}) {
    const auto start = steady_clock::now();
    EXPECT_GE(driver.turn(wait).status, 0);
    EXPECT_LT(ms_since(start), wait + 1000);
  }
}

TEST(SinkMock, WaitsOutABrokerThatIsAway) {
  MockKafka mock;
  mock.create_topic("orders", 2);
  SinkDriver driver(config_for(mock.brokers(), R"(,"in_flight_bytes":"64KiB")"));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add_numbered(0, 100, 4);
  ASSERT_EQ(driver.run().status, DSTREAM_OK);
  mock.set_broker_up(1, false);
  driver.add_numbered(100, 5000, 4, 200);
  for (int turn = 0; turn < 40; ++turn) {
    ASSERT_EQ(driver.turn(5).status, DSTREAM_OK);
    ASSERT_LE(driver.host().metric("in_flight_bytes"), 64 * 1024) << "(I6)";
  }
  EXPECT_EQ(driver.in_flight(), 5000u) << "taken, and waiting";
  mock.set_broker_up(1, true);
  ASSERT_EQ(driver.run().status, DSTREAM_OK);
  const StreamCheck check = check_stream(read_all(mock.brokers(), "orders"), 5100, 4);
  EXPECT_EQ(check.problem, "");
  EXPECT_EQ(driver.sessions(), 1);
  const std::string log = driver.host().logged();
  EXPECT_NE(log.find("No connection; messages wait."), std::string::npos);
  EXPECT_NE(log.find("The broker answers again."), std::string::npos);
}

TEST(SinkMock, CloseForgetsAndOpenGoesOn) {
  MockKafka mock;
  mock.create_topic("orders", 2);
  SinkDriver driver(config_for(mock.brokers()));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add_numbered(0, 3000, 4);
  mock.set_round_trip_ms(1, 200);
  for (int turn = 0; turn < 5; ++turn) {
    driver.turn(1);
  }
  EXPECT_GT(driver.in_flight(), 0u);
  driver.abandon_session();  // close() with messages under way, their memory freed right after
  EXPECT_EQ(driver.breach(), "");
  mock.set_round_trip_ms(1, 0);
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  EXPECT_EQ(check_stream(read_all(mock.brokers(), "orders"), 3000, 4).problem, "");
}

TEST(SinkMock, FlushDoesNotLinger) {
  MockKafka mock;
  mock.create_topic("orders", 2);
  SinkDriver driver(R"({"brokers":")" + mock.brokers() + R"(","linger":"10s"})");
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add_numbered(0, 10, 10);
  for (int turn = 0; turn < 500 && driver.in_flight() < 10; ++turn) {
    driver.turn(1);
  }
  const auto start = steady_clock::now();
  EXPECT_EQ(driver.flush(9000).status, DSTREAM_OK);
  EXPECT_EQ(driver.delivered(), 10u);
  EXPECT_LT(ms_since(start), 5000);
}

TEST(SinkMock, LingersAsLongAsItSays) {
  MockKafka mock;
  mock.create_topic("orders", 1);
  SinkDriver driver(R"({"brokers":")" + mock.brokers() + R"(","linger":"60ms"})");
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  driver.add_numbered(0, 1, 1);
  ASSERT_EQ(driver.run().status, DSTREAM_OK);
  driver.add_numbered(1, 1, 1);
  const auto start = steady_clock::now();
  ASSERT_EQ(driver.run().status, DSTREAM_OK);
  EXPECT_GE(ms_since(start), 60);
  EXPECT_LT(ms_since(start), 1000);
}

TEST(SinkMock, OpensAndClosesManyTimes) {
  MockKafka mock;
  mock.create_topic("orders", 1);
  SinkDriver driver(config_for(mock.brokers()));
  for (int i = 0; i < 20; ++i) {
    ASSERT_EQ(driver.open().status, DSTREAM_OK);
    driver.close();
    driver.close();
  }
}

TEST(SinkMock, TwoSinksDoNotMeet) {
  MockKafka mock;
  mock.create_topic("orders", 2);
  mock.create_topic("cars", 2);
  SinkDriver one(config_for(mock.brokers()));
  SinkDriver two(config_for(mock.brokers()));
  ASSERT_EQ(one.open().status, DSTREAM_OK);
  ASSERT_EQ(two.open().status, DSTREAM_OK);
  one.add_numbered(0, 1000, 4);
  for (int i = 0; i < 1000; ++i) {
    two.add({.topic = "cars", .key = "k", .value = std::to_string(i)});
  }
  std::thread other([&] { EXPECT_EQ(two.run().status, DSTREAM_OK); });
  EXPECT_EQ(one.run().status, DSTREAM_OK);
  other.join();
  EXPECT_EQ(check_stream(read_all(mock.brokers(), "orders"), 1000, 4).problem, "");
  EXPECT_EQ(read_all(mock.brokers(), "cars").size(), 1000u);
}

TEST(SinkMock, SaysWhichKeyIsWrong) {
  SinkDriver driver(R"({"brokers":"a","librdkafka":{"acks":"1"}})");
  EXPECT_EQ(driver.created().status, DSTREAM_CONFIG);
  EXPECT_NE(driver.created().message.find("/librdkafka/acks"), std::string::npos);
}

}  // namespace
}  // namespace eventhubs
