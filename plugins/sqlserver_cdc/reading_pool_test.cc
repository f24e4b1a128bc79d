// The stream behind a pool of readers that answer in any order, fail at any time, and some of which
// see an older state of the database than the one that told what is new.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <random>
#include <set>

#include "plugins/sqlserver_cdc/change_stream.h"
#include "plugins/sqlserver_cdc/fetch_queue.h"
#include "plugins/sqlserver_cdc/memory_change_tables.h"

namespace dstream::sqlserver {
namespace {

using Random = std::mt19937_64;

class SimulatedPool : public ChangeFetcher {
 public:
  SimulatedPool(MemoryChangeTables& server, size_t helpers, Random& random)
      : server_(server), readers_(helpers + 1), random_(random) {}

  double error_chance = 0;
  double reopen_chance = 0;  // of an error
  double behind_chance = 0;  // of a helper that connects
  std::set<uint32_t> slow;   // pages of these tables never come
  size_t pages_at_once_max = 0;

  void submit(FetchRequest request) override { queue_.submit(std::move(request), {}); }

  std::unique_ptr<FetchAnswer> take() override {
    for (size_t i = random_() % 4; i > 0; --i) {
      const size_t index = random_() % readers_.size();
      step(readers_[index], index == 0);
    }
    return queue_.take();
  }

 private:
  struct Reader {
    std::optional<Lsn> reach;  // of a helper that is connected; nothing beyond it is visible
    std::optional<FetchQueue::Task> task;
  };

  bool chance(double of) { return std::uniform_real_distribution<>(0, 1)(random_) < of; }

  Lsn some_reach() {
    const auto& all = server_.transactions;
    if (all.empty() || !chance(behind_chance)) {
      return Lsn::max();
    }
    return std::next(all.begin(), static_cast<long>(random_() % all.size()))->first;
  }

  void step(Reader& reader, bool is_first) {
    if (!reader.task) {
      size_t idle = 0;
      for (const Reader& each : readers_) {
        idle += each.reach && !each.task ? 1 : 0;
      }
      if (!is_first && !reader.reach) {
        reader.reach = some_reach();
      }
      reader.task = is_first ? queue_.next_for_first(idle) : queue_.next_for_helper();
      count_pages();
      return;
    }
    const auto* page = std::get_if<PageRequest>(&reader.task->request);
    if (page != nullptr && slow.contains(page->table)) {
      return;
    }
    const FetchQueue::Task task = *std::exchange(reader.task, std::nullopt);
    if (chance(error_chance)) {
      const bool reopen = chance(reopen_chance);
      queue_.fail(task, {reopen ? DSTREAM_REOPEN : DSTREAM_RETRY, "as the test wants it"});
      reader.reach.reset();
    } else if (page == nullptr || is_first) {
      queue_.answer(task, server_.run(task.request));
    } else {
      const Lsn to = std::get<PageRequest>(task.request).to;
      if (*reader.reach < to) {
        queue_.hand_back(task);
        reader.reach.reset();
      } else {
        queue_.answer(task, server_.run(task.request));
      }
    }
  }

  void count_pages() {
    size_t pages = 0;
    std::set<uint32_t> tables;
    for (const Reader& reader : readers_) {
      if (reader.task && std::holds_alternative<PageRequest>(reader.task->request)) {
        ++pages;
        tables.insert(std::get<PageRequest>(reader.task->request).table);
      }
    }
    pages_at_once_max = std::max(pages_at_once_max, tables.size());
    if (error_chance == 0) {
      EXPECT_EQ(pages, tables.size()) << "one page of a table at a time";
    }
  }

  MemoryChangeTables& server_;
  FetchQueue queue_;
  std::vector<Reader> readers_;
  Random& random_;
};

class World {
 public:
  explicit World(size_t table_count) {
    for (size_t i = 0; i < table_count; ++i) {
      TableDescription description;
      description.database = "db";
      description.table = {"dbo", std::string(1, static_cast<char>('A' + i))};
      DescribedColumn described;
      described.name = "id";
      description.columns.push_back({"id", *column_type("int", described), false});
      StreamTable table;
      table.name = description.table;
      table.schema = intern_schema(description);
      table.poll_interval = table.max_poll_interval = Millis(10);
      table.row_bytes = 100;
      tables.push_back(table);
      server.tables.push_back({description.table.text(), {0, 1}, {}});
    }
  }

  // A transaction with some rows in some tables.
  void commit(Random& random) {
    const Lsn lsn{++last_lsn_, 0};
    const size_t rows = 1 + random() % (random() % 10 == 0 ? 60 : 6);
    std::map<std::pair<ChangeKey, size_t>, int64_t> order;  // ties by table
    for (size_t i = 0; i < rows; ++i) {
      const size_t table = random() % tables.size();
      const ChangeKey key{lsn, static_cast<int32_t>(random() % 4), {1 + random() % 50, 0}, 2};
      order.emplace(std::pair(key, table), 0);
    }
    for (auto& [place, value] : order) {
      value = ++last_value_;
      expected.push_back(value);
      server.tables[place.second].rows[place.first] = value;
    }
    server.transactions[lsn] = static_cast<int64_t>(last_lsn_) * 1000;
  }

  MemoryChangeTables server;
  std::vector<StreamTable> tables;
  std::vector<int64_t> expected;

 private:
  uint64_t last_lsn_ = 10;
  int64_t last_value_ = 0;
};

// Reads everything there is, adding transactions meanwhile; reopens as a host would.
class Reading {
 public:
  Reading(World& world, Random& random, size_t helpers)
      : world_(world), random_(random), helpers_(helpers) {
    settings.page_rows = 1 + static_cast<uint32_t>(random() % 9);
    open();
  }

  std::unique_ptr<SimulatedPool> pool;
  StreamSettings settings;
  std::vector<int64_t> seen;
  size_t errors = 0;
  double error_chance = 0;
  double behind_chance = 0;

  void open() {
    stream_.reset();
    pool = std::make_unique<SimulatedPool>(world_.server, helpers_, random_);
    stream_ = std::make_unique<ChangeStream>(world_.tables, parse_position(position_), settings,
                                             *pool, no_copies_);
    world_.server.groups = stream_->groups();
  }

  void step() {
    pool->error_chance = error_chance;
    pool->reopen_chance = 0.3;
    pool->behind_chance = behind_chance;
    try {
      dstream_batch* batch = stream_->step(now_, 77, 1 + random_() % 40, slabs_);
      if (batch != nullptr) {
        take(batch);
      } else if (!stream_->wait().for_fetch) {
        now_ = std::max(now_, stream_->wait().until);
      }
    } catch (const SourceError& error) {
      ++errors;
      ASSERT_TRUE(error.status == DSTREAM_RETRY || error.status == DSTREAM_REOPEN) << error.what();
      if (error.status == DSTREAM_REOPEN) {
        open();
      }
    }
  }

 private:
  void take(dstream_batch* batch) {
    for (uint32_t i = 0; i < batch->record_count; ++i) {
      const dstream_record& record = *DSTREAM_RECORD_AT(batch, i);
      if (record.op != DSTREAM_OP_WATERMARK) {
        seen.push_back(record.after->as.i64);
      }
      if (record.position.size > 0) {
        position_.assign(reinterpret_cast<const char*>(record.position.data), record.position.size);
      }
    }
    batch->release(batch);
  }

  World& world_;
  Random& random_;
  const size_t helpers_;
  NoCopies no_copies_;
  std::shared_ptr<SlabPool> slabs_ = std::make_shared<SlabPool>(1 << 20);
  std::unique_ptr<ChangeStream> stream_;
  std::string position_;
  Millis now_{0};
};

uint64_t first_seed() {
  const char* given = std::getenv("DSTREAM_TEST_SEED");
  const uint64_t seed =
      given == nullptr ? std::random_device{}() : std::strtoull(given, nullptr, 10);
  std::cout << "seed: DSTREAM_TEST_SEED=" << seed << '\n';
  return seed;
}

TEST(ReadingPool, AnyOrderOfAnswersGivesTheSameStream) {
  const uint64_t first = first_seed();
  size_t errors = 0;
  size_t at_once = 0;
  for (uint64_t round = 0; round < 300; ++round) {
    Random random(first + round);
    World world(1 + random() % 6);
    Reading reading(world, random, random() % 5);
    reading.error_chance = random() % 3 == 0 ? 0 : 0.02;
    reading.behind_chance = random() % 2 == 0 ? 0 : 0.5;
    size_t left = 60;
    size_t steps = 0;
    while (left > 0 || reading.seen.size() < world.expected.size()) {
      if (left > 0 && random() % 20 == 0) {
        world.commit(random);
        --left;
      }
      ASSERT_NO_FATAL_FAILURE(reading.step()) << "DSTREAM_TEST_SEED=" << first + round;
      ASSERT_LT(++steps, 100'000u) << "DSTREAM_TEST_SEED=" << first + round;
    }
    ASSERT_EQ(reading.seen, world.expected) << "DSTREAM_TEST_SEED=" << first + round;
    errors += reading.errors;
    at_once = std::max(at_once, reading.pool->pages_at_once_max);
  }
  EXPECT_GT(errors, 100u);
  EXPECT_GT(at_once, 3u);
}

// Everything else is read ahead while the page of one table does not come; nothing overtakes it.
TEST(ReadingPool, SlowTableDoesNotKeepOthersFromBeingRead) {
  Random random(1);
  World world(4);
  for (int i = 0; i < 30; ++i) {
    world.commit(random);
  }
  Reading reading(world, random, 2);
  reading.pool->slow = {0};
  for (int i = 0; i < 5000; ++i) {
    reading.step();
  }
  EXPECT_TRUE(reading.seen.empty());
  const size_t pages_of_others = world.server.pages;
  EXPECT_GT(pages_of_others, 3u);
  reading.pool->slow.clear();
  while (reading.seen.size() < world.expected.size()) {
    reading.step();
  }
  EXPECT_EQ(reading.seen, world.expected);
  // What was there already was not read again.
  const size_t rows_of_first = world.server.tables[0].rows.size();
  EXPECT_LE(world.server.pages, pages_of_others + rows_of_first + 2);
}

}  // namespace
}  // namespace dstream::sqlserver
