// A server with a scripted handler, and statements that many tests want.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/standins/sqlserver/protocol/row_codec.h"
#include "tests/standins/sqlserver/protocol/scripted_handler.h"
#include "tests/standins/sqlserver/protocol/server.h"

namespace dstream::standin {

inline constexpr std::chrono::seconds kWaitLimit{20};

inline SqlType type_of(TypeId id, int32_t length = 0, uint8_t precision = 0, uint8_t scale = 0) {
  return {id, length, precision, scale, true, false};
}

class ServerFixture : public ::testing::Test {
 protected:
  void start(ServerOptions options = {}) {
    server_ = std::make_unique<Server>(&handler_, options);
    std::string error;
    ASSERT_TRUE(server_->start(&error)) << error;
  }
  void TearDown() override {
    if (server_ != nullptr) {
      server_->stop();
    }
  }

  static void send_number(int64_t number, ResponseWriter& out) {
    const std::vector<ResultColumn> columns = {{"n", type_of(TypeId::kBigInt)}};
    const std::vector<std::vector<SqlValue>> rows = {{SqlValue::of_number(number)}};
    send_result(columns, rows, out);
  }
  // "SELECT n" answers with the number n.
  void add_number(int64_t number) {
    handler_.statements["SELECT " + std::to_string(number)] =
        [number](std::span<const Parameter>, ResponseWriter& out) { send_number(number, out); };
  }
  // "SELECT rows" answers with rows 0 .. count-1, and notes how many it could send.
  void add_rows(int64_t count) {
    handler_.statements["SELECT rows"] = [this, count](std::span<const Parameter>,
                                                       ResponseWriter& out) {
      const std::vector<ResultColumn> columns = {{"n", type_of(TypeId::kBigInt)}};
      out.columns(columns);
      int64_t sent = 0;
      while (sent < count && out.row(std::vector<SqlValue>{SqlValue::of_number(sent)})) {
        ++sent;
      }
      rows_taken_ = sent;
      out.statement_done(0xC1, sent);
    };
  }
  // "SELECT endless" sends rows until it is stopped.
  void add_endless() {
    handler_.statements["SELECT endless"] = [this](std::span<const Parameter>,
                                                   ResponseWriter& out) {
      const std::vector<ResultColumn> columns = {{"n", type_of(TypeId::kBigInt)}};
      out.columns(columns);
      std::string token;
      encode_row(columns, std::vector<SqlValue>{SqlValue::of_number(7)}, &token);
      while (out.encoded_row(token)) {
      }
      ++interrupted_;
    };
  }
  // "WAITFOR" waits until it is stopped.
  void add_wait() {
    handler_.statements["WAITFOR"] = [this](std::span<const Parameter>, ResponseWriter& out) {
      is_waiting_ = true;
      is_waiting_.notify_all();
      while (!out.wait_cancelled(-1)) {
      }
      ++interrupted_;
    };
  }

  ScriptedHandler handler_;
  std::atomic<int> interrupted_{0};
  std::atomic<bool> is_waiting_{false};
  std::atomic<int64_t> rows_taken_{-1};
  std::unique_ptr<Server> server_;
};

}  // namespace dstream::standin
