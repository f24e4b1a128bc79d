#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>
#include <string>

#include "batch.h"
#include "dstream/plugin.hpp"
#include "pacer.h"
#include "workload.h"

namespace generator {
namespace {

// A host with nothing but a configuration of integers.
class FakeHost {
 public:
  explicit FakeHost(std::map<std::string, int64_t> config) : config_(std::move(config)) {
    raw_ = {};
    raw_.struct_size = sizeof raw_;
    raw_.host_data = this;
    raw_.log_level = [](const dstream_host*) noexcept { return dstream_log_level{DSTREAM_LOG_ERROR}; };
    raw_.log = [](const dstream_host*, dstream_log_level, const char*, const dstream_field*,
                  uint32_t) noexcept {};
    raw_.get_extension = [](const dstream_host*, const char* id) noexcept -> const void* {
      static constexpr dstream_config kConfig = {&FakeHost::get};
      return std::strcmp(id, DSTREAM_EXT_CONFIG) == 0 ? &kConfig : nullptr;
    };
  }
  const dstream_host* raw() const { return &raw_; }

 private:
  static dstream_status get(const dstream_host* host, const char* pointer,
                            dstream_value* out) noexcept {
    const auto& config = static_cast<FakeHost*>(host->host_data)->config_;
    auto found = config.find(pointer);
    if (found == config.end()) {
      return DSTREAM_AGAIN;
    }
    *out = {};
    out->type = DSTREAM_INT64;
    out->as.i64 = found->second;
    return DSTREAM_OK;
  }
  std::map<std::string, int64_t> config_;
  dstream_host raw_;
};

const dstream_source_api& api() { return *dstream_plugin_v1.connectors[0]->source; }

// A source made through the plugin's table, as a host does it.
class Source {
 public:
  explicit Source(std::map<std::string, int64_t> config) : host_(std::move(config)) {
    error_.struct_size = sizeof error_;
    status_ = api().create(host_.raw(), "{}", &source_, &error_);
  }
  ~Source() {
    if (source_ != nullptr) {
      api().destroy(source_);
    }
  }
  dstream_status created() const { return status_; }
  dstream_status open(std::string_view position) {
    return api().open(source_, dstream::bytes(position), &error_);
  }
  dstream_status read(uint32_t max, dstream_batch** out, uint32_t wait_ms = 0) {
    return api().read(source_, max, wait_ms, out, &error_);
  }
  void request_stop() { api().request_stop(source_); }
  void close() { api().close(source_); }
  std::string message() const { return error_.message; }

 private:
  FakeHost host_;
  dstream_error error_{};
  dstream_source* source_ = nullptr;
  dstream_status status_;
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

std::vector<std::string> drain(Source& source, uint32_t max) {
  std::vector<std::string> lines;
  dstream_batch* batch = nullptr;
  dstream_status status;
  while ((status = source.read(max, &batch)) == DSTREAM_OK) {
    for (uint32_t i = 0; i < batch->record_count; ++i) {
      lines.push_back(print(*DSTREAM_RECORD_AT(batch, i)));
    }
    batch->release(batch);
  }
  EXPECT_EQ(status, DSTREAM_END);
  return lines;
}

const std::map<std::string, int64_t> kMixed = {
    {"/rows", 1000}, {"/size", 40},           {"/tables", 3},
    {"/keys", 17},   {"/delete_percent", 20}, {"/transaction_size", 7}};

TEST(Generator, EndsAfterRows) {
  Source source({{"/rows", 10}});
  ASSERT_EQ(source.open(""), DSTREAM_OK);
  EXPECT_EQ(drain(source, 4).size(), 10u);
}

TEST(Generator, SameSeedSameRecordsWhateverTheBatchSize) {
  Source small(kMixed), large(kMixed);
  ASSERT_EQ(small.open(""), DSTREAM_OK);
  ASSERT_EQ(large.open(""), DSTREAM_OK);
  EXPECT_EQ(drain(small, 3), drain(large, 1000));
}

TEST(Generator, AnotherSeedGivesOtherRecords) {
  auto config = kMixed;
  config["/seed"] = 2;
  Source one(kMixed), two(config);
  ASSERT_EQ(one.open(""), DSTREAM_OK);
  ASSERT_EQ(two.open(""), DSTREAM_OK);
  EXPECT_NE(drain(one, 100), drain(two, 100));
}

TEST(Generator, ResumesExactlyAfterAnyPosition) {
  Source whole(kMixed);
  ASSERT_EQ(whole.open(""), DSTREAM_OK);
  const std::vector<std::string> all = drain(whole, 1000);
  for (uint64_t n : {1u, 6u, 7u, 500u, 999u, 1000u}) {
    char position[kPositionBytes];
    write_position(n, position);
    Source rest(kMixed);
    ASSERT_EQ(rest.open(std::string_view(position, sizeof position)), DSTREAM_OK);
    EXPECT_EQ(drain(rest, 64), std::vector<std::string>(all.begin() + static_cast<long>(n), all.end()))
        << "after record " << n;
  }
}

TEST(Generator, RefusesAPositionItDidNotWrite) {
  for (std::string_view position : {"2:00000000000000000001", "1:0000000000000000000x", "1:1",
                                    "1:99999999999999999999", "x"}) {
    Source source({});
    EXPECT_EQ(source.open(position), DSTREAM_FATAL) << position;
    EXPECT_NE(source.message(), "");
  }
}

TEST(Generator, RefusesDeletesWithoutKeys) {
  Source source({{"/delete_percent", 10}});
  EXPECT_EQ(source.created(), DSTREAM_CONFIG);
  EXPECT_NE(source.message().find("delete_percent"), std::string::npos);
}

TEST(Generator, StopIsStickyUntilClose) {
  Source source({{"/rate", 1}});
  ASSERT_EQ(source.open(""), DSTREAM_OK);
  source.request_stop();
  dstream_batch* batch = nullptr;
  EXPECT_EQ(source.read(1, &batch, 60'000), DSTREAM_CANCELLED);
  EXPECT_EQ(source.open(""), DSTREAM_CANCELLED);
  source.close();
  ASSERT_EQ(source.open(""), DSTREAM_OK);
  ASSERT_EQ(source.read(1, &batch), DSTREAM_OK);
  batch->release(batch);
}

TEST(Generator, ABatchOutlivesTheSource) {
  dstream_batch* batch = nullptr;
  {
    Source source({{"/rows", 2}, {"/size", 8}});
    ASSERT_EQ(source.open(""), DSTREAM_OK);
    ASSERT_EQ(source.read(2, &batch), DSTREAM_OK);
    source.close();
  }
  EXPECT_EQ(DSTREAM_RECORD_AT(batch, 1)->after[0].as.i64, 2);
  EXPECT_STREQ(DSTREAM_RECORD_AT(batch, 1)->schema->name, "records_1");
  batch->release(batch);
}

TEST(Generator, LargeRecordsMakeSmallBatches) {
  Source source({{"/rows", 3}, {"/size", 2'000'000}});
  ASSERT_EQ(source.open(""), DSTREAM_OK);
  dstream_batch* batch = nullptr;
  ASSERT_EQ(source.read(1000, &batch), DSTREAM_OK);
  EXPECT_EQ(batch->record_count, 1u);
  EXPECT_GE(batch->byte_size, 2'000'000u);
  EXPECT_EQ(batch->records[0].after[3].size, 2'000'000u);
  batch->release(batch);
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
