#include "plugins/sqlserver_cdc/position.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

const TableName kPersons{"dbo", "Persons"};
const TableName kCars{"dbo", "Cars"};
const TableName kOrders{"dbo", "Orders"};

Position golden_position() {
  Position position;
  PositionEntry moving;
  moving.key = {*Lsn::parse("00000027:000001f4:0003"), 1, *Lsn::parse("00000027:000001f0:0002"), 4};
  moving.last = kPersons;
  moving.transaction_count = 17;
  moving.serial = 2;
  moving.tables = {kCars, kPersons};
  PositionEntry waiting;
  waiting.key = ChangeKey::end_of(*Lsn::parse("00000027:000001e8:0001"));
  waiting.tables = {kOrders};
  PositionEntry fresh;
  fresh.tables = {{"dbo", "a.b"}};
  position.entries = {moving, waiting, fresh};
  return position;
}

CommitText commit_of(const ChangeKey& key, int64_t time_ms) {
  CommitText commit;
  commit.set(Lsn{}, 1);  // another one first: it must not stay
  commit.set(key.commit, time_ms);
  return commit;
}

// Stored in checkpoints: this text must be readable for ever.
constexpr char kGolden[] =
    R"({"v":1,"lsn":"00000027:000001f4:0003","command":1,"seq":"00000027:000001f0:0002","op":4,)"
    R"("table":"dbo.Persons","n":17,"serial":2,"tables":["dbo.Cars","dbo.Persons"],)"
    R"("groups":[{"lsn":"00000027:000001e8:0001","tables":["dbo.Orders"]},)"
    R"({"tables":["dbo.[a.b]"]}]})";

TEST(Position, GoldenTextIsWrittenAndRead) {
  EXPECT_EQ(position_text(golden_position()), kGolden);
  EXPECT_EQ(parse_position(kGolden), golden_position());
}

TEST(Position, GoldenCompleteTransaction) {
  constexpr char kText[] = R"({"v":1,"lsn":"00000027:000001f4:0003","tables":["dbo.Cars"]})";
  const Position position = parse_position(kText);
  ASSERT_EQ(position.entries.size(), 1u);
  EXPECT_EQ(position.entries[0].key, ChangeKey::end_of(*Lsn::parse("00000027:000001f4:0003")));
  EXPECT_EQ(position_text(position), kText);
}

constexpr char kGoldenCopies[] =
    R"({"v":2,"lsn":"00000027:000001f4:0003","tables":["dbo.Cars"],"waiting":["dbo.Persons"],)"
    R"("groups":[{"tables":[],"waiting":["dbo.Orders"]}],)"
    R"("snapshot":[{"table":"dbo.Cars","after":["17","a\"b"],"key":["Id int","n"],"rows":1000,)"
    R"("truncate":true}],)"
    R"("settling":"2026-11-23T10:11:12.1234567"})";

TEST(Position, GoldenCopies) {
  Position position;
  position.entries.push_back(
      {ChangeKey::end_of(*Lsn::parse("00000027:000001f4:0003")), {}, 0, 0, {kCars, kPersons}});
  position.entries.push_back({{}, {}, 0, 0, {kOrders}});
  position.copies.tables = {{kCars, {"17", "a\"b"}, 1000, true, {"Id int", "n"}},
                            {kOrders, {}, 0, false},
                            {kPersons, {}, 0, false}};
  position.copies.settling = "2026-11-23T10:11:12.1234567";
  EXPECT_EQ(position_text(position), kGoldenCopies);
  EXPECT_EQ(parse_position(kGoldenCopies), position);
  const PositionWriter writer(position.entries[0].tables, {position.entries[1]}, position.copies);
  std::string text(writer.size_max(0), 'x');
  const char* end = writer.write_complete(text.data(), commit_of(position.entries[0].key, 0));
  EXPECT_EQ(text.substr(0, static_cast<size_t>(end - text.data())), kGoldenCopies);
}

// When the transaction of an LSN ended is a member that a program from before skips.
constexpr char kGoldenTimes[] =
    R"({"v":1,"lsn":"00000027:000001f4:0003","time":1795428672123,"command":1,)"
    R"("seq":"00000027:000001f0:0002","op":4,"table":"dbo.Persons","n":17,"serial":2,)"
    R"("tables":["dbo.Cars","dbo.Persons"],"groups":[{"lsn":"00000027:000001e8:0001",)"
    R"("time":-3,"tables":["dbo.Orders"]},{"tables":["dbo.[a.b]"]}]})";

TEST(Position, GoldenTimesOfTransactions) {
  Position position = golden_position();
  position.entries[0].time_ms = 1'795'428'672'123;
  position.entries[1].time_ms = -3;
  EXPECT_EQ(position_text(position), kGoldenTimes);
  EXPECT_EQ(parse_position(kGoldenTimes), position);
  const PositionEntry& moving = position.entries[0];
  const PositionWriter writer(moving.tables, {position.entries[1], position.entries[2]});
  const std::string name = json_string(kPersons.text());
  std::string text(writer.size_max(name.size()), 'x');
  const char* end =
      writer.write(text.data(), commit_of(moving.key, moving.time_ms), moving.key, name, 17, 2);
  EXPECT_EQ(std::string(std::as_const(text).data(), end), kGoldenTimes);
}

TEST(Position, DriversRoundADatetimeAndItStaysTheSame) {
  EXPECT_EQ(datetime_ms(0), 0);
  for (const int64_t ns : {3'000'000, 3'333'333, 3'300'000}) {
    EXPECT_EQ(datetime_ms(ns), 3) << ns;
    EXPECT_EQ(datetime_ms(ns - int64_t{1'000'000'000}), -997) << ns;
  }
  for (const int64_t ns : {6'666'667, 7'000'000, 6'666'600}) {
    EXPECT_EQ(datetime_ms(ns), 7) << ns;
  }
  EXPECT_EQ(datetime_ms(996'666'667), 997);
  EXPECT_EQ(datetime_ms(997'000'000), 997);
}

TEST(Position, EmptyTextIsTheBeginning) {
  EXPECT_TRUE(parse_position("").entries.empty());
  EXPECT_EQ(position_text({}), "");
}

TEST(Position, FastWriterWritesTheSame) {
  const Position position = golden_position();
  const PositionEntry& moving = position.entries[0];
  const PositionWriter writer(moving.tables, {position.entries[1], position.entries[2]});
  const std::string name = json_string(kPersons.text());
  std::string text(writer.size_max(name.size()), 'x');
  char* end = writer.write(text.data(), commit_of(moving.key, 0), moving.key, name, 17, 2);
  EXPECT_EQ(std::string(text.data(), end), kGolden);

  Position complete = position;
  complete.entries[0] = {ChangeKey::end_of(moving.key.commit), {}, 0, 0, moving.tables};
  end = writer.write_complete(text.data(), commit_of(moving.key, 0));
  EXPECT_EQ(std::string(text.data(), end), position_text(complete));
}

TEST(Position, LongestKeyFits) {
  const PositionWriter writer({kPersons}, {});
  const std::string name = json_string(std::string(200, 'n') + ".t");
  const ChangeKey key{Lsn::max(), std::numeric_limits<int32_t>::min(), Lsn::max(),
                      std::numeric_limits<int32_t>::min()};
  std::vector<char> text(writer.size_max(name.size()) + 100, 'x');
  const char* end =
      writer.write(text.data(), commit_of(key, INT64_MIN), key, name, UINT64_MAX, UINT32_MAX);
  EXPECT_LE(static_cast<size_t>(end - text.data()), writer.size_max(name.size()));
}

TEST(Position, NamesOfAnyKindComeBack) {
  Position position;
  position.entries.resize(1);
  position.entries[0].key = ChangeKey::end_of({1, 1});
  position.entries[0].tables = {{"a \"q\"", "line\nbreak\\"}, {"größe", "表 😀"}, {"x", "y]z"}};
  EXPECT_EQ(parse_position(position_text(position)), position);
}

TEST(Position, TiesGoByTableName) {
  const PositionEntry entry = golden_position().entries[0];
  // Tables up to the last one are done with this key; those after it begin with it.
  EXPECT_EQ(entry.key_of(kCars), entry.key);
  EXPECT_EQ(entry.key_of(kPersons), entry.key);
  const ChangeKey later = entry.key_of({"dbo", "Zoo"});
  EXPECT_LT(later, (ChangeKey{entry.key.commit, 1, entry.key.sequence, 3}));
  EXPECT_GE(later, (ChangeKey{entry.key.commit, 1, entry.key.sequence, 2}));
}

dstream_status status_of(const std::string& text) {
  try {
    parse_position(text);
  } catch (const SourceError& error) {
    return error.status;
  }
  return DSTREAM_OK;
}

TEST(Position, NewerVersionIsRefusedNotRestarted) {
  EXPECT_EQ(status_of(R"({"v":3,"lsn":"00000027:000001f4:0003","tables":[]})"),
            DSTREAM_UNSUPPORTED);
}

TEST(Position, UnknownMembersAreAccepted) {
  EXPECT_EQ(status_of(R"({"v":1,"lsn":"00000027:000001f4:0003","tables":["a.b"],"new":{"x":[1]}})"),
            DSTREAM_OK);
}

TEST(Position, DamageIsRefused) {
  for (const char* bad :
       {"{", "[]", "null", "7", "\"x\"", "{}", R"({"v":1})", R"({"v":"1","tables":[]})",
        R"({"v":1,"tables":"x"})", R"({"v":1,"tables":[1]})", R"({"v":1,"tables":["x"]})",
        R"({"v":1,"lsn":"00000027:000001f4:0003","time":"x","tables":["a.b"]})",
        R"({"v":1,"lsn":5,"tables":["a.b"]})", R"({"v":1,"lsn":"5","tables":["a.b"]})",
        R"({"v":1,"lsn":"00000027:000001f4:0003","seq":"00000027:000001f4:0003","tables":["a.b"]})",
        R"({"v":1,"tables":["a.b"],"groups":[7]})", R"({"v":true,"tables":["a.b"]})",
        R"({"v":1,"lsn":"00000027:000001f4:0003","seq":"00000027:000001f4:0003","command":1,)"
        R"("op":9,"table":"a.b","tables":["a.b"]})"}) {
    EXPECT_EQ(status_of(bad), DSTREAM_CONFIG) << bad;
  }
  EXPECT_EQ(status_of(std::string(70000, ' ')), DSTREAM_CONFIG);
  EXPECT_EQ(status_of(std::string(60000, '[')), DSTREAM_CONFIG);
}

TEST(Position, MutatedTextNeverDoesMoreThanFail) {
  constexpr unsigned kSeed = 4711;
  std::mt19937 random(kSeed);
  for (int round = 0; round < 20000; ++round) {
    std::string text = kGolden;
    for (unsigned i = 1 + random() % 4; i > 0; --i) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = static_cast<char>(random());
          break;
        case 1:
          text.erase(at, 1 + random() % 8);
          break;
        default:
          text.insert(at, 1, static_cast<char>(' ' + random() % 95));
          break;
      }
    }
    const dstream_status status = status_of(text);
    ASSERT_TRUE(status == DSTREAM_OK || status == DSTREAM_CONFIG || status == DSTREAM_UNSUPPORTED)
        << "seed " << kSeed << " round " << round << ": " << text;
  }
}

}  // namespace
}  // namespace dstream::sqlserver
