// Every error that SQL Server may report, at every place where the source asks: before the first
// row, in the middle of rows, at the login. What the host hears is the documented status, and what
// is delivered is exactly what would have been: no error is taken for an end (I5).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/sqlserver_cdc/fault_fixture.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kTables = {"dbo.Cars"};
constexpr size_t kChanges = 12;

class ErrorsTest : public FaultFixture {
 public:
  void SetUp() override {
    FaultFixture::SetUp();
    if (IsSkipped()) {
      return;
    }
    run("CREATE TABLE dbo.Cars (ID int NOT NULL PRIMARY KEY, Model nvarchar(40) NULL)");
    enable_table("Cars");
    run(many_cars(kChanges));
    wait_captured("dbo_Cars", kChanges);
    clean_ = read_changes();
  }
  Reading read_changes() { return read_all(kTables, R"("page_rows":5)", "", kChanges); }
  static standin::Fault error_in(const std::string& statement, int64_t after_rows, int32_t number,
                                 uint8_t severity = 16) {
    standin::Fault fault;
    fault.action = standin::FaultAction::kError;
    fault.statement_contains = statement;
    fault.after_rows = after_rows;
    fault.message.number = number;
    fault.message.severity = severity;
    fault.message.text = "Injected error " + std::to_string(number) + '.';
    return fault;
  }
  // Reads everything with the fault in the way; the source has to say `status` once.
  void expect_status(const standin::Fault& fault, dstream_status status) {
    const std::string place = fault.message.text + " in " + fault.statement_contains + " after " +
                              std::to_string(fault.after_rows) + " rows";
    const auto id = faults().add(fault);
    const Reading reading = read_changes();
    EXPECT_EQ(faults().fired(id), 1u) << place;
    EXPECT_THAT(reading.problems, IsEmpty()) << place;
    EXPECT_THAT(reading.statuses, ElementsAre(status)) << place;
    EXPECT_EQ(texts(reading.seen), texts(clean_.seen)) << place;
    EXPECT_EQ(facts(reading.seen), facts(clean_.seen)) << place;
    faults().clear();
  }

  Reading clean_;
};

TEST_F(ErrorsTest, OfALook) {
  for (const ServerError& error : server_errors()) {
    expect_status(error_in("MAX([__$start_lsn]) AS newest", 0, error.number), error.status);
    expect_status(error_in("MAX([__$start_lsn]) AS newest", 2, error.number), error.status);
  }
}

TEST_F(ErrorsTest, InTheMiddleOfAPage) {
  for (const ServerError& error : server_errors()) {
    expect_status(error_in("Cars_CT] AS c", 0, error.number), error.status);
    expect_status(error_in("Cars_CT] AS c", 3, error.number), error.status);
    // Behind the last row of a page that is not the last one, where its row count would come.
    expect_status(error_in("Cars_CT] AS c", 5, error.number), error.status);
  }
}

TEST_F(ErrorsTest, OfTheCatalog) {
  for (const char* statement : {"FROM cdc.change_tables", "FROM cdc.captured_columns",
                                "FROM cdc.index_columns", "FROM sys.columns"}) {
    for (const int32_t number : {208, 229, 1205, 1222, 40613}) {
      const dstream_status expected = classify({"42000", number, ""}, false);
      expect_status(error_in(statement, 0, number), expected);
    }
  }
}

TEST_F(ErrorsTest, OfTheLogin) {
  for (const int32_t number : {976, 983, 4060, 18456, 40613, 49918}) {
    standin::Fault fault = error_in("", -1, number, 14);
    fault.at_login = true;
    expect_status(fault, classify({"42000", number, ""}, false));
  }
}

// An error that nobody knows ends the pipeline: it is never passed over, and never tried for ever.
TEST_F(ErrorsTest, AnErrorThatNobodyKnowsIsFatal) {
  faults().add(error_in("Cars_CT] AS c", 3, 8134));
  const Reading reading = read_changes();
  EXPECT_THAT(reading.statuses, ElementsAre(DSTREAM_FATAL));
  EXPECT_EQ(reading.problems.size(), 1u);
  EXPECT_LT(reading.seen.size(), kChanges);
}

}  // namespace
}  // namespace dstream::sqlserver
