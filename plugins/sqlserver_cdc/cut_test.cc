// The connection is spoiled at every packet of everything that a source does: login, catalog,
// looks, pages, commit times, large values, copies, scans of the log. Whatever happens, what is
// delivered is exactly what would have been, and no error is taken for an end (I5).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "plugins/sqlserver_cdc/fault_fixture.h"

namespace dstream::sqlserver {
namespace {

using How = PacketProxy::How;
using Where = PacketProxy::Where;

constexpr char kCars[] =
    "CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL)";
constexpr char kNotes[] =
    "CREATE TABLE dbo.Notes (ID int NOT NULL PRIMARY KEY, Body nvarchar(max) NULL)";
const std::vector<std::string> kTables = {"dbo.Cars", "dbo.Notes"};

std::string describe(const PacketProxy::Spoil& spoil, const PacketProxy& proxy) {
  constexpr const char* kWhere[] = {"before", "in the middle of", "after"};
  constexpr const char* kHow[] = {"reset", "end", "silence", "pieces"};
  return std::string(kHow[static_cast<size_t>(spoil.how)]) + ' ' +
         kWhere[static_cast<size_t>(spoil.where)] + " packet " + std::to_string(spoil.packet) +
         " (" + proxy.what() + ')';
}

class CutTest : public FaultFixture {
 public:
  // Changes of both tables from `start_` on, such that a look has to prove that a gap is none.
  void make_changes() {
    create_table(kCars, "Cars");
    create_table(kNotes, "Notes");
    run("INSERT INTO dbo.Cars VALUES (0, N'first')");
    wait_captured("dbo_Cars", 1);
    const Reading first = read_all(kTables, options_, "", 1);
    ASSERT_EQ(first.seen.size(), 1u);
    start_ = first.seen[0].position;
    source().close();
    run("INSERT INTO dbo.Notes VALUES (0, N'other')");
    wait_captured("dbo_Notes", 1);
    clean_up("dbo_Cars");
    for (int i = 1; i <= 4; ++i) {
      const std::string id = std::to_string(i);
      run("BEGIN TRANSACTION; INSERT INTO dbo.Cars VALUES (" + id + ", N'a'), (1" + id +
          ", N'b'); INSERT INTO dbo.Notes VALUES (" + id +
          ", REPLICATE(CONVERT(nvarchar(max), N'x'), 9000)); UPDATE dbo.Cars SET Model = N'c' "
          "WHERE ID = " +
          id + "; COMMIT");
    }
    wait_captured("dbo_Cars", 16);
    wait_captured("dbo_Notes", 5);
    expected_ = 17;
  }
  Reading read_changes() { return read_all(kTables, options_, start_, expected_); }

  // Spoils every `step`th packet in turn.
  void spoil_changes(Where where, How how, uint64_t packets, const Reading& clean, uint64_t step) {
    uint64_t reached = 0;
    uint64_t noticed = 0;
    uint64_t tried = 0;
    for (uint64_t packet = 1; packet <= packets; packet += step) {
      const PacketProxy::Spoil spoil{packet, where, how};
      proxy().spoil(spoil);
      const Reading reading = read_changes();
      const std::string place = describe(spoil, proxy());
      ++tried;
      reached += proxy().has_happened() ? 1 : 0;
      noticed += reading.reopened + reading.retried > 0 ? 1 : 0;
      ASSERT_THAT(reading.problems, ::testing::IsEmpty()) << place;
      ASSERT_EQ(texts(reading.seen), texts(clean.seen)) << place;
      ASSERT_EQ(facts(reading.seen), facts(clean.seen)) << place;
      ASSERT_LE(reading.reopened, 1) << place;
      ASSERT_TRUE(how != How::kPieces || reading.reopened + reading.retried == 0) << place;
    }
    // Looks go by the clock: a run may have a packet less than the one that was counted.
    EXPECT_GE(reached + 4, tried);
    EXPECT_GE(noticed + 4, how == How::kPieces ? 0 : reached);
  }

  std::string options_ = R"("page_rows":3)";
  std::string start_;
  size_t expected_ = 0;
};

TEST_F(CutTest, EveryPacketOfReadingChanges) {
  ASSERT_NO_FATAL_FAILURE(make_changes());
  proxy().spoil({});
  const Reading clean = read_changes();
  ASSERT_EQ(clean.seen.size(), expected_);
  ASSERT_EQ(clean.reopened, 0);
  const uint64_t packets = proxy().packets();
  ASSERT_GT(packets, 40u);
  RecordProperty("packets", static_cast<int>(packets));
  for (const Where where : {Where::kBefore, Where::kMiddle}) {
    for (const How how : {How::kReset, How::kEnd}) {
      ASSERT_NO_FATAL_FAILURE(spoil_changes(where, how, packets, clean, 1));
    }
  }
}

TEST_F(CutTest, PacketsMayArriveByteByByte) {
  ASSERT_NO_FATAL_FAILURE(make_changes());
  proxy().spoil({});
  const Reading clean = read_changes();
  const uint64_t packets = proxy().packets();
  ASSERT_NO_FATAL_FAILURE(spoil_changes(Where::kBefore, How::kPieces, packets, clean, 1));
}

// Half-open: nobody says that the connection is gone. Time-outs do, the driver's or that of the
// watch over its calls, and then it is given up: asking again on it would never end.
TEST_F(CutTest, SilenceIsNoticed) {
  ASSERT_NO_FATAL_FAILURE(make_changes());
  proxy().spoil({});
  const Reading clean = read_changes();
  const uint64_t packets = proxy().packets();
  options_ = R"("page_rows":3,"query_timeout":"1s","login_timeout":"1s")";
  ASSERT_NO_FATAL_FAILURE(spoil_changes(Where::kBefore, How::kSilence, packets, clean, 12));
  ASSERT_NO_FATAL_FAILURE(spoil_changes(Where::kMiddle, How::kSilence, packets, clean, 20));
}

// More transactions than commit times fit into a look: the rest is asked for while changes wait.
TEST_F(CutTest, ExtraCommitTimes) {
  constexpr int kTransactions = 4'200;
  create_table(kCars, "Cars");
  run("INSERT INTO dbo.Cars VALUES (0, N'first')");
  wait_captured("dbo_Cars", 1);
  start_ = read_all({"dbo.Cars"}, "", "", 1).seen.at(0).position;
  source().close();
  std::string inserts;
  for (int i = 1; i <= kTransactions; ++i) {
    inserts += "INSERT INTO dbo.Cars VALUES (" + std::to_string(i) + ", N'a');\n";
  }
  run(inserts);
  wait_captured("dbo_Cars", kTransactions + 1);
  const auto read = [&] { return read_all({"dbo.Cars"}, "", start_, kTransactions); };
  const Reading clean = read();
  ASSERT_EQ(clean.seen.size(), size_t{kTransactions});
  ASSERT_EQ(clean.reopened + clean.retried, 0);
  for (const auto action : {standin::FaultAction::kDrop, standin::FaultAction::kError}) {
    for (const int64_t rows : {0, 1, 50, 103}) {
      standin::Fault fault = standin::deadlock_after_rows(rows);
      fault.action = action;
      fault.statement_contains = "AND start_lsn <= ";
      const auto id = faults().add(fault);
      const Reading reading = read();
      ASSERT_EQ(faults().fired(id), 1u) << rows;
      faults().remove(id);
      ASSERT_THAT(reading.problems, ::testing::IsEmpty()) << rows;
      ASSERT_EQ(reading.reopened + reading.retried, 1) << rows;
      ASSERT_EQ(facts(reading.seen), facts(clean.seen)) << rows;
      ASSERT_EQ(texts(reading.seen), texts(clean.seen)) << rows;
    }
  }
}

// Copies have connections of their own. Rows of a table with a key come once each; of one without,
// from the first row again.
class CopyCutTest : public FaultFixture {
 public:
  void make_rows() {
    run(kCars);
    run("CREATE TABLE dbo.Heap (ID int NOT NULL, Name nvarchar(20) NULL)");
    for (int i = 1; i <= 9; ++i) {
      const std::string id = std::to_string(i);
      run("INSERT INTO dbo.Cars VALUES (" + id + ", N'm')");
      run("INSERT INTO dbo.Heap VALUES (" + id + ", N'h')");
      expected_.insert("r Cars after " + id + "|m");
      expected_.insert("r Heap after " + id + "|h");
    }
    enable_table("Cars");
    enable_table("Heap");
  }
  // All rows; to the end of the source if `to_the_end`.
  Reading copy(bool to_the_end) {
    const std::string mode = to_the_end ? "only" : "initial";
    return read_all({"dbo.Cars", "dbo.Heap"}, R"("page_rows":3,"snapshot":")" + mode + '"', "",
                    to_the_end ? SIZE_MAX : expected_.size());
  }
  // The copy, with a packet of it spoiled.
  void spoil_copy(const PacketProxy::Spoil& spoil, bool to_the_end) {
    proxy().spoil(spoil);
    const Reading reading = copy(to_the_end);
    const std::string place = describe(spoil, proxy());
    noticed_ += reading.reopened > 0 ? 1 : 0;
    ASSERT_THAT(reading.problems, ::testing::IsEmpty()) << place;
    ASSERT_EQ(reading.ended, to_the_end) << place;
    std::set<std::string> rows;
    bool heap_again = false;
    for (const Seen& row : reading.seen) {
      const bool fresh = rows.insert(row.text).second;
      heap_again = heap_again || !fresh;
      ASSERT_TRUE(fresh || row.text.starts_with("r Heap")) << row.text << ": " << place;
    }
    ASSERT_TRUE(heap_again || rows == expected_) << place;
  }

  std::set<std::string> expected_;
  uint64_t noticed_ = 0;
};

TEST_F(CopyCutTest, EveryPacketOfCopyingTables) {
  make_rows();
  proxy().spoil({});
  ASSERT_EQ(copy(false).seen.size(), expected_.size());
  const uint64_t packets = proxy().packets();
  ASSERT_GT(packets, 40u);
  for (const How how : {How::kReset, How::kEnd}) {
    for (uint64_t packet = 1; packet <= packets; ++packet) {
      for (const Where where : {Where::kBefore, Where::kMiddle}) {
        ASSERT_NO_FATAL_FAILURE(spoil_copy({packet, where, how}, false));
      }
    }
  }
  EXPECT_GE(noticed_, packets);
}

// With `only` the source ends when the capture job has passed what was copied, which scans of the
// log tell: a connection that is cut meanwhile must not look like that end.
TEST_F(CopyCutTest, EveryPacketOfSettling) {
  make_rows();
  proxy().spoil({});
  ASSERT_TRUE(copy(true).ended);
  const uint64_t packets = proxy().packets();
  for (uint64_t packet = packets - 20; packet <= packets; ++packet) {
    const Where where = packet % 2 == 0 ? Where::kMiddle : Where::kBefore;
    ASSERT_NO_FATAL_FAILURE(spoil_copy({packet, where, How::kReset}, true));
  }
}

TEST_F(CopyCutTest, CloseDoesNotWaitForAServerThatStalls) {
  make_rows();
  standin::Fault fault;
  fault.action = standin::FaultAction::kStall;
  fault.statement_contains = "FROM [dbo].[Cars]";
  fault.after_rows = 1;
  const auto id = faults().add(fault);
  open({"dbo.Cars"}, R"("snapshot":"initial","page_rows":3)");
  while (faults().fired(id) == 0) {
    const Batch batch = source().read(100, Millis(50));
    if (batch.size() > 0) {
      source().commit(batch.last_position());
    }
  }
  const auto started = std::chrono::steady_clock::now();
  source().request_stop();
  source().close();
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(10));
  faults().release();
}

}  // namespace
}  // namespace dstream::sqlserver
