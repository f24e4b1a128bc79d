// Every row of the table in error_class.cc that a broker can cause, one test each: against an
// endpoint that answers as told, and that stores a batch once however often it is sent.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "aftermath.h"
#include "dstream/ext/draft/testing.hpp"
#include "error_class.h"
#include "sink_driver.h"
#include "tests/standins/kafka/scripted_kafka.h"

namespace eventhubs {
namespace {

using dstream::standin::KafkaRequest;
using dstream::standin::ScriptedKafka;
using Answer = ScriptedKafka::Answer;

constexpr int kKeys = 16;
constexpr int kCount = 3000;
constexpr double kInFlightBytesMax = 64 * 1024;
const std::string kFailedLine = "A batch failed; its messages and those behind it";
const std::string kResentLine = "Messages are sent again";

std::string name_of_code(int code) {
  return (code < 0 ? "minus_" : "code_") + std::to_string(std::abs(code));
}

class SinkFaults : public testing::Test {
 protected:
  SinkFaults() { hub_.create_topic("orders", 4); }

  // Small batches, so that a few thousand messages are many requests; statistics at once.
  std::string config(const std::string& properties = "", const std::string& more = "") const {
    return R"({"brokers":")" + hub_.brokers() +
           R"(","linger":"2ms","batch_bytes":"4KiB","in_flight_bytes":"64KiB",)"
           R"("backoff_min":"5ms","backoff_max":"50ms","connect_timeout":"5s","librdkafka":{)"
           R"("retry.backoff.ms":10,"reconnect.backoff.ms":10,"reconnect.backoff.max.ms":50,)"
           R"("statistics.interval.ms":20)" +
           properties + "}" + more + "}";
  }
  // The first third before the fault, so that there is an order to break.
  void begin(SinkDriver& driver) {
    ASSERT_EQ(driver.open().status, DSTREAM_OK);
    driver.add_numbered(0, kCount / 3, kKeys);
    ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  }
  static void add_rest(SinkDriver& driver) {
    driver.add_numbered(kCount / 3, kCount - kCount / 3, kKeys);
  }
  // Statistics come behind what they tell of.
  static void wait_for_metric(SinkDriver& driver, const std::string& name) {
    for (int turn = 0; turn < 500 && driver.host().metric(name) == 0; ++turn) {
      ASSERT_GE(driver.turn(10).status, 0);
    }
  }
  void judge(SinkDriver& driver, const std::string& metric, const std::string& logged) {
    eventhubs::judge(driver, hub_.records("orders"),
                     {kCount, kKeys, kInFlightBytesMax, metric, logged});
  }

  ScriptedKafka hub_;
};

struct Fault {
  int code;
  bool applied = false;
};
std::string name_of_fault(const testing::TestParamInfo<Fault>& row) {
  return name_of_code(row.param.code) + (row.param.applied ? "_applied" : "");
}

// ---- what librdkafka sends again by itself ------------------------------------------------------

class SentAgain : public SinkFaults, public testing::WithParamInterface<Fault> {};

TEST_P(SentAgain, WithoutADuplicate) {
  SinkDriver driver(config());
  begin(driver);
  const int code = GetParam().code;
  hub_.script(KafkaRequest::kProduce, {{}, {.code = code, .applied = GetParam().applied}});
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  wait_for_metric(driver, "resent_messages");
  judge(driver, "resent_messages", kResentLine);
  EXPECT_EQ(driver.rewinds(), 0);
  EXPECT_EQ(driver.host().metric("producer_recreations"), 0);
  EXPECT_EQ(classify(code), ErrorClass::kConnection);
}

INSTANTIATE_TEST_SUITE_P(Codes, SentAgain,
                         testing::Values(Fault{5}, Fault{6}, Fault{7}, Fault{7, true}, Fault{8},
                                         Fault{9}, Fault{14}, Fault{15}, Fault{19}, Fault{20, true},
                                         Fault{56}),
                         name_of_fault);

// ---- what the sink writes again, with a new producer --------------------------------------------

class WrittenAgain : public SinkFaults, public testing::WithParamInterface<Fault> {};

TEST_P(WrittenAgain, WithANewProducer) {
  SinkDriver driver(config());
  begin(driver);
  hub_.script(KafkaRequest::kProduce,
              {{}, {.code = GetParam().code, .applied = GetParam().applied}});
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  judge(driver, "producer_recreations", kFailedLine);
  EXPECT_EQ(driver.rewinds(), 1);
  EXPECT_EQ(driver.host().metric("producer_recreations"), 1);
  EXPECT_GE(driver.host().metric("retried_messages"), 1);
  EXPECT_NE(classify(GetParam().code), ErrorClass::kConnection);
  EXPECT_NE(driver.last_retry(), "");
}

INSTANTIATE_TEST_SUITE_P(Codes, WrittenAgain,
                         testing::Values(Fault{44}, Fault{89}, Fault{-1}, Fault{-1, true},
                                         Fault{13}, Fault{13, true}, Fault{200}, Fault{45},
                                         Fault{47}, Fault{49}, Fault{59}),
                         name_of_fault);

// Event Hubs forgets producers: each batch of one is refused from then on, not only one.
TEST_F(SinkFaults, AForgottenProducerIsReplaced) {
  SinkDriver driver(config());
  begin(driver);
  hub_.forget_producers();
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  judge(driver, "producer_recreations", kFailedLine);
  EXPECT_EQ(driver.host().metric("producer_recreations"), 1);
  EXPECT_EQ(hub_.counts().producer_ids, 2u);
  EXPECT_NE(driver.last_retry().find("INVALID_PRODUCER_ID_MAPPING"), std::string::npos);
}

// ---- what only its owner can mend ---------------------------------------------------------------

class Denied : public SinkFaults, public testing::WithParamInterface<int> {};

TEST_P(Denied, UntilItIsAllowed) {
  SinkDriver driver(config());
  begin(driver);
  hub_.script(KafkaRequest::kProduce, {{}, {.code = GetParam()}});
  add_rest(driver);
  const SinkDriver::Result denied = driver.run();
  EXPECT_EQ(denied.status, DSTREAM_DENIED);
  EXPECT_NE(denied.message.find(advice_for(GetParam())), std::string::npos) << denied.message;
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  judge(driver, "producer_recreations", "");
  EXPECT_EQ(times_logged(driver, "", DSTREAM_LOG_WARN), 0u) << driver.host().logged();
}

INSTANTIATE_TEST_SUITE_P(Codes, Denied, testing::Values(29, 31, 34, 58),
                         [](const auto& row) { return name_of_code(row.param); });

class Misconfigured : public SinkFaults, public testing::WithParamInterface<int> {};

TEST_P(Misconfigured, UntilTheNextOpen) {
  SinkDriver driver(config());
  begin(driver);
  hub_.script(KafkaRequest::kProduce, {{}, {.code = GetParam()}});
  add_rest(driver);
  const SinkDriver::Result refused = driver.run();
  EXPECT_EQ(refused.status, DSTREAM_CONFIG) << refused.message;
  EXPECT_NE(refused.message.find("Topic orders, partition "), std::string::npos);
  EXPECT_NE(refused.message.find(advice_for(GetParam())), std::string::npos) << refused.message;
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  judge(driver, "producer_recreations", "");
  EXPECT_EQ(times_logged(driver, "", DSTREAM_LOG_WARN), 0u) << driver.host().logged();
}

INSTANTIATE_TEST_SUITE_P(Codes, Misconfigured, testing::Values(17, 21, 33, 35, 43, 76),
                         [](const auto& row) { return name_of_code(row.param); });

// ---- what a message in the batch is to blame for ------------------------------------------------

class Refused : public SinkFaults, public testing::WithParamInterface<int> {};

// Refused once, all pass in smaller batches.
TEST_P(Refused, IsTriedInSmallerBatches) {
  SinkDriver driver(config());
  begin(driver);
  hub_.script(KafkaRequest::kProduce, {{}, {.code = GetParam()}});
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  EXPECT_TRUE(driver.rejected().empty());
  const bool by_size = GetParam() == 10 || GetParam() == 18;
  judge(driver, "producer_recreations", by_size ? "A topic refuses a batch for its size" : "");
}

// A batch of one names the culprit, the rest arrives.
TEST_P(Refused, IsRejectedAlone) {
  SinkDriver driver(config());
  begin(driver);
  hub_.always(KafkaRequest::kProduce, {.code = GetParam()});
  driver.add({.key = "never", .value = "taken"});
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  EXPECT_EQ(driver.rejected(), std::vector<size_t>{kCount / 3});
  EXPECT_NE(driver.reject_message().find("Topic orders does not take the message of 10 bytes"),
            std::string::npos)
      << driver.reject_message();
  hub_.always(KafkaRequest::kProduce, {});
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  judge(driver, "rejected_messages", "");
}

INSTANTIATE_TEST_SUITE_P(Codes, Refused, testing::Values(2, 10, 18, 32, 87),
                         [](const auto& row) { return name_of_code(row.param); });

// ---- connections --------------------------------------------------------------------------------

class Cut : public SinkFaults, public testing::WithParamInterface<bool> {};

TEST_P(Cut, WithABatchOnItsWay) {
  SinkDriver driver(config());
  begin(driver);
  hub_.script(KafkaRequest::kProduce, {{}, {.close = true, .applied = GetParam()}});
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  judge(driver, "connection_errors", "No connection; messages wait.");
  EXPECT_EQ(times_logged(driver, "The broker answers again."), 1u);
  EXPECT_EQ(driver.rewinds(), 0);
}

INSTANTIATE_TEST_SUITE_P(Batches, Cut, testing::Bool(),
                         [](const auto& row) { return row.param ? "stored" : "lost"; });

// The answer comes when nobody waits for it any more.
TEST_F(SinkFaults, AnAnswerThatIsTooLateIsAskedForAgain) {
  SinkDriver driver(config(R"(,"request.timeout.ms":400,"socket.timeout.ms":1000)"));
  begin(driver);
  hub_.script(KafkaRequest::kProduce, {{}, {.hold_ms = 20'000, .applied = true}});
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  wait_for_metric(driver, "resent_messages");
  judge(driver, "resent_messages", kResentLine);
  EXPECT_EQ(driver.rewinds(), 0);
  EXPECT_GE(hub_.counts().duplicates, 1u) << "the first time was lost on the way, too";
}

// Event Hubs closes the connection on it, each time: nothing is lost, and the reason is said.
TEST_F(SinkFaults, ARequestAboveTheHubsLimitIsNamed) {
  SinkDriver driver(config("", R"(,"message_bytes_max":"4MiB")"));
  begin(driver);
  driver.add({.key = "k", .value = std::string(1'046'528, 'x')});
  for (int turn = 0; turn < 500 && hub_.counts().too_large < 3; ++turn) {
    ASSERT_EQ(driver.turn(10).status, DSTREAM_OK);
  }
  EXPECT_GE(hub_.counts().too_large, 3u);
  EXPECT_EQ(driver.unsettled(), 1u);
  EXPECT_EQ(times_logged(driver, "more than 1,046,528 bytes", DSTREAM_LOG_WARN), 1u)
      << driver.host().logged();
  EXPECT_GE(driver.host().metric("connection_errors"), 1);
}

// However short ago the sink was told that there are fewer.
TEST_F(SinkFaults, PartitionsThatWereJustAddedAreFoundByTheMessagesForThem) {
  SinkDriver driver(config("", R"(,"partition_check_interval":"0s")"));
  ASSERT_EQ(driver.open().status, DSTREAM_OK);
  int value = 0;
  for (int partitions = 4; partitions <= 8; ++partitions) {
    hub_.create_topic("orders", partitions);
    for (int i = 0; i < 3 * partitions; ++i, ++value) {
      driver.add({.key = "k", .value = std::to_string(value), .partition = i % partitions});
    }
    ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  }
  EXPECT_TRUE(driver.rejected().empty());
  EXPECT_EQ(driver.host().metric("partition_changes"), 4);
  for (const int beyond : {8, 9, 100}) {
    driver.add({.key = "k", .value = "lost", .partition = beyond});
  }
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  const auto first = static_cast<size_t>(value);
  EXPECT_EQ(driver.rejected(), (std::vector<size_t>{first, first + 1, first + 2}));
  EXPECT_NE(driver.reject_message().find("has 8 partitions"), std::string::npos);
  EXPECT_EQ(hub_.records("orders").size(), first);
}

TEST_F(SinkFaults, ANameThatDoesNotResolveIsSaid) {
  SinkDriver driver(R"({"brokers":"no-such-host.invalid:9092","connect_timeout":"500ms"})");
  const SinkDriver::Result result = driver.open();
  EXPECT_EQ(result.status, DSTREAM_REOPEN);
  EXPECT_NE(result.message.find("no-such-host.invalid"), std::string::npos) << result.message;
  EXPECT_NE(result.message.find(advice_for(-193)), std::string::npos) << result.message;
}

// The broker has the batch already and says so.
TEST_F(SinkFaults, ADuplicateIsDelivered) {
  SinkDriver driver(config());
  begin(driver);
  hub_.script(KafkaRequest::kProduce, {{}, {.code = 46, .applied = true}});
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  judge(driver, "delivered_messages", "");
  EXPECT_EQ(driver.rewinds(), 0);
}

// A leader that moved may not know the topic for a moment.
TEST_F(SinkFaults, ATopicThatIsUnknownForAMomentIsWaitedFor) {
  SinkDriver driver(config());
  begin(driver);
  hub_.script(KafkaRequest::kProduce, {{}, {.code = 3}});
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  wait_for_metric(driver, "resent_messages");
  judge(driver, "resent_messages", kResentLine);
  EXPECT_EQ(driver.rewinds(), 0);
}

// ---- throttling ---------------------------------------------------------------------------------

// Event Hubs holds the answer back and says afterwards for how long.
TEST_F(SinkFaults, AnAnswerHeldBackForAQuotaIsCounted) {
  SinkDriver driver(config());
  begin(driver);
  hub_.script(KafkaRequest::kProduce, {{.throttle_ms = 300, .hold_ms = 300}});
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  judge(driver, "delivered_messages", "");
  EXPECT_DOUBLE_EQ(driver.host().metric("throttled_seconds"), 0.3);
  EXPECT_NE(driver.status().find(R"("throttled":{"total_ms":300,"ago_ms":)"), std::string::npos)
      << driver.status();
  EXPECT_EQ(driver.rewinds(), 0);
}

// Held back for too long, it is refused, again and again.
TEST_F(SinkFaults, RefusalsForAQuotaEndWhenTheQuotaDoes) {
  SinkDriver driver(config());
  begin(driver);
  hub_.script(KafkaRequest::kProduce, {{.code = 44, .throttle_ms = 20}});
  hub_.script(KafkaRequest::kProduce, {{.code = 44, .throttle_ms = 20}});
  add_rest(driver);
  ASSERT_EQ(driver.run().status, DSTREAM_OK) << driver.breach();
  eventhubs::judge(driver, hub_.records("orders"),
                   {.count = kCount,
                    .keys = kKeys,
                    .in_flight_bytes_max = kInFlightBytesMax,
                    .metric = "producer_recreations",
                    .warnings_max = driver.rewinds()});
  EXPECT_GT(driver.host().metric("throttled_seconds"), 0);
}

// ---- transactions -------------------------------------------------------------------------------

// Event Hubs Standard answers for ever that there is no coordinator; its own words are said at
// start.
TEST_F(SinkFaults, AHubWithoutTransactionsIsNamedAtStart) {
  dstream::testing::FakeHost host(R"({"brokers":")" + hub_.brokers() +
                                  R"(","connect_timeout":"500ms"})");
  dstream::testing::SinkDriver sink(
      *dstream::testing::find_connector(dstream_plugin_v1, "eventhubs"), host);
  const dstream::testing::Transactions transactions(sink, "pipeline");
  std::string said;
  try {
    sink.open();
  } catch (const dstream::testing::CallFailed& failed) {
    EXPECT_EQ(failed.status, DSTREAM_CONFIG);
    said = failed.what();
  }
  EXPECT_NE(said.find("only supported in Premium or Dedicated sku"), std::string::npos) << said;
  EXPECT_NE(said.find("Write delivery: at_least_once"), std::string::npos) << said;
}

// ---- the table ----------------------------------------------------------------------------------

// Rows that no broker's answer to a batch causes, and what provokes them instead.
constexpr std::pair<int, const char*> kElsewhere[] = {
    {-195, "Cut"},
    {-187, "SinkMock.SaysThatNobodyAnswers"},
    {-193, "SinkFaults.ANameThatDoesNotResolveIsSaid"},
    {-181, "SinkBroker.DoesNotTrustAForeignCertificate"},
    {-185, "SinkFaults.AnAnswerThatIsTooLateIsAskedForAgain"},
    {-169, "SinkBroker.IsDeniedWithAWrongPassword"},
    {46, "SinkFaults.ADuplicateIsDelivered"},
    {3, "SinkBroker.SaysThatATopicIsUnknownAndDoesNotMakeIt"},
    {-188, "SinkBroker.SaysThatATopicIsUnknownAndDoesNotMakeIt"},
    {-190, "SinkMock.RefusesAPartitionThatIsNotThere"},
    {-148, "WrittenAgain"},
    {-150, "WrittenAgain"},
    {-152, "WrittenAgain: what was not sent yet when another batch failed"},
    // Inside the client; the sink's own limits and settings keep them from happening.
    {-166, "message.timeout.ms is 0"},
    {-192, "message.timeout.ms is 0"},
    {-151, "only when a broker is silent while the sink fails"},
    {-149, "a fault of the client"},
    {-184, "the sink counts what it hands over"},
    {-180, "no consumer group"},
    {-164, "no consumer group"},
    {-165, "refused by check_properties()"},
};
constexpr int kProvoked[] = {
    5,  6,  7,  8,  9,  14, 15, 19, 20, 56,  // SentAgain
    44, 89, -1, 13, 45, 47, 49, 59,          // WrittenAgain
    29, 31, 34, 58, 17, 21, 33, 35, 43, 76,  // Denied, Misconfigured
    2,  10, 18, 32, 87,                      // Refused
};

TEST(ErrorTable, HasATestForEachRow) {
  for (const ErrorRow& row : error_table()) {
    const auto here = std::count(std::begin(kProvoked), std::end(kProvoked), row.code);
    const auto elsewhere = std::count_if(std::begin(kElsewhere), std::end(kElsewhere),
                                         [&row](const auto& one) { return one.first == row.code; });
    EXPECT_EQ(here + elsewhere, 1) << "code " << row.code;
  }
}

}  // namespace
}  // namespace eventhubs
