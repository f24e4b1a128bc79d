// An engine with Change Data Capture, a clock in the test's hand and no capture job: a table t, and
// short ways to run statements and read change tables.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/sql/session_driver.h"
#include "tests/standins/sqlserver/sql/temporal.h"

namespace dstream::standin::cdc {

class CdcTest : public testing::Test {
 protected:
  int64_t now_ = sql::days_from_civil(2026, 11, 23) * sql::kTicksPerDay;
  sql::Engine engine_{options()};
  ChangeDataCapture capture_{&engine_, {.starts_job = false}};
  sql::SessionDriver driver_{&engine_};

  sql::EngineOptions options() {
    sql::EngineOptions result;
    result.utc_ticks = [this] { return now_; };
    return result;
  }
  void ok(std::string_view sql) {
    EXPECT_EQ(driver_.error(sql), 0) << sql << ": " << driver_.error_text();
  }
  void enable(const std::string& table, const std::string& more = "") {
    if (!engine_.main_database().is_cdc_enabled) {
      ok("EXEC sys.sp_cdc_enable_db");
    }
    ok("EXEC sys.sp_cdc_enable_table N'dbo', N'" + table + "', @role_name = NULL" + more);
    capture_.scan_all();
  }
  void SetUp() override {
    ok("CREATE TABLE t (id int PRIMARY KEY, a nvarchar(20) NULL, b decimal(9,2) NULL)");
  }
  std::string changes(const std::string& columns, const std::string& instance = "dbo_t") {
    return driver_.table("SELECT " + columns + " FROM cdc." + instance +
                         "_CT ORDER BY __$start_lsn, __$command_id, __$seqval, __$operation");
  }
};

}  // namespace dstream::standin::cdc
