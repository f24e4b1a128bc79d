// The proof of docs/design/004-snapshot.md: whatever is written, captured, cut and killed while
// tables are copied, replaying the records gives the tables.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "plugins/sqlserver_cdc/change_stream.h"
#include "plugins/sqlserver_cdc/memory_database.h"
#include "plugins/sqlserver_cdc/source_error.h"
#include "plugins/sqlserver_cdc/table_schema.h"

namespace dstream::sqlserver {
namespace {

std::string text_of(dstream_bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

const dstream_schema* schema_of(const std::string& name, bool has_key) {
  TableDescription description;
  description.database = "db";
  description.table = {"dbo", name};
  for (const char* column : {"id", "v"}) {
    DescribedColumn described;
    described.name = column;
    description.columns.push_back({column, *column_type("int", described), false});
  }
  if (has_key) {
    description.key = {0};
  }
  return intern_schema(description);
}

// A consumer that keeps tables as the records say, and looks at their order.
struct Replica {
  explicit Replica(size_t tables) : rows(tables), streamed(tables) {}

  void apply(const dstream_record& record) {
    if (record.op == DSTREAM_OP_WATERMARK) {
      return;
    }
    const auto table = static_cast<size_t>(record.schema->name[0] - 'a');
    if (record.op == DSTREAM_OP_TRUNCATE) {
      rows[table].clear();
      return;
    }
    const dstream_value* row = record.after != nullptr ? record.after : record.before;
    const int64_t id = row[0].as.i64;
    const int64_t value = row[1].as.i64;
    if (record.op == DSTREAM_OP_DELETE) {
      rows[table].erase(id);
    } else {
      rows[table][id] = value;
    }
    if (record.op == DSTREAM_OP_SNAPSHOT) {
      ++copied;
      EXPECT_LE(streamed[table][id], value) << "a copied row is older than the stream";
    } else {
      streamed[table][id] = std::max(streamed[table][id], value);
    }
  }

  std::vector<Rows> rows;
  std::vector<std::map<int64_t, int64_t>> streamed;  // newest state by id that changes have told
  size_t copied = 0;
};

struct Plan {
  SnapshotMode mode = SnapshotMode::kInitial;
  bool kills = true;
  bool gaps = false;
  uint32_t chunk_rows = 3;
  uint32_t connections = 3;
  uint32_t checkpoint_one_in = 3;  // of the positions that leave
};

class Run {
 public:
  Run(uint64_t seed, const Plan& plan)
      : random_(seed), plan_(plan), database_(seed), replica_(kTables) {
    database_.tables.resize(kTables);
    database_.tables[kTables - 1].has_key = false;
    for (uint64_t i = random_() % 60; i > 0; --i) {
      database_.write();
    }
    for (size_t i = random_() % 20; i > 0; --i) {
      database_.capture(false);
    }
    database_.sees_scans = random_() % 2 == 0;
    open();
  }

  void go() {
    for (int i = 0; i < 600 && !ended_; ++i) {
      act(random_() % 20);
    }
    if (plan_.mode != SnapshotMode::kOnly) {
      finish();
      EXPECT_EQ(replica_.rows, database_.state());
      return;
    }
    for (int i = 0; i < 50'000 && !ended_; ++i) {
      const uint64_t what = random_() % 20;
      act(what < 2 && random_() % 8 != 0 ? 19 : what);  // so few writes that the stream keeps up
    }
    ASSERT_TRUE(ended_) << "the copies never come to rest: " << last_position_;
    const Position end = parse_position(last_position_);
    for (size_t i = 0; i < kTables; ++i) {
      const Lsn at = end.find({"dbo", std::string(1, static_cast<char>('a' + i))})->key.commit;
      EXPECT_EQ(replica_.rows[i], database_.state_at(at)[i]) << "not as it was at " << at.text();
    }
  }

 private:
  static constexpr size_t kTables = 4;

  void act(uint64_t what) {
    switch (what) {
      case 0:
      case 1:
        database_.write();
        break;
      case 2:
        database_.capture(random_() % 2 == 0);
        break;
      case 3:
        if (plan_.kills && random_() % 3 == 0) {
          kill();
        }
        break;
      case 14:
        if (plan_.kills && random_() % 3 == 0) {
          open();
        }
        break;
      case 4:
        if (plan_.gaps && random_() % 4 == 0) {
          database_.clean_up();
        }
        break;
      case 5:
        if (plan_.mode != SnapshotMode::kOnly && random_() % 4 == 0) {
          stream_->copy_again(
              {"dbo", std::string(1, static_cast<char>('a' + random_() % kTables))});
        }
        break;
      case 6:
        if (random_() % plan_.checkpoint_one_in < 2) {
          stored_ = last_position_;
        }
        if (!stored_.empty()) {
          stream_->committed(parse_position(stored_));
        }
        break;
      case 7:
      case 8:
      case 9:
        changes_->execute(0, random_() % 40 == 0);
        break;
      case 10:
      case 11:
      case 12:
      case 13:
        rows_->execute(random_(), random_() % 40 == 0);
        break;
      default:
        step();
    }
  }

  void step() {
    dstream_batch* batch = nullptr;
    try {
      batch = stream_->step(now_, 77, 1 + random_() % 7, pool_);
    } catch (const SourceError& error) {
      if (error.status == DSTREAM_REOPEN) {
        kill();
      } else if (error.status != DSTREAM_RETRY) {
        throw;
      }
      return;
    }
    stream_->take_warnings();
    ended_ = stream_->ended();
    if (batch == nullptr) {
      now_ += Millis(random_() % 2000);
      return;
    }
    for (uint32_t i = 0; i < batch->record_count; ++i) {
      const dstream_record& record = *DSTREAM_RECORD_AT(batch, i);
      replica_.apply(record);
      if (record.position.size > 0) {
        last_position_ = text_of(record.position);
        if (random_() % plan_.checkpoint_one_in == 0) {
          stored_ = last_position_;
        }
      }
    }
    batch->release(batch);
  }

  // The process ends: what was not stored is forgotten.
  void kill() {
    last_position_ = stored_;
    open();
  }

  // The connection is lost: the host goes on from what it has read, stored or not.
  void open() {
    stream_.reset();
    changes_ = std::make_unique<MemoryChangeFetcher>(database_);
    rows_ = std::make_unique<MemoryCopyFetcher>(database_);
    std::vector<StreamTable> tables;
    for (size_t i = 0; i < kTables; ++i) {
      const std::string name(1, static_cast<char>('a' + i));
      StreamTable table;
      table.name = {"dbo", name};
      table.has_copy_key = database_.tables[i].has_key;
      table.schema = schema_of(name, table.has_copy_key);
      table.poll_interval = table.max_poll_interval = Millis(i % 2 == 0 ? 1000 : 1500);
      table.row_bytes = 100;
      tables.push_back(table);
    }
    StreamSettings settings{plan_.chunk_rows, size_t{1} << 20, plan_.mode, plan_.connections};
    settings.copies_gaps = plan_.mode == SnapshotMode::kWhenGap;
    stream_ = std::make_unique<ChangeStream>(std::move(tables), parse_position(last_position_),
                                             settings, *changes_, *rows_);
    if (!stored_.empty()) {
      stream_->committed(parse_position(stored_));  // as the source has been told before
    }
    database_.groups = stream_->groups();
  }

  // No more writes: until everything is captured, copied and delivered.
  void finish() {
    database_.capture(true);
    size_t quiet = 0;
    for (int i = 0; i < 100'000 && quiet < 50; ++i) {
      changes_->execute(0, false);
      rows_->execute(0, false);
      step();
      stored_ = last_position_;
      stream_->committed(parse_position(stored_));
      now_ += Millis(1000);
      quiet = last_position_.starts_with(R"({"v":1)") ? quiet + 1 : 0;
      database_.capture(true);
    }
    ASSERT_GE(quiet, 50u) << "the copies never come to rest: " << last_position_;
  }

  std::mt19937_64 random_;
  const Plan plan_;
  MemoryDatabase database_;
  Replica replica_;
  std::shared_ptr<SlabPool> pool_ = std::make_shared<SlabPool>(1 << 20);
  std::unique_ptr<MemoryChangeFetcher> changes_;
  std::unique_ptr<MemoryCopyFetcher> rows_;
  std::unique_ptr<ChangeStream> stream_;
  std::string stored_;
  std::string last_position_;
  Millis now_{0};
  bool ended_ = false;
};

// DSTREAM_SNAPSHOT_SEED repeats one run; DSTREAM_SNAPSHOT_SEEDS makes more of them.
void prove(const Plan& plan) {
  const char* one = std::getenv("DSTREAM_SNAPSHOT_SEED");
  const char* many = std::getenv("DSTREAM_SNAPSHOT_SEEDS");
  const uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const uint64_t count = one != nullptr    ? 1
                         : many != nullptr ? std::strtoull(many, nullptr, 10)
                                           : 200;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("DSTREAM_SNAPSHOT_SEED=" + std::to_string(seed));
    Run(seed, plan).go();
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
}

TEST(Snapshot, ReplayingTheRecordsGivesTheTables) { prove({}); }
TEST(Snapshot, ManyChunksOfATableAtOnce) { prove({SnapshotMode::kInitial, true, false, 2, 8}); }
TEST(Snapshot, OneConnection) { prove({SnapshotMode::kInitial, true, false, 5, 1}); }
TEST(Snapshot, GapsAreCopiedAgain) { prove({SnapshotMode::kWhenGap, true, true, 3, 3}); }
TEST(Snapshot, CheckpointsThatComeLate) { prove({SnapshotMode::kInitial, true, false, 3, 3, 60}); }
TEST(Snapshot, OnlyEndsWhereTheCopiesAreConsistent) {
  prove({SnapshotMode::kOnly, false, false, 3, 3});
}

}  // namespace
}  // namespace dstream::sqlserver
