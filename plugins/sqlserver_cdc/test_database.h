// A database with CDC to test the source against: the stand-in, started for
// each test, or a fresh database on the server that DSTREAM_TEST_SQLSERVER
// names (a sqlserver:// URL of a sysadmin).
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dstream/testing.hpp"
#include "tests/standins/sqlserver/protocol/faults.h"
#include "tests/standins/sqlserver/protocol/statistics.h"

namespace dstream::sqlserver {

namespace testing_sdk = dstream::testing;
using testing_sdk::Batch;

// One record as a test looks at it: "u Cars before 1|VW after 1|Audi".
struct Seen {
  std::string text;
  std::string position;
  bool transaction_end = false;
  uint64_t sequence = 0;
  // Everything else that must be the same when it is read again.
  std::string facts;
};

// Records as text, with " $" behind the last of each transaction.
Seen look_at(const RecordView& record);
std::vector<std::string> texts(const std::vector<Seen>& all);
std::vector<std::string> facts(const std::vector<Seen>& all);
int64_t unix_now_ns();

class SourceFixture : public ::testing::Test {
 public:
  SourceFixture();
  ~SourceFixture() override;
  void SetUp() override;
  void TearDown() override;

  static bool is_real();
  std::string database_name() const;
  std::string url(const std::string& user = "", const std::string& password = "",
                  const std::string& database = "") const;
  uint16_t server_port() const;  // of the stand-in
  standin::Faults& faults();
  standin::Statistics& statistics();

  // Runs T-SQL; a failure is a failure of the test.
  void run(const std::string& sql);
  // Likewise, on another connection: for transactions that stay open.
  void run_as_writer(const std::string& sql);
  int64_t number(const std::string& sql);
  void create_table(const std::string& sql, const std::string& table,
                    const std::string& schema = "dbo");
  void enable_table(const std::string& table, const std::string& schema = "dbo",
                    const std::string& instance = "");
  void disable_table(const std::string& table);
  void disable_cdc();
  // The stand-in's clock goes forward.
  void advance_clock(std::chrono::seconds by);
  // Waits until the change table of `instance` has `rows` rows.
  void wait_captured(const std::string& instance, int64_t rows);
  // CDC's cleanup, up to the newest transaction.
  void clean_up(const std::string& instance);
  // A transaction that inserts so many cars.
  static std::string many_cars(int count);

  // Makes a source of these tables. `options` are more members of its JSON.
  void make(const std::vector<std::string>& tables, const std::string& options = "",
            const std::string& connection = "");
  // Likewise, and opens it at `position`.
  void open(const std::vector<std::string>& tables, const std::string& options = "",
            const std::string& position = "", const std::string& connection = "");
  // Closes and opens it again.
  void reopen(const std::string& position);
  testing_sdk::SourceDriver& source() { return *source_; }
  const testing_sdk::FakeHost& host() const { return *host_; }

  // Reads until there are `count` changes; watermarks are left out. Errors are
  // passed on.
  std::vector<Seen> read(size_t count);
  // The next batch with changes.
  Batch read_batch();
  // Position of the next watermark, at least one that is new.
  std::string read_watermark();
  void read_some();
  void drain();

 private:
  class Database;
  std::unique_ptr<Database> database_;
  std::unique_ptr<testing_sdk::FakeHost> host_;
  std::unique_ptr<testing_sdk::SourceDriver> source_;
};

}  // namespace dstream::sqlserver
