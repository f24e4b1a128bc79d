#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "batch.h"
#include "dstream/plugin.hpp"
#include "dstream/testing.hpp"
#include "pacer.h"
#include "workload.h"

namespace generator {
namespace {

using dstream::Millis;
using dstream::testing::Batch;
using dstream::testing::CallFailed;
using dstream::testing::FakeHost;
using dstream::testing::SourceDriver;

constexpr Millis kNoWait{0};

const dstream_connector& connector() {
  return *dstream::testing::find_connector(dstream_plugin_v1, "generator");
}

// A generator with this configuration, as a host makes and drives it.
struct Source {
  explicit Source(const std::string& config) : host(config), driver(connector(), host) {}
  FakeHost host;
  SourceDriver driver;
};

std::string print(const dstream_value* row) {
  if (row == nullptr) {
    return "-";
  }
  return std::to_string(row[0].as.i64) + "," + std::to_string(row[1].as.i64) + "," +
         std::to_string(row[2].as.i64) + "," +
         std::string(reinterpret_cast<const char*>(row[3].as.data), row[3].size);
}

// Everything about a record but its times.
std::string print(const dstream_record& record) {
  std::string text = std::to_string(record.op) + " " + record.schema->name + " " +
                     std::string(dstream::view(record.position)) + " " +
                     std::to_string(record.flags) + " " + print(record.before) + " " +
                     print(record.after) + " " + std::to_string(record.transaction_seq);
  for (uint32_t i = 0; i < record.header_count; ++i) {
    text += " " + std::string(record.headers[i].name) + "=" +
            std::string(dstream::view(record.headers[i].value));
  }
  return text;
}

// All records from `position` to the end.
std::vector<std::string> drain(const std::string& config, std::string_view position,
                               uint32_t max_records) {
  Source source(config);
  EXPECT_EQ(source.driver.open(position), DSTREAM_OK);
  std::vector<std::string> lines;
  while (true) {
    const Batch batch = source.driver.read(max_records, kNoWait);
    if (batch.status() != DSTREAM_OK) {
      EXPECT_EQ(batch.status(), DSTREAM_END);
      return lines;
    }
    for (uint32_t i = 0; i < batch.size(); ++i) {
      lines.push_back(print(*DSTREAM_RECORD_AT(batch.raw(), i)));
    }
  }
}

std::string mixed(int seed) {
  return R"({"rows": 1000, "size": 40, "tables": 3, "keys": 17, "delete_percent": 20,
             "transaction_size": 7, "seed": )" +
         std::to_string(seed) + "}";
}

// Positions and log positions are counted on within a batch and written anew at its start.
TEST(Generator, LogPositionsCountOnAcrossEveryCarry) {
  const std::vector<std::string> one_by_one = drain(R"({"rows": 70000, "size": 0})", "", 1);
  const std::vector<std::string> batches = drain(R"({"rows": 70000, "size": 0})", "", 5000);
  EXPECT_EQ(one_by_one, batches);
  EXPECT_NE(one_by_one[65535].find("change_lsn=00000000:00010000:0001"), std::string::npos);
}

TEST(Generator, EndsAfterRows) { EXPECT_EQ(drain(R"({"rows": 10})", "", 4).size(), 10u); }

TEST(Generator, SameSeedSameRecordsWhateverTheBatchSize) {
  EXPECT_EQ(drain(mixed(1), "", 3), drain(mixed(1), "", 1000));
}

TEST(Generator, AnotherSeedGivesOtherRecords) {
  EXPECT_NE(drain(mixed(1), "", 100), drain(mixed(2), "", 100));
}

TEST(Generator, ResumesExactlyAfterAnyPosition) {
  const std::vector<std::string> all = drain(mixed(1), "", 1000);
  for (uint64_t n : {1u, 6u, 7u, 500u, 999u, 1000u}) {
    char position[kPositionBytes];
    write_position(n, position);
    EXPECT_EQ(drain(mixed(1), std::string_view(position, sizeof position), 64),
              std::vector<std::string>(all.begin() + static_cast<long>(n), all.end()))
        << "after record " << n;
  }
}

TEST(Generator, RefusesAPositionItDidNotWrite) {
  for (std::string_view position :
       {"2:00000000000000000001", "1:0000000000000000000x", "1:1", "1:99999999999999999999", "x"}) {
    Source source("{}");
    try {
      source.driver.open(position);
      ADD_FAILURE() << position;
    } catch (const CallFailed& failure) {
      EXPECT_EQ(failure.status, DSTREAM_FATAL) << position;
    }
  }
}

TEST(Generator, RefusesDeletesWithoutKeys) {
  try {
    Source source(R"({"delete_percent": 10})");
    ADD_FAILURE();
  } catch (const CallFailed& failure) {
    EXPECT_EQ(failure.status, DSTREAM_CONFIG);
    EXPECT_NE(std::string(failure.what()).find("/delete_percent"), std::string::npos);
  }
}

TEST(Generator, StopIsStickyUntilClose) {
  Source source(R"({"rate": 1})");
  ASSERT_EQ(source.driver.open(""), DSTREAM_OK);
  source.driver.request_stop();
  EXPECT_EQ(source.driver.read(1, Millis(60'000)).status(), DSTREAM_CANCELLED);
  source.driver.close();
  ASSERT_EQ(source.driver.open(""), DSTREAM_OK);
  EXPECT_EQ(source.driver.read(1, kNoWait).size(), 1u);
}

TEST(Generator, ABatchOutlivesTheSource) {
  std::optional<Batch> batch;
  {
    Source source(R"({"rows": 2, "size": 8})");
    ASSERT_EQ(source.driver.open(""), DSTREAM_OK);
    batch.emplace(source.driver.read(2, kNoWait));
  }
  ASSERT_EQ(batch->size(), 2u);
  EXPECT_EQ(DSTREAM_RECORD_AT(batch->raw(), 1)->after[0].as.i64, 2);
  EXPECT_STREQ(DSTREAM_RECORD_AT(batch->raw(), 1)->schema->name, "records_1");
}

TEST(Generator, LargeRecordsMakeSmallBatches) {
  Source source(R"({"rows": 3, "size": 2000000})");
  ASSERT_EQ(source.driver.open(""), DSTREAM_OK);
  const Batch batch = source.driver.read(1000, kNoWait);
  ASSERT_EQ(batch.size(), 1u);
  EXPECT_GE(batch.raw()->byte_size, 2'000'000u);
  EXPECT_EQ(batch.raw()->records[0].after[3].size, 2'000'000u);
}

// A replica that applies the stream never sees an impossible change.
TEST(Workload, ChangesOfAKeyMakeSense) {
  Options options;
  options.rows = 20'000;
  options.tables = 2;
  options.keys = 50;
  options.delete_percent = 15;
  options.size = 0;
  const Workload workload(options);
  std::map<std::pair<uint32_t, uint64_t>, uint64_t> live;  // table and id -> sequence
  std::map<dstream_op, int> ops;
  for (uint64_t n = 1; n <= options.rows; ++n) {
    const Change change = workload.change(n);
    ++ops[change.op];
    const auto key = std::make_pair(change.table, change.id);
    if (change.op == DSTREAM_OP_INSERT) {
      EXPECT_FALSE(live.contains(key)) << n;
    } else {
      ASSERT_TRUE(live.contains(key)) << n;
      EXPECT_EQ(live[key], workload.previous(change)) << n;
    }
    if (change.op == DSTREAM_OP_DELETE) {
      live.erase(key);
    } else {
      live[key] = n;
    }
  }
  EXPECT_NEAR(ops[DSTREAM_OP_DELETE], 3000, 200);
  EXPECT_GT(ops[DSTREAM_OP_UPDATE], 12'000);
}

TEST(Workload, TransactionsEndWhereTheyShould) {
  Options options;
  options.rows = 10;
  options.transaction_size = 4;
  const Workload workload(options);
  std::string ends;
  for (uint64_t n = 1; n <= 10; ++n) {
    ends += workload.change(n).transaction_end ? 'e' : '.';
  }
  EXPECT_EQ(ends, "...e...e.e");
  EXPECT_EQ(workload.change(9).transaction, 3u);
  EXPECT_EQ(workload.change(6).transaction_seq, 2u);
}

TEST(Pacer, KeepsTheRateAndCatchesUp) {
  Pacer pacer(1000, 0);
  EXPECT_EQ(pacer.due(0, 100), 1u);
  pacer.emitted(1);
  EXPECT_EQ(pacer.due(0, 100), 0u);
  EXPECT_EQ(pacer.wait_ns(0), 1'000'000);
  EXPECT_EQ(pacer.due(1'000'000, 100), 1u);
  EXPECT_EQ(pacer.due(10'000'000'000, 100), 100u);
  EXPECT_EQ(pacer.due(10'000'000'000, 1'000'000), 10'000u);
}

TEST(Pacer, WithoutARateEverythingIsDue) {
  Pacer pacer(0, 0);
  EXPECT_EQ(pacer.due(0, 12345), 12345u);
  EXPECT_EQ(pacer.wait_ns(0), 0);
}

}  // namespace
}  // namespace generator
