// Random transactions of several writers, interleaved statement by statement with scans, cleanups,
// definitions, restarts and restores to earlier points: after every scan the change tables are what
// change_model.h says.
//
// One thread and one seed, so that a failure comes again. DSTREAM_MODEL_SEED repeats a run,
// DSTREAM_MODEL_STEPS makes it longer.
#include <cstdlib>
#include <random>

#include "tests/standins/sqlserver/cdc/cdc_fixture.h"
#include "tests/standins/sqlserver/cdc/change_model.h"

namespace dstream::standin::cdc {
namespace {

using sql::SessionDriver;

constexpr int kWriters = 4, kKeysOfWriter = 100;
constexpr int64_t kStepsByDefault = 3'000;

int64_t number_from_environment(const char* name, int64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoll(text, nullptr, 10);
}

// Two tables as the model sees them, committed changes and those of open transactions together:
// writers have keys of their own, so nobody looks at another's.
using ModelTable = std::map<int, ModelRow>;

struct Writer {
  std::unique_ptr<SessionDriver> driver;
  bool is_open = false;
  int32_t command = 0;
  std::vector<ModelChange> changes;
  struct Undo {
    std::string table;
    int id = 0;
    std::optional<ModelRow> row;
  };
  std::vector<Undo> undo;
};

class RandomWork : public testing::Test {
 protected:
  const auto& pick(const auto& list) { return list[below(list.size())]; }
  size_t below(size_t limit) { return random_() % limit; }
  void ok(SessionDriver& driver, const std::string& sql) {
    ASSERT_EQ(driver.error(sql), 0) << sql << ": " << driver.error_text();
  }
  void ok(const std::string& sql) { ok(boss_, sql); }

  bool is_tracked(const std::string& table) {
    for (const ModelInstancePtr& instance : model_.instances()) {
      if (instance->table == table) {
        return true;
      }
    }
    return false;
  }

  // Changes a row of the model for a writer. nullopt takes it away.
  void set_row(Writer* writer, const std::string& table, int id, std::optional<ModelRow> row) {
    ModelTable& rows = tables_[table];
    const auto it = rows.find(id);
    writer->undo.push_back(
        {table, id, it == rows.end() ? std::nullopt : std::optional<ModelRow>(it->second)});
    if (row) {
      rows[id] = std::move(*row);
    } else {
      rows.erase(id);
    }
  }
  void roll_back(Writer* writer, size_t undo, size_t changes) {
    for (; writer->undo.size() > undo; writer->undo.pop_back()) {
      const Writer::Undo& last = writer->undo.back();
      if (last.row) {
        tables_[last.table][last.id] = *last.row;
      } else {
        tables_[last.table].erase(last.id);
      }
    }
    writer->changes.resize(changes);
  }
  void end(Writer* writer, bool commits) {
    if (commits) {
      model_.commit(std::move(writer->changes));
    } else {
      roll_back(writer, 0, 0);
    }
    writer->changes.clear();
    writer->undo.clear();
    writer->command = 0;
    writer->is_open = false;
  }

  std::string literal(const std::string& column, std::string* value) {
    if (below(6) == 0) {
      return "NULL";
    }
    *value = std::to_string(below(4));
    return column == "a" ? "N'" + *value + "'" : *value;
  }

  // Statements. The rows of one are logged in the order of their keys.
  std::string insert(size_t number, const std::string& table, std::vector<ModelChange>* changes) {
    Writer* const writer = &writers_[number];
    std::string sql = "INSERT INTO " + table + " (id";
    for (const std::string& column : columns_[table]) {
      sql += ", " + column;
    }
    sql += ") VALUES ";
    size_t rows = 0;
    for (int i = 0; i < kKeysOfWriter && rows < 1 + below(4); ++i) {
      const int id = static_cast<int>(number) * kKeysOfWriter * 10 + i;
      if (tables_[table].contains(id) || below(10) != 0) {
        continue;
      }
      ModelRow row = {{"id", std::to_string(id)}};
      sql += (rows++ == 0 ? "(" : ", (") + row["id"];
      for (const std::string& column : columns_[table]) {
        std::string value;
        sql += ", " + literal(column, &value);
        if (!value.empty()) {
          row[column] = value;
        }
      }
      sql += ")";
      changes->push_back({table, 0, std::nullopt, row, false});
      set_row(writer, table, id, row);
    }
    return rows == 0 ? std::string() : sql;
  }
  std::vector<int> some_ids(size_t number, const std::string& table, std::string* condition) {
    const int low =
        static_cast<int>(number) * kKeysOfWriter * 10 + static_cast<int>(below(kKeysOfWriter));
    const int high = low + static_cast<int>(below(kKeysOfWriter / 2));
    *condition = " WHERE id BETWEEN " + std::to_string(low) + " AND " + std::to_string(high);
    std::vector<int> ids;
    for (auto it = tables_[table].lower_bound(low); it != tables_[table].end() && it->first <= high;
         ++it) {
      ids.push_back(it->first);
    }
    return ids;
  }
  std::string update(size_t number, const std::string& table, std::vector<ModelChange>* changes) {
    std::string condition, value;
    const std::vector<int> ids = some_ids(number, table, &condition);
    const std::string column = pick(columns_[table]);
    const std::string set = column + " = " + literal(column, &value);
    for (const int id : ids) {
      const ModelRow before = tables_[table][id];
      ModelRow after = before;
      after.erase(column);
      if (!value.empty()) {
        after[column] = value;
      }
      changes->push_back({table, 0, before, after, false});
      set_row(&writers_[number], table, id, after);
    }
    return "UPDATE " + table + " SET " + set + condition;
  }
  std::string remove(size_t number, const std::string& table, std::vector<ModelChange>* changes) {
    std::string condition;
    for (const int id : some_ids(number, table, &condition)) {
      changes->push_back({table, 0, tables_[table][id], std::nullopt, false});
      set_row(&writers_[number], table, id, std::nullopt);
    }
    return "DELETE FROM " + table + condition;
  }
  // Keys move up by one, into each other's places.
  std::string move(size_t number, const std::string& table, std::vector<ModelChange>* changes) {
    std::string condition;
    std::vector<int> ids = some_ids(number, table, &condition);
    if (ids.empty() || (tables_[table].contains(ids.back() + 1))) {
      return {};
    }
    Writer* const writer = &writers_[number];
    std::vector<ModelRow> moved;
    for (const int id : ids) {
      const ModelRow before = tables_[table][id];
      ModelRow after = before;
      after["id"] = std::to_string(id + 1);
      changes->push_back({table, 0, before, after, true});
      moved.push_back(after);
      set_row(writer, table, id, std::nullopt);
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      set_row(writer, table, ids[i] + 1, moved[i]);
    }
    return "UPDATE " + table + " SET id = id + 1" + condition;
  }

  void statement(size_t number) {
    Writer& writer = writers_[number];
    const std::string table = below(3) == 0 ? "u" : "t";
    std::vector<ModelChange> changes;
    const size_t kind = below(10);
    const std::string sql = kind < 4   ? insert(number, table, &changes)
                            : kind < 7 ? update(number, table, &changes)
                            : kind < 9 ? move(number, table, &changes)
                                       : remove(number, table, &changes);
    if (sql.empty()) {
      return;
    }
    ok(*writer.driver, sql);
    if (is_tracked(table)) {
      ++writer.command;
      const bool moves = !changes.empty() && changes.front().key_changed;
      for (ModelChange& change : changes) {
        change.command = writer.command;
        if (change.before != change.after) {
          writer.changes.push_back(std::move(change));
        }
      }
      writer.command += moves ? 1 : 0;
    }
    if (!writer.is_open) {
      end(&writer, true);  // a transaction of its own
    }
  }

  void savepoint(size_t number) {
    Writer& writer = writers_[number];
    const size_t undo = writer.undo.size(), changes = writer.changes.size();
    ok(*writer.driver, "SAVE TRAN s");
    statement(number);
    ok(*writer.driver, "ROLLBACK TRAN s");
    roll_back(&writer, undo, changes);
  }

  void writer_step(size_t number) {
    Writer& writer = writers_[number];
    if (!writer.is_open) {
      if (below(3) != 0) {
        ok(*writer.driver, "BEGIN TRAN");
        writer.is_open = true;
      }
      statement(number);
    } else if (below(4) == 0) {
      const bool commits = below(4) != 0;
      ok(*writer.driver, commits ? "COMMIT" : "ROLLBACK");
      end(&writer, commits);
    } else if (below(6) == 0) {
      savepoint(number);
    } else {
      statement(number);
    }
  }

  void end_all() {
    for (Writer& writer : writers_) {
      if (writer.is_open) {
        const bool commits = below(2) == 0;
        ok(*writer.driver, commits ? "COMMIT" : "ROLLBACK");
        end(&writer, commits);
      }
    }
  }

  void enable(const std::string& table, const std::string& name, bool some_columns) {
    auto instance = std::make_shared<ModelInstance>();
    instance->name = name;
    instance->table = table;
    std::string list = "id";
    instance->columns = {"id"};
    for (const std::string& column : columns_[table]) {
      if (!some_columns || below(2) == 0) {
        instance->columns.push_back(column);
        list += ", [" + column + "]";
      }
    }
    ok("EXEC sys.sp_cdc_enable_table N'dbo', N'" + table + "', NULL, N'" + name +
       "', @captured_column_list = N'" + list + "'");
    model_.enable(std::move(instance));
  }

  std::vector<ModelInstancePtr> of_t() {
    std::vector<ModelInstancePtr> result;
    for (const ModelInstancePtr& instance : model_.instances()) {
      if (instance->table == "t") {
        result.push_back(instance);
      }
    }
    return result;
  }

  // With the table to itself: definitions wait for open transactions.
  void define() {
    end_all();
    const std::vector<ModelInstancePtr> instances = of_t();
    std::vector<std::string>& columns = columns_["t"];
    const size_t kind = below(7);
    if (kind == 0 && columns.size() < 6) {
      const std::string column = "c" + std::to_string(++last_column_);
      ok("ALTER TABLE t ADD " + column + " int NULL");
      columns.push_back(column);
      model_.define();
    } else if (kind == 4 && columns.size() > 1) {
      drop_column(below(columns.size()));
    } else if (kind == 5 || kind == 6) {
      // The values look the same in each of them.
      const char* const types[] = {"int", "bigint", "nvarchar(20)", "varchar(30)"};
      ok("ALTER TABLE t ALTER COLUMN " + pick(columns) + " " + types[below(4)] + " NULL");
      model_.define();
    } else if (kind == 1 && instances.size() == 2) {
      const ModelInstancePtr gone = pick(instances);
      ok("EXEC sys.sp_cdc_disable_table N'dbo', N't', N'" + gone->name + "'");
      model_.disable(gone);
    } else if (instances.size() < 2) {
      enable("t", "t" + std::to_string(++last_instance_), true);
    }
  }

  // Instances that captured it have NULL from now on.
  void drop_column(size_t place) {
    const std::string column = columns_["t"][place];
    ok("ALTER TABLE t DROP COLUMN " + column);
    columns_["t"].erase(columns_["t"].begin() + static_cast<std::ptrdiff_t>(place));
    for (auto& [id, row] : tables_["t"]) {
      row.erase(column);
    }
    model_.define();
  }

  // A point to come back to, with everything captured.
  void add_point() {
    end_all();
    scan(SIZE_MAX);
    ok("EXEC dstream.dummy_entry");
    model_.add_dummy();
    points_.push_back({cdc_->max_lsn(), model_.copy(), tables_, columns_});
  }
  void restore() {
    if (points_.empty()) {
      return;
    }
    end_all();
    points_.resize(points_.size() - below(std::min<size_t>(points_.size(), 3)));
    const Point& point = points_.back();
    cdc_->restore_to(point.lsn);
    model_ = point.model.copy();
    tables_ = point.tables;
    columns_ = point.columns;
    compare();
    for (const auto& [table, rows] : tables_) {
      std::string ids;
      for (const auto& [id, row] : rows) {
        ids += std::to_string(id) + "\n";
      }
      ASSERT_EQ(boss_.table("SELECT id FROM " + table + " ORDER BY id"), ids);
    }
  }

  // Change Data Capture of the whole database, off and on.
  void start_over() {
    end_all();
    ok("EXEC sys.sp_cdc_disable_db; EXEC sys.sp_cdc_enable_db");
    model_ = {};
    points_.clear();
    enable("u", "u1", false);
    enable("t", "t" + std::to_string(++last_instance_), false);
  }

  void clean_up() {
    const ModelInstancePtr instance = pick(model_.instances());
    const std::vector<CommitEntry> entries = cdc_->entries();
    if (!instance->is_active || entries.empty()) {
      return;
    }
    ASSERT_EQ(entries.size(), model_.time_mapping_rows());
    const size_t place = below(entries.size());
    cdc_->raise_low_water(cdc_->find_instance(instance->name), entries[place].start_lsn);
    model_.clean_up(instance.get(), place);
  }

  // Every session goes with what it had open; the job starts again.
  void restart() {
    for (Writer& writer : writers_) {
      if (writer.is_open) {
        end(&writer, false);
      }
      writer.driver = std::make_unique<SessionDriver>(&engine_);
    }
    ok("EXEC sys.sp_cdc_stop_job N'capture'; EXEC sys.sp_cdc_start_job N'capture'");
  }

  void scan(size_t transactions_max) {
    if (below(8) == 0) {
      cdc_->add_scan_fault({18807, "asked for", 1});
      ASSERT_EQ(cdc_->scan(10), 0);
    }
    const auto limit = static_cast<int64_t>(std::min<size_t>(transactions_max, INT64_MAX));
    ASSERT_EQ(cdc_->scan(limit), model_.scan(limit));
    compare();
  }

  void compare() {
    for (const ModelInstancePtr& instance : model_.instances()) {
      std::string columns;
      for (const std::string& column : instance->columns) {
        columns += ", " + column;
      }
      ASSERT_EQ(boss_.table("SELECT DENSE_RANK() OVER (ORDER BY __$start_lsn), __$operation, "
                            "__$update_mask, __$command_id" +
                            columns + " FROM cdc." + instance->name +
                            "_CT ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation"),
                ChangeModel::text(*instance))
          << instance->name;
    }
  }

  std::mt19937_64 random_;
  sql::Engine engine_{sql::EngineOptions{}};
  ChangeDataCapture capture_{&engine_, {.starts_job = false}};
  SessionDriver boss_{&engine_};
  DatabaseCapture* cdc_ = nullptr;
  ChangeModel model_;
  struct Point {
    std::string lsn;
    ChangeModel model;
    std::map<std::string, ModelTable> tables;
    std::map<std::string, std::vector<std::string>> columns;
  };
  std::vector<Point> points_;
  std::map<std::string, ModelTable> tables_;
  std::map<std::string, std::vector<std::string>> columns_ = {{"t", {"a", "b"}}, {"u", {"b"}}};
  std::vector<Writer> writers_{kWriters};
  int last_column_ = 0, last_instance_ = 0;
};

TEST_F(RandomWork, LeavesInChangeTablesWhatTheModelSays) {
  const auto seed = static_cast<uint64_t>(
      number_from_environment("DSTREAM_MODEL_SEED", static_cast<int64_t>(std::random_device{}())));
  const int64_t steps = number_from_environment("DSTREAM_MODEL_STEPS", kStepsByDefault);
  std::printf("DSTREAM_MODEL_SEED=%llu\n", static_cast<unsigned long long>(seed));
  random_.seed(seed);
  ok("CREATE TABLE t (id int PRIMARY KEY, a nvarchar(20) NULL, b int NULL); CREATE TABLE u (id int "
     "PRIMARY KEY, b int NULL); EXEC sys.sp_cdc_enable_db");
  cdc_ = capture_.find(engine_.main_database());
  enable("u", "u1", false);
  enable("t", "t" + std::to_string(++last_instance_), false);
  for (Writer& writer : writers_) {
    writer.driver = std::make_unique<SessionDriver>(&engine_);
  }
  for (int64_t step = 0; step < steps && !HasFatalFailure(); ++step) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", step " + std::to_string(step));
    const size_t kind = below(100);
    if (kind < 84) {
      writer_step(below(kWriters));
    } else if (kind < 94) {
      scan(1 + below(12));
    } else if (kind < 96) {
      clean_up();
    } else if (kind < 98) {
      define();
    } else if (below(30) == 0) {
      start_over();
    } else if (below(3) == 0) {
      restart();
    } else if (below(2) == 0) {
      add_point();
    } else {
      restore();
    }
  }
  end_all();
  scan(SIZE_MAX);
  EXPECT_FALSE(model_.has_waiting());
}

}  // namespace
}  // namespace dstream::standin::cdc
