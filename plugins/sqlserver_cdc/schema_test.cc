// The proof of docs/design/005-schema-change.md: whatever is written, altered, enabled, dropped and
// killed, every change leaves once, with the schema of the capture instance that is to be read at
// its LSN, and behind the record that announced this schema. Where tables are copied beside that, a
// change from before a table's beginning is in its copy instead.
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <random>
#include <set>

#include "plugins/sqlserver_cdc/change_stream.h"
#include "plugins/sqlserver_cdc/memory_change_tables.h"
#include "plugins/sqlserver_cdc/memory_instances.h"

namespace dstream::sqlserver {
namespace {

constexpr size_t kTables = 4;

std::string text_of(dstream_bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data), bytes.size};
}

std::string name_of(size_t table) { return std::string(1, static_cast<char>('a' + table)); }

const dstream_schema* schema_of(const MemoryInstance& instance) {
  TableDescription description;
  description.database = "db";
  description.table = {"dbo", name_of(instance.table)};
  DescribedColumn described;
  described.name = instance.column();
  description.columns.push_back({described.name, *column_type("int", described), false});
  description.key = {0};
  return intern_schema(description);
}

// Requests wait until the test executes them.
template <class Interface, class Request, class Answer>
class Fetcher : public Interface {
 public:
  using Execute = std::function<Answer(const Request&)>;
  explicit Fetcher(Execute execute) : execute_(std::move(execute)) {}

  void submit(Request request) override { requests_.push_back(std::move(request)); }
  std::unique_ptr<Answer> take() override {
    if (failure_) {
      const SourceError failure = *std::exchange(failure_, std::nullopt);
      throw SourceError(failure);
    }
    if (answers_.empty()) {
      return nullptr;
    }
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  // One of the requests, `at` counted from the first.
  void execute(bool fails, size_t at = 0) {
    if (requests_.empty()) {
      return;
    }
    const auto chosen = requests_.begin() + static_cast<std::ptrdiff_t>(at % requests_.size());
    const Request request = std::move(*chosen);
    requests_.erase(chosen);
    try {
      if (fails) {
        throw SourceError(DSTREAM_RETRY, "injected");
      }
      answers_.push_back(std::make_unique<Answer>(execute_(request)));
    } catch (const SourceError& error) {
      failure_.emplace(error);
      requests_.clear();
      answers_.clear();
    }
  }

 private:
  const Execute execute_;
  std::deque<Request> requests_;
  std::deque<std::unique_ptr<Answer>> answers_;
  std::optional<SourceError> failure_;
};
using Changes = Fetcher<ChangeFetcher, FetchRequest, FetchAnswer>;
using CopiedRows = Fetcher<CopyFetcher, CopyRequest, CopyAnswer>;

// A consumer that goes back with the checkpoint: what it holds must be there exactly once.
struct Consumer {
  struct Table {
    std::vector<std::pair<Lsn, int64_t>> rows;
    std::set<Lsn> told;     // LSNs of DDL
    std::string announced;  // the schema's column; empty: none yet
    std::set<int64_t> copied;
    std::optional<Lsn> begun;  // changes from here on are streamed; what is older is copied
  };
  std::vector<Table> tables = std::vector<Table>(kTables);
};

class Play {
 public:
  Play(uint64_t seed, bool copies) : random_(seed), server_(seed, kTables), copies_(copies) {
    if (!copies_) {
      for (Consumer::Table& table : consumer_.tables) {
        table.begun = Lsn{};
      }
      stored_consumer_ = consumer_;
    }
    open();
  }

  void go() {
    for (int i = 0; i < 1500; ++i) {
      act(random_() % 28);
      if (::testing::Test::HasFailure()) {
        return;
      }
    }
    finish();
    for (size_t i = 0; i < kTables; ++i) {
      const Consumer::Table& table = consumer_.tables[i];
      EXPECT_EQ(table.rows, changes_to_see(i)) << name_of(i);
      EXPECT_EQ(table.told, definitions_to_tell(i)) << name_of(i);
      EXPECT_EQ(missing(i), std::set<int64_t>{}) << name_of(i);
    }
  }

 private:
  void act(uint64_t what) {
    const size_t table = random_() % kTables;
    switch (what) {
      case 0:
      case 1:
        server_.write();
        break;
      case 2:
        server_.capture(1 + random_() % 4);
        break;
      case 3:
        if (random_() % 4 == 0) {
          server_.define();
        }
        break;
      case 4:
        if (random_() % 3 == 0) {
          server_.enable(table);
        }
        break;
      case 5:
        drop(table);
        break;
      case 6:
        if (random_() % 4 == 0) {
          kill();
        }
        break;
      case 7:
        if (random_() % 8 == 0) {
          clean_up();
        }
        break;
      case 8:
      case 9:
      case 10:
      case 11:
        fetcher_->execute(random_() % 40 == 0);
        break;
      case 12:
      case 13:
      case 14:
        rows_->execute(random_() % 40 == 0, random_());
        break;
      case 15:
        if (copies_ && random_() % 8 == 0) {
          stream_->copy_again({"dbo", name_of(table)});
        }
        break;
      case 16:
        tell_stored();
        break;
      default:
        step();
    }
  }

  // As an operator does it when the log has said that it may be: the newer instance has all that
  // the checkpoint needs.
  void drop(size_t table) {
    const auto rows = server_.of_table(table);
    const Position position = parse_position(stored_);
    const PositionEntry* entry = position.find({"dbo", name_of(table)});
    if (rows.size() == 2 && entry != nullptr && !rows[1].start.is_zero() &&
        entry->key_of({"dbo", name_of(table)}).commit >= rows[1].start) {
      server_.drop_older(table);
    }
  }
  // Not beyond what the checkpoint needs.
  void clean_up() {
    Lsn needed = Lsn::max();
    const Position position = parse_position(stored_);
    for (size_t i = 0; i < kTables; ++i) {
      const PositionEntry* entry = position.find({"dbo", name_of(i)});
      needed = entry == nullptr
                   ? Lsn{}
                   : std::min(needed, entry->key_of({"dbo", name_of(i)}).first_needed());
    }
    server_.clean_up(needed);
  }

  void step() {
    dstream_batch* batch = nullptr;
    try {
      batch = stream_->step(now_, 77, 1 + random_() % 7, pool_);
    } catch (const SourceError& error) {
      if (error.status == DSTREAM_REOPEN) {  // the host opens at the last position it has read
        told_.clear();
        open();
      } else if (error.status != DSTREAM_RETRY) {
        throw;
      }
      return;
    }
    if (batch != nullptr) {
      for (uint32_t i = 0; i < batch->record_count; ++i) {
        take(*DSTREAM_RECORD_AT(batch, i));
      }
      batch->release(batch);
      return;
    }
    if (stream_->is_outdated()) {
      position_ = stream_->position();
      for (size_t i = 0; i < kTables; ++i) {
        told_[catalog_.instances[i]] = stream_->told({"dbo", name_of(i)});
      }
      ++reloads_;
      open();
      return;
    }
    now_ += Millis(random_() % 2000);
  }

  // The host says what it has made durable.
  void tell_stored() {
    if (!stored_.empty()) {
      stream_->committed(parse_position(stored_));
    }
  }

  void take(const dstream_record& record) {
    if (record.op == DSTREAM_OP_SNAPSHOT) {
      const auto index = static_cast<size_t>(record.schema->name[0] - 'a');
      EXPECT_TRUE(consumer_.tables[index].begun) << "copied before its changes have a beginning";
      consumer_.tables[index].copied.insert(record.after->as.i64);
    } else if (record.op != DSTREAM_OP_WATERMARK) {
      const auto index = static_cast<size_t>(record.schema->name[0] - 'a');
      const Lsn commit = *Lsn::parse(text_of(record.headers[0].value));
      const std::string column = record.schema->columns[0].name;
      Consumer::Table& table = consumer_.tables[index];
      if (record.op == DSTREAM_OP_SCHEMA) {
        table.announced = column;
        if (record.header_count == 3) {
          EXPECT_EQ(text_of(record.headers[2].value), "DDL " + commit.text());
          EXPECT_EQ(record.commit_time_ns, 7);
          EXPECT_TRUE(table.rows.empty() || table.rows.back().first < commit)
              << "told behind changes that came later";
          table.told.insert(commit);
        }
      } else {
        table.rows.emplace_back(commit, record.after->as.i64);
        check_schema(index, commit, column, table);
      }
    }
    if (record.position.size > 0) {
      const std::string before = std::exchange(position_, text_of(record.position));
      if (record.op == DSTREAM_OP_SNAPSHOT) {
        check_forward(before);
      }
      note_beginnings();
      if (random_() % 3 == 0) {
        stored_ = position_;
        stored_consumer_ = consumer_;
      }
    }
  }

  // What leaves between changes does not take the position of any back.
  void check_forward(const std::string& before) const {
    const Position from = parse_position(before);
    const Position to = parse_position(position_);
    for (size_t i = 0; i < kTables; ++i) {
      const TableName name{"dbo", name_of(i)};
      const PositionEntry* known = from.find(name);
      const PositionEntry* now = to.find(name);
      EXPECT_TRUE(known == nullptr || (now != nullptr && now->key_of(name) >= known->key_of(name)))
          << before << "\n"
          << position_;
    }
  }
  void note_beginnings() {
    for (size_t i = 0; i < kTables; ++i) {
      Consumer::Table& table = consumer_.tables[i];
      if (table.begun) {
        continue;
      }
      const Position position = parse_position(position_);
      const PositionEntry* entry = position.find({"dbo", name_of(i)});
      if (entry != nullptr && !entry->key.is_beginning()) {
        table.begun = entry->key_of({"dbo", name_of(i)}).first_needed();
      }
    }
  }
  std::vector<std::pair<Lsn, int64_t>> changes_to_see(size_t table) {
    std::vector<std::pair<Lsn, int64_t>> changes = server_.written[table];
    const Lsn begun = consumer_.tables[table].begun.value_or(Lsn::max());
    std::erase_if(changes, [begun](const auto& change) { return change.first < begun; });
    return changes;
  }
  // Rows that have come neither as a change nor as a copy.
  std::set<int64_t> missing(size_t table) const {
    const std::vector<int64_t>& present = server_.present(table);
    std::set<int64_t> rows(present.begin(), present.end());
    for (const auto& [commit, value] : consumer_.tables[table].rows) {
      rows.erase(value);
    }
    for (const int64_t value : consumer_.tables[table].copied) {
      rows.erase(value);
    }
    return rows;
  }

  void check_schema(size_t table, Lsn commit, const std::string& column,
                    const Consumer::Table& seen) const {
    const std::string instance = column.substr(0, column.rfind('_'));
    EXPECT_EQ(instance, "of_" + std::to_string(instance_at(table, commit)))
        << "table " << name_of(table) << " at " << commit.text();
    if (!seen.announced.empty()) {
      EXPECT_EQ(instance, seen.announced.substr(0, seen.announced.rfind('_'))) << commit.text();
    }
    for (const Lsn lsn : definitions_to_tell(table)) {
      EXPECT_TRUE(lsn > commit || seen.told.contains(lsn)) << "not told: " << lsn.text();
    }
  }
  // The newest instance that has the changes of `commit`.
  int64_t instance_at(size_t table, Lsn commit) const {
    int64_t newest = 0;
    for (const auto& [id, began] : server_.began) {
      if (server_.table_of.at(id) == table && began <= commit) {
        newest = std::max(newest, id);
      }
    }
    return newest;
  }
  // What an instance met while it was the one to be read.
  std::set<Lsn> definitions_to_tell(size_t table) const {
    std::set<Lsn> lsns;
    const auto at = server_.defined.find(table);
    for (size_t i = 0; at != server_.defined.end() && i < at->second.size(); ++i) {
      const Lsn lsn = at->second[i];
      const Lsn begun = consumer_.tables[table].begun.value_or(Lsn::max());
      if (lsn >= begun && instance_at(table, lsn) != 0) {
        lsns.insert(lsn);
      }
    }
    return lsns;
  }

  void kill() {
    position_ = stored_;
    consumer_ = stored_consumer_;
    told_.clear();
    open();
  }

  void open() {
    stream_.reset();
    catalog_ = {};
    std::vector<StreamTable> tables;
    const Position position = parse_position(position_);
    for (size_t i = 0; i < kTables; ++i) {
      const TableName name{"dbo", name_of(i)};
      const PositionEntry* known = position.find(name);
      const auto rows = server_.of_table(i);
      const bool is_copied_first = copies_ && known == nullptr;
      const size_t chosen =
          is_copied_first
              ? rows.size() - 1
              : choose_instance(rows,
                                known == nullptr ? Lsn{} : known->key_of(name).first_needed());
      const MemoryInstance& instance = *server_.find(rows[chosen].object_id);
      catalog_.instances.push_back(instance.row.object_id);
      catalog_.definitions.push_back(instance.newest_definition());
      StreamTable table;
      table.name = name;
      table.schema = schema_of(instance);
      table.poll_interval = table.max_poll_interval = Millis(i % 2 == 0 ? 1000 : 1500);
      table.row_bytes = 100;
      table.has_copy_key = true;
      table.copy_key = {instance.key()};
      table.instance = instance.column();
      table.start = chosen == 0 ? Lsn{} : instance.row.start;
      table.definition = instance.newest_definition();
      if (const auto told = told_.find(instance.row.object_id); told != told_.end()) {
        table.told = told->second;
      }
      table.announces_schema = !told_.empty() && !told_.contains(instance.row.object_id);
      tables.push_back(table);
    }
    told_.clear();
    fetcher_ = std::make_unique<Changes>([this, catalog = catalog_](const FetchRequest& request) {
      return server_.answer(request, catalog, stream_->groups());
    });
    rows_ = std::make_unique<CopiedRows>([this, catalog = catalog_](const CopyRequest& request) {
      return server_.answer(request, catalog);
    });
    const StreamSettings settings{3, size_t{1} << 20,
                                  copies_ ? SnapshotMode::kInitial : SnapshotMode::kNever, 2};
    stream_ =
        std::make_unique<ChangeStream>(std::move(tables), position, settings, *fetcher_, *rows_);
    tell_stored();
  }

  // No more writes: until everything is captured and delivered.
  void finish() {
    server_.capture_all();
    const auto is_done = [this] {
      for (size_t i = 0; i < kTables; ++i) {
        if (consumer_.tables[i].rows.size() < changes_to_see(i).size() ||
            consumer_.tables[i].told.size() < definitions_to_tell(i).size() ||
            !missing(i).empty()) {
          return false;
        }
      }
      return true;
    };
    for (int i = 0; i < 100'000 && !is_done() && !::testing::Test::HasFailure(); ++i) {
      settle();
    }
    // Nothing more comes: neither the same again nor another stream.
    const size_t reloads = reloads_;
    for (int i = 0; i < 500; ++i) {
      settle();
    }
    EXPECT_LE(reloads_ - reloads, kTables) << "it never comes to rest";
  }

  void settle() {
    fetcher_->execute(false);
    rows_->execute(false);
    step();
    stored_ = position_;
    stored_consumer_ = consumer_;
    tell_stored();
  }

  std::mt19937_64 random_;
  MemoryInstances server_;
  const bool copies_;
  MemoryCatalog catalog_;
  std::map<int64_t, Lsn> told_;
  Consumer consumer_;
  Consumer stored_consumer_;
  std::shared_ptr<SlabPool> pool_ = std::make_shared<SlabPool>(1 << 20);
  std::unique_ptr<Changes> fetcher_;
  std::unique_ptr<CopiedRows> rows_;
  std::unique_ptr<ChangeStream> stream_;
  std::string stored_;
  std::string position_;
  size_t reloads_ = 0;
  Millis now_{0};
};

// DSTREAM_SCHEMA_SEED repeats one run; DSTREAM_SCHEMA_SEEDS makes more of them.
void prove(bool copies) {
  const char* one = std::getenv("DSTREAM_SCHEMA_SEED");
  const char* many = std::getenv("DSTREAM_SCHEMA_SEEDS");
  const uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const uint64_t count = one != nullptr    ? 1
                         : many != nullptr ? std::strtoull(many, nullptr, 10)
                                           : 300;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("DSTREAM_SCHEMA_SEED=" + std::to_string(seed));
    Play(seed, copies).go();
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
}

TEST(SchemaChange, EveryChangeLeavesOnceWithTheSchemaOfItsInstance) { prove(false); }
TEST(SchemaChange, CopiesBesideItMissNothing) { prove(true); }

TEST(SchemaChange, TheNewestInstanceIsToldByCreationNotByItsLowEndPoint) {
  const Lsn low{5, 0};
  EXPECT_EQ(choose_instance({{1, 9, low}, {2, 9, low}}, {7, 0}), 1u);
  EXPECT_EQ(choose_instance({{1, 9, low}, {2, 9, {8, 0}}}, {7, 0}), 0u);
  EXPECT_EQ(choose_instance({{1, 9, low}, {2, 9, {}}}, {7, 0}), 0u);
  // Nothing has everything: what reaches back furthest; before any is established, the older one.
  EXPECT_EQ(choose_instance({{1, 9, {9, 0}}, {2, 9, {8, 0}}}, {7, 0}), 1u);
  EXPECT_EQ(choose_instance({{1, 9, {}}, {2, 9, {}}}, {7, 0}), 0u);
  const auto bounds = bounds_of({{1, 9, low}, {3, 8, low}, {2, 9, low}, {4, 8, {}}});
  EXPECT_EQ(bounds.at(1).successor, low);
  EXPECT_TRUE(bounds.at(2).successor.is_zero());
  EXPECT_TRUE(bounds.at(3).successor.is_zero());
}

}  // namespace
}  // namespace dstream::sqlserver
