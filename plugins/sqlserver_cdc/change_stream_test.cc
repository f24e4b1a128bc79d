#include "plugins/sqlserver_cdc/change_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "plugins/sqlserver_cdc/memory_change_tables.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

// One record as a test looks at it.
struct Seen {
  std::string text;  // "u Persons 3 1->2"
  std::string position;
  dstream_op op = 0;
  bool transaction_end = false;
  std::string commit;
  uint64_t seq = 0;
  std::string serial;
  int64_t time = 0;

  bool operator==(const Seen&) const = default;
};

std::string text_of(dstream_bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

Seen seen(const dstream_record& record) {
  Seen out;
  out.op = record.op;
  out.position = text_of(record.position);
  if (record.op == DSTREAM_OP_WATERMARK) {
    return out;
  }
  out.transaction_end = (record.flags & DSTREAM_RECORD_TX_END) != 0;
  out.commit = text_of(record.transaction_id);
  out.seq = record.transaction_seq;
  out.time = record.commit_time_ns;
  out.text = record.op == DSTREAM_OP_INSERT ? "i " : record.op == DSTREAM_OP_DELETE ? "d " : "u ";
  out.text += record.schema->name;
  if (record.before != nullptr) {
    out.text += " " + std::to_string(record.before->as.i64);
  }
  if (record.after != nullptr) {
    out.text += "->" + std::to_string(record.after->as.i64);
  }
  EXPECT_EQ(record.header_count, 3u);
  EXPECT_STREQ(record.headers[0].name, "commit_lsn");
  EXPECT_EQ(text_of(record.headers[0].value), out.commit);
  EXPECT_STREQ(record.headers[1].name, "change_lsn");
  out.text += " " + text_of(record.headers[1].value);
  EXPECT_STREQ(record.headers[2].name, "sequence");
  out.serial = text_of(record.headers[2].value);
  return out;
}

// A world of change tables and ways to read it.
class World {
 public:
  MemoryChangeTables server;
  NoCopies no_copies;
  std::vector<StreamTable> tables;
  StreamSettings settings;
  Millis now{0};

  void add_table(const std::string& name, Millis poll = Millis(1000), Millis max = Millis(5000)) {
    TableDescription description;
    description.database = "db";
    description.table = {"dbo", name};
    DescribedColumn described;
    described.name = "id";
    description.columns.push_back({"id", *column_type("int", described), false});
    StreamTable table;
    table.name = description.table;
    table.schema = intern_schema(description);
    table.poll_interval = poll;
    table.max_poll_interval = max;
    table.row_bytes = 100;
    tables.push_back(table);
    server.tables.push_back({name, {0, 1}, {}});
  }
  void commit(uint64_t lsn, std::vector<std::pair<size_t, ChangeKey>> rows) {
    for (auto& [table, key] : rows) {
      key.commit = {lsn, 0};
      server.tables[table].rows[key] = next_value_++;
    }
    server.transactions[{lsn, 0}] = static_cast<int64_t>(lsn) * 1000;
  }

  std::unique_ptr<ChangeStream> open(const std::string& position) {
    auto stream = std::make_unique<ChangeStream>(tables, parse_position(position), settings, server,
                                                 no_copies);
    server.groups = stream->groups();
    return stream;
  }
  // Everything the stream gives until it has nothing to do before `until`. Errors of status RETRY
  // are retried, as the host does.
  std::vector<Seen> drain(ChangeStream& stream, Millis until, size_t records_max = 1000) {
    std::vector<Seen> all;
    for (int guard = 0; guard < 1'000'000; ++guard) {
      dstream_batch* batch = nullptr;
      try {
        batch = stream.step(now, 77, records_max, pool);
      } catch (const SourceError& error) {
        if (error.status != DSTREAM_RETRY) {
          throw;
        }
        continue;
      }
      if (batch != nullptr) {
        EXPECT_LE(batch->record_count, records_max);
        for (uint32_t i = 0; i < batch->record_count; ++i) {
          all.push_back(seen(*DSTREAM_RECORD_AT(batch, i)));
        }
        EXPECT_FALSE(all.back().position.empty());
        batch->release(batch);
      } else if (!stream.wait().for_fetch) {
        if (stream.wait().until > until) {
          return all;
        }
        now = std::max(now, stream.wait().until);
      }
    }
    ADD_FAILURE() << "the stream never comes to rest";
    return all;
  }
  std::vector<Seen> read_all(const std::string& position = "", size_t records_max = 1000) {
    now = Millis(0);
    auto stream = open(position);
    return drain(*stream, Millis(0), records_max);
  }

  std::shared_ptr<SlabPool> pool = std::make_shared<SlabPool>(1 << 20);

 private:
  int64_t next_value_ = 1;
};

ChangeKey row(int32_t command, uint64_t sequence, int32_t operation) {
  return {{}, command, {sequence, 0}, operation};
}

std::vector<std::string> texts(const std::vector<Seen>& all) {
  std::vector<std::string> out;
  for (const Seen& each : all) {
    if (each.op != DSTREAM_OP_WATERMARK) {
      out.push_back(each.text.substr(0, each.text.rfind(' ')) + (each.transaction_end ? " $" : ""));
    }
  }
  return out;
}

TEST(ChangeStream, MergesTablesInCommitOrder) {
  World world;
  world.add_table("A");
  world.add_table("B");
  world.commit(10, {{1, row(1, 5, 2)}, {0, row(2, 6, 2)}});
  world.commit(20, {{0, row(1, 7, 3)}, {0, row(1, 7, 4)}, {1, row(2, 8, 1)}});
  const auto all = world.read_all();
  EXPECT_THAT(texts(all), testing::ElementsAre("i B->1", "i A->2 $", "u A 3->4", "d B 5 $"));
  EXPECT_EQ(all[0].time, 10000);
  EXPECT_EQ(all[3].time, 20000);
  EXPECT_EQ(all[3].seq, 2u);
  EXPECT_EQ(all[2].serial, "2");
}

TEST(ChangeStream, CommandDecidesWhereSequenceRunsBackwards) {
  World world;
  world.add_table("A");
  world.commit(10, {{0, row(1, 9, 1)}, {0, row(2, 3, 2)}});  // a deferred update
  EXPECT_THAT(texts(world.read_all()), testing::ElementsAre("d A 1", "i A->2 $"));
}

TEST(ChangeStream, KeyChangeCountsRowsThatShareBothLsns) {
  World world;
  world.add_table("A");
  world.commit(10, {{0, row(1, 9, 1)}, {0, row(2, 9, 2)}});
  const auto all = world.read_all();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].serial, "1");
  EXPECT_EQ(all[1].serial, "2");
  // Also when reading resumes between the two.
  const auto rest = world.read_all(all[0].position);
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0], all[1]);
}

TEST(ChangeStream, UpdateIsPairedAcrossPages) {
  World world;
  world.add_table("A");
  world.commit(10, {{0, row(1, 1, 2)},
                    {0, row(1, 2, 3)},
                    {0, row(1, 2, 4)},
                    {0, row(1, 3, 3)},
                    {0, row(1, 3, 4)}});
  for (uint32_t page = 1; page <= 6; ++page) {
    for (size_t chunk = 1; chunk <= 3; ++chunk) {
      world.settings.page_rows = page;
      world.server.chunk_rows = chunk;
      EXPECT_THAT(texts(world.read_all()), testing::ElementsAre("i A->1", "u A 2->3", "u A 4->5 $"))
          << page << ' ' << chunk;
    }
  }
}

TEST(ChangeStream, ImpossibleRowsStopTheSource) {
  World world;
  world.add_table("A");
  world.commit(10, {{0, row(1, 1, 3)}, {0, row(1, 2, 2)}});
  EXPECT_THROW(world.read_all(), SourceError);
  World half;
  half.add_table("A");
  half.commit(10, {{0, row(1, 1, 3)}});
  EXPECT_THROW(half.read_all(), SourceError);
  World unknown;
  unknown.add_table("A");
  unknown.commit(10, {{0, row(1, 1, 5)}});
  EXPECT_THROW(unknown.read_all(), SourceError);
}

TEST(ChangeStream, QuietTablesMoveTheirPosition) {
  World world;
  world.add_table("A");
  world.commit(10, {{0, row(1, 1, 2)}});
  world.commit(20, {});  // another table's transaction, or a filler row
  auto stream = world.open("");
  auto all = world.drain(*stream, Millis(0));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].op, dstream_op{DSTREAM_OP_WATERMARK});
  EXPECT_EQ(parse_position(all[1].position).entries[0].key, ChangeKey::end_of({20, 0}));
  // Nothing new: no record at all.
  EXPECT_TRUE(world.drain(*stream, Millis(3600'000)).empty());
  world.commit(30, {});
  all = world.drain(*stream, world.now + Millis(10'000));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(parse_position(all[0].position).entries[0].key, ChangeKey::end_of({30, 0}));
}

TEST(ChangeStream, NamesAreLookedUpWithTheSixteenthLookOrAfterTenSeconds) {
  World world;
  world.add_table("A", Millis(100), Millis(100));
  auto stream = world.open("");
  world.drain(*stream, Millis(0));
  EXPECT_EQ(world.server.names, 1u);
  world.drain(*stream, Millis(1600));
  EXPECT_EQ(world.server.probes, 17u);
  EXPECT_EQ(world.server.names, 1u);
  world.drain(*stream, Millis(1700));
  EXPECT_EQ(world.server.names, 2u);
  World slow;
  slow.add_table("A", Millis(4000), Millis(4000));
  stream = slow.open("");
  slow.drain(*stream, Millis(8000));
  EXPECT_EQ(slow.server.probes, 3u);
  EXPECT_EQ(slow.server.names, 1u);
  slow.drain(*stream, Millis(12'000));
  EXPECT_EQ(slow.server.names, 2u);
}

TEST(ChangeStream, IdleGroupsAreAskedLessOften) {
  World world;
  world.add_table("A", Millis(1000), Millis(8000));
  world.commit(10, {{0, row(1, 1, 2)}});
  auto stream = world.open("");
  world.drain(*stream, Millis(0));
  EXPECT_EQ(world.server.probes, 1u);
  world.drain(*stream, Millis(1000));  // 1 s after the change
  EXPECT_EQ(world.server.probes, 2u);
  world.drain(*stream, Millis(1000 + 1000 + 2000 + 4000 + 8000 + 8000));
  EXPECT_EQ(world.server.probes, 7u);
  EXPECT_EQ(world.server.pages, 1u);
}

TEST(ChangeStream, GroupsKeepTheirOwnPace) {
  World world;
  world.add_table("Busy", Millis(1000), Millis(1000));
  world.add_table("Calm", Millis(60'000), Millis(60'000));
  world.commit(10, {{0, row(1, 1, 2)}, {1, row(1, 2, 2)}});
  auto stream = world.open("");
  EXPECT_THAT(texts(world.drain(*stream, Millis(0))),
              testing::ElementsAre("i Busy->1 $", "i Calm->2 $"));
  world.commit(20, {{0, row(1, 3, 2)}, {1, row(1, 4, 2)}});
  const auto early = world.drain(*stream, Millis(30'000));
  EXPECT_THAT(texts(early), testing::ElementsAre("i Busy->3 $"));
  // A restart now must still find the change of the calm table, and only that.
  auto resumed = world.open(early.back().position);
  EXPECT_THAT(texts(world.drain(*resumed, Millis(30'000))), testing::ElementsAre("i Calm->4 $"));
  EXPECT_THAT(texts(world.drain(*stream, Millis(60'000))), testing::ElementsAre("i Calm->4 $"));
}

TEST(ChangeStream, AddedTableStartsAtItsOldestChangeAndCatchesUp) {
  World world;
  world.add_table("A");
  world.add_table("B");
  for (uint64_t lsn = 10; lsn <= 50; lsn += 10) {
    world.commit(lsn, {{0, row(1, lsn, 2)}, {1, row(2, lsn, 2)}});
  }
  // First only A is read, up to 30.
  World first;
  first.add_table("A");
  first.server.tables[0] = world.server.tables[0];
  for (uint64_t lsn = 10; lsn <= 30; lsn += 10) {
    first.server.transactions[{lsn, 0}] = 1;
  }
  const std::string position = first.read_all().back().position;
  const auto all = world.read_all(position);
  EXPECT_THAT(texts(all), testing::ElementsAre("i B->2 $", "i B->4 $", "i B->6 $", "i A->7",
                                               "i B->8 $", "i A->9", "i B->10 $"));
  // Every position on the way resumes exactly, also while B is behind A.
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(world.read_all(all[i].position),
              std::vector<Seen>(all.begin() + 1 + static_cast<long>(i), all.end()))
        << i;
  }
}

TEST(ChangeStream, RemovedTableIsForgotten) {
  World world;
  world.add_table("A");
  world.add_table("B");
  world.commit(10, {{0, row(1, 1, 2)}, {1, row(2, 1, 2)}});
  const std::string position = world.read_all().back().position;
  World less;
  less.add_table("A");
  less.server.tables[0] = world.server.tables[0];
  less.server.transactions = world.server.transactions;
  less.commit(20, {{0, row(1, 2, 2)}});
  const auto all = less.read_all(position);
  EXPECT_EQ(all.size(), 1u);
  EXPECT_THAT(all[0].position, testing::Not(testing::HasSubstr("dbo.B")));
}

TEST(ChangeStream, PositionBeyondTheMaximumIsDataLoss) {
  World world;
  world.add_table("A");
  world.commit(50, {{0, row(1, 1, 2)}});
  const std::string position = world.read_all().back().position;
  world.server.transactions.clear();
  world.server.tables[0].rows.clear();
  world.commit(40, {{0, row(1, 1, 2)}});
  try {
    world.read_all(position);
    FAIL() << "went on after a restore";
  } catch (const SourceError& error) {
    EXPECT_EQ(error.status, DSTREAM_DATA_LOSS);
  }
  world.server.transactions.clear();
  EXPECT_THROW(world.read_all(position), SourceError);
}

TEST(ChangeStream, CaptureThatBeginsLaterIsNoGap) {
  World world;
  world.add_table("A");
  world.add_table("New");
  world.server.tables[1].low = {25, 0};  // enabled, but the capture job is not there yet
  world.commit(10, {{0, row(1, 1, 2)}});
  auto stream = world.open("");
  const auto all = world.drain(*stream, Millis(0));
  ASSERT_EQ(all.size(), 1u);
  // The position does not claim that New is complete up to 10: its low end point is beyond.
  EXPECT_TRUE(parse_position(all[0].position).find({"dbo", "New"})->key.is_beginning());
  world.commit(20, {});
  world.commit(30, {{1, row(1, 5, 2)}, {0, row(1, 4, 2)}});
  auto more = world.drain(*stream, Millis(100'000));
  EXPECT_THAT(texts(more), testing::ElementsAre("i A->3", "i New->2 $"));
  EXPECT_EQ(parse_position(more.back().position).find({"dbo", "New"})->key,
            ChangeKey::end_of({30, 0}));
}

TEST(ChangeStream, RetriesLoseAndRepeatNothing) {
  World world;
  world.add_table("A");
  world.add_table("B");
  for (uint64_t lsn = 1; lsn <= 40; ++lsn) {
    world.commit(lsn, {{lsn % 2, row(1, lsn, 2)}, {(lsn + 1) % 3 == 0, row(2, lsn, 1)}});
  }
  world.settings.page_rows = 4;
  world.server.times_max = 7;
  const auto expected = world.read_all();
  ASSERT_GE(world.server.times, 5u);
  int calls = 0;
  world.server.before_answer = [&calls](const FetchRequest&) {
    if (++calls % 3 != 0) {
      throw SourceError(DSTREAM_RETRY, "deadlock");
    }
  };
  EXPECT_EQ(world.read_all(), expected);
}

// The server finds where a page begins without passing over what was read of the transaction
// before, but for a page or two; and short transactions are not a page each for that.
TEST(ChangeStream, PagesOfALongTransactionPassOverLittle) {
  for (const int32_t rows_per_command : {1, 7, 250, 1000}) {
    World world;
    world.add_table("A");
    world.settings.page_rows = 10;
    std::vector<std::pair<size_t, ChangeKey>> rows;
    for (int32_t i = 0; i < 1000; ++i) {
      rows.push_back({0, row(i / rows_per_command, static_cast<uint64_t>(i + 1), 2)});
    }
    world.commit(1, rows);
    for (uint64_t lsn = 2; lsn <= 200; ++lsn) {
      world.commit(lsn, {{0, row(1, 1, 2)}, {0, row(2, 2, 2)}, {0, row(3, 3, 2)}});
    }
    EXPECT_EQ(texts(world.read_all()).size(), 1000u + 3 * 199u) << rows_per_command;
    EXPECT_LE(world.server.rows_passed_over, 250u) << rows_per_command;
    const size_t least = (1000 + 3 * 199) / 10;
    EXPECT_LE(world.server.pages, least + 1000 / 250 * 2 + 4) << rows_per_command;
    EXPECT_GE(world.server.narrow_pages, 90u) << rows_per_command;
  }
}

// A page may go to a connection that has never read the table.
TEST(ChangeStream, PagesAreAskedWithWhatRowsTakeLately) {
  World world;
  world.add_table("A");
  for (uint64_t lsn = 1; lsn <= 12; ++lsn) {
    world.commit(lsn, {{0, row(1, lsn, 2)}});
  }
  world.settings.page_rows = 4;
  std::vector<size_t> asked;
  world.server.before_answer = [&asked](const FetchRequest& request) {
    if (const auto* page = std::get_if<PageRequest>(&request)) {
      asked.push_back(page->row_bytes);
    }
  };
  world.read_all();
  ASSERT_GE(asked.size(), 3u);
  EXPECT_NE(asked[1], asked[0]) << "a guess, then what was seen";
  for (size_t i = 1; i < asked.size(); ++i) {
    EXPECT_EQ(asked[i], asked[1]);
  }
}

TEST(ChangeStream, ManyTablesStillGetPositions) {
  World world;
  for (int i = 0; i < 200; ++i) {
    std::string name = std::to_string(i);
    world.add_table("Table" + std::string(4 - name.size(), '0') + name);
  }
  for (uint64_t lsn = 1; lsn <= 300; ++lsn) {
    world.commit(lsn, {{lsn % 200, row(1, lsn, 2)}});
  }
  const auto all = world.read_all("", 100);
  ASSERT_EQ(texts(all).size(), 300u);
  size_t with_position = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    if (!all[i].position.empty()) {
      ++with_position;
      EXPECT_EQ(texts(world.read_all(all[i].position)).size(), 299 - i);
    }
  }
  EXPECT_LT(with_position, 300u);
  EXPECT_GT(with_position, 3u);
}

TEST(ChangeStream, TooManyLongNamesAreRefused) {
  World world;
  for (int i = 0; i < 1000; ++i) {
    world.add_table(std::string(100, 'x') + std::to_string(1000 + i));
  }
  EXPECT_THROW(world.open(""), SourceError);
}

// Random worlds: whatever the page sizes, batch sizes and chunk sizes, the same changes come in the
// same order, and every position that was given out resumes with exactly the rest.
// Small numbers of a fixed sequence.
class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  uint32_t below(uint32_t end) { return static_cast<uint32_t>(engine_() % end); }

 private:
  std::mt19937 engine_;
};

void fill_randomly(World& world, Random& random) {
  const size_t table_count = 1 + random.below(4);
  for (size_t i = 0; i < table_count; ++i) {
    world.add_table(std::string(1, static_cast<char>('A' + i)));
  }
  const unsigned transactions = 1 + random.below(12);
  for (unsigned t = 1; t <= transactions; ++t) {
    std::vector<std::pair<size_t, ChangeKey>> rows;
    for (unsigned i = random.below(7); i > 0; --i) {
      const size_t table = random.below(static_cast<uint32_t>(table_count));
      const auto command = static_cast<int32_t>(random.below(3));
      const uint64_t sequence = random.below(4);
      if (random.below(2) == 0) {
        rows.push_back({table, row(command, sequence, 3)});
        rows.push_back({table, row(command, sequence, 4)});
      } else {
        rows.push_back({table, row(command, sequence, 1 + static_cast<int>(random.below(2)))});
      }
    }
    world.commit(t * 5, rows);
  }
}

void check_every_position(unsigned seed) {
  Random random(seed);
  World world;
  fill_randomly(world, random);
  const std::vector<Seen> all = world.read_all();
  size_t rows = 0;
  for (const MemoryTable& table : world.server.tables) {
    for (const auto& [key, value] : table.rows) {
      rows += key.operation == 3 ? 0 : 1;
    }
  }
  EXPECT_EQ(texts(all).size(), rows) << "seed " << seed;
  for (size_t i = 0; i <= all.size(); ++i) {
    world.settings.page_rows = 1 + random.below(6);
    world.server.chunk_rows = 1 + random.below(4);
    world.server.times_max = 1 + random.below(5);
    const std::string position = i == 0 ? "" : all[i - 1].position;
    const auto rest = world.read_all(position, 1 + random.below(5));
    ASSERT_EQ(rest, std::vector<Seen>(all.begin() + static_cast<long>(i), all.end()))
        << "seed " << seed << ", after record " << i;
  }
}

TEST(ChangeStream, EveryPositionOfARandomWorldResumesWithExactlyTheRest) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    check_every_position(seed);
    ASSERT_FALSE(HasFatalFailure());
  }
}

int64_t lag_ms(const ChangeStream& stream, Millis now) {
  const std::optional<Lag> lag = stream.lags().of_source(now);
  return lag ? lag->value.count() : -1;
}

TEST(ChangeStream, LagIsTheAgeOfTheOldestChangeThatIsLeft) {
  World world;
  world.add_table("A");
  world.add_table("B");
  for (uint64_t lsn = 10; lsn <= 30; lsn += 10) {
    world.commit(lsn, {{0, row(1, 1, 2)}});
    world.server.transactions[{lsn, 0}] = static_cast<int64_t>(lsn) * 1'000'000'000;
  }
  world.server.transactions[{40, 0}] = 40'000'000'000;  // of another table
  world.server.server_time_ns = 100'000'000'000;
  auto stream = world.open("");
  EXPECT_EQ(lag_ms(*stream, world.now), -1);
  for (const int64_t expected : {90'000, 80'000, 70'000}) {
    dstream_batch* batch = nullptr;
    while (batch == nullptr) {
      batch = stream->step(world.now, 77, 1, world.pool);
    }
    ASSERT_EQ(batch->record_count, 1u);
    batch->release(batch);
    EXPECT_EQ(lag_ms(*stream, world.now), expected);
    EXPECT_EQ(lag_ms(*stream, world.now + Millis(500)), expected + 500);
  }
  world.drain(*stream, world.now);
  EXPECT_EQ(lag_ms(*stream, world.now), 0);
}

TEST(ChangeStream, LagOfAGroupThatIsNotLookedAtIsTheTimeSince) {
  World world;
  world.add_table("A", Millis(1000), Millis(1000));
  world.add_table("B", Millis(5000), Millis(5000));
  auto stream = world.open("");
  world.drain(*stream, Millis(0));
  EXPECT_EQ(lag_ms(*stream, Millis(3000)), 0);
  world.drain(*stream, Millis(4000));
  EXPECT_EQ(lag_ms(*stream, Millis(5500)), 0);
  EXPECT_EQ(lag_ms(*stream, Millis(8000)), 4000) << "A was looked at last at 4000";
}

TEST(ChangeStream, ScansAreAskedForRarelyAndNotInVain) {
  World world;
  world.add_table("A");
  world.server.scan = {true, 5, 1, Millis(2000), Millis(1000)};
  auto stream = world.open("");
  world.drain(*stream, Millis(60'000));
  EXPECT_GE(world.server.scans, 4u);
  EXPECT_LE(world.server.scans, 7u);
  EXPECT_EQ(stream->lags().of_capture(Millis(11'000))->value, Millis(2000));
  world.server.scan = {};
  world.server.scans = 0;
  world.now = Millis(0);
  stream = world.open("");
  world.drain(*stream, Millis(60'000));
  EXPECT_EQ(world.server.scans, 1u);
}

// Every scan finds a change of A; looks are counted and a change's wait is measured.
std::pair<size_t, Millis> look_at_scans(PollMode mode) {
  World world;
  world.add_table("A");
  world.settings.poll = mode;
  std::vector<Millis> scans;
  Millis waited(0);
  auto stream = world.open("");
  world.server.before_answer = [&](const FetchRequest& request) {
    if (std::holds_alternative<ScanRequest>(request)) {
      world.server.scan.newest.clear();
      for (size_t i = scans.size(); i > 0 && world.server.scan.newest.size() < 9; --i) {
        world.server.scan.newest.push_back({world.now - scans[i - 1], 1});
      }
    }
  };
  world.server.scan = {true, 1, 0, Millis(0), Millis(0), {}};
  for (Millis end(2'345); end < Millis(600'000); end += Millis(5'000)) {
    world.drain(*stream, end - Millis(1));
    scans.push_back(end);
    world.commit(static_cast<uint64_t>(end.count()), {{0, row(1, 1, 2)}});
    if (end > Millis(60'000)) {
      waited += stream->wait().until - end;
    }
  }
  return {world.server.probes, waited};
}

TEST(ChangeStream, AnAdaptiveLookComesJustAfterTheScanAndLooksAreFewer) {
  const auto [plain_looks, plain_waited] = look_at_scans(PollMode::kInterval);
  const auto [looks, waited] = look_at_scans(PollMode::kAdaptive);
  EXPECT_LT(looks, plain_looks);
  EXPECT_LT(waited * 20, plain_waited);
  EXPECT_GT(waited, Millis(0));
}

}  // namespace
}  // namespace dstream::sqlserver
