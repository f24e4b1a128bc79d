// Runs statements in a session of an Engine without any wire, for unit tests: what a client would
// have got, as text.
//
//   SessionDriver driver(&engine);
//   EXPECT_EQ(driver.table("SELECT id, name FROM t ORDER BY id"), "1|ada\n2|NULL\n");
//   EXPECT_EQ(driver.error("SELECT 1/0"), 8134);
//
// Thread rule: one thread an object.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/sql/engine.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {

struct RecordedResult {
  std::vector<ResultColumn> columns;
  std::vector<ColumnSource> sources;  // of server cursors
  std::vector<std::vector<SqlValue>> rows;
  int64_t count = -1;  // of the DONE behind it
};

class RecordingWriter final : public ResponseWriter {
 public:
  bool columns(std::span<const ResultColumn> columns) override;
  bool column_sources(std::span<const std::vector<std::string>> tables,
                      std::span<const ColumnSource> sources) override;
  bool row(std::span<const SqlValue> values) override;
  bool encoded_row(std::string_view token) override;
  bool message(const ServerMessage& message) override;
  bool database_changed(std::string_view, std::string_view) override { return true; }
  bool transaction_changed(uint8_t kind) override;
  bool statement_done(uint16_t command, int64_t rows, bool error) override;
  bool return_status(int32_t status) override;
  bool return_value(const Parameter& parameter) override;
  bool cancelled() override { return is_cancelled.load(); }
  bool wait_cancelled(int timeout_ms) override;

  std::vector<RecordedResult> results;  // with columns
  std::vector<int64_t> counts;          // of every DONE
  std::vector<ServerMessage> messages;
  std::vector<uint8_t> transaction_changes;
  std::vector<Parameter> return_values;
  int32_t status = 0;
  size_t encoded_rows = 0;  // rows that came as tokens
  int64_t waited_ms = 0;    // WAITFOR: nothing really waits
  std::atomic<bool> is_cancelled{false};
};

class SessionDriver {
 public:
  explicit SessionDriver(Engine* engine, std::string_view database = {});

  // Each returns what the last batch or call gave.
  RecordingWriter& run(std::string_view sql);
  RecordingWriter& call(std::string_view procedure, std::vector<Parameter> parameters);

  // The rows of the batch's last result: "a|b\n". Fails the test if there was an error.
  std::string table(std::string_view sql);
  // One value as text; "NULL".
  std::string value(std::string_view sql);
  // The first error's number, 0 if there was none; and its text.
  int32_t error(std::string_view sql);
  std::string error_text() const;
  // The declared type of the first column of the last result: "decimal(18,4)".
  std::string type(std::string_view sql);

  SqlSession& session() { return *session_; }
  RecordingWriter& writer() { return *writer_; }

 private:
  std::unique_ptr<SqlSession> session_;
  std::unique_ptr<RecordingWriter> writer_;
};

std::string value_text(const SqlType& type, const SqlValue& value);
// Builders for call().
Parameter text_parameter(std::string value);
Parameter int_parameter(int64_t value);
Parameter binary_parameter(std::string bytes, int32_t length);

}  // namespace dstream::standin::sql
