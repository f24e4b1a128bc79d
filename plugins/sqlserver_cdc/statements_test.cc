#include "plugins/sqlserver_cdc/statements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace dstream::sqlserver {
namespace {

CaptureInstance persons() {
  CaptureInstance instance;
  instance.name = "dbo_Persons";
  instance.object_id = 42;
  DescribedColumn described;
  instance.description.table = {"dbo", "Persons"};
  instance.description.columns = {{"ID", *column_type("int", described), false},
                                  {"a]b", *column_type("bigint", described), true}};
  return instance;
}

constexpr char kEnd[] =
    ";\nSELECT @@ROWCOUNT, @reach, start_lsn, (SELECT MAX(ddl_lsn) FROM cdc.ddl_history WHERE "
    "object_id = ? AND required_column_update = 1) FROM cdc.change_tables WHERE object_id = ?;";

TEST(Statements, PageAfterATransaction) {
  EXPECT_EQ(page_statement(persons(), PageForm::kAfterTransaction, false),
            std::string("DECLARE @reach binary(10) = (SELECT MAX(start_lsn) FROM "
                        "cdc.lsn_time_mapping);\n"
                        "SELECT TOP (?) c.[__$start_lsn], c.[__$command_id], c.[__$seqval], "
                        "c.[__$operation], c.[ID], c.[a]]b] FROM [cdc].[dbo_Persons_CT] AS c WHERE "
                        "c.[__$start_lsn] > ? AND c.[__$start_lsn] <= ? ORDER BY "
                        "c.[__$start_lsn], c.[__$command_id], c.[__$seqval], c.[__$operation]") +
                kEnd);
}

TEST(Statements, PageInsideATransactionUsesTheWholeKey) {
  EXPECT_THAT(page_statement(persons(), PageForm::kInTransaction, false),
              testing::HasSubstr(
                  "WHERE c.[__$start_lsn] >= ? AND c.[__$start_lsn] <= ? AND (c.[__$start_lsn] > ? "
                  "OR c.[__$command_id] > ? OR (c.[__$command_id] = ? AND c.[__$seqval] > ?) OR "
                  "(c.[__$command_id] = ? AND c.[__$seqval] = ? AND c.[__$operation] > ?)) ORDER"));
  EXPECT_THAT(page_statement(persons(), PageForm::kInCommand, false),
              testing::HasSubstr("WHERE c.[__$start_lsn] = ? AND c.[__$command_id] = ? AND "
                                 "c.[__$seqval] >= ? AND (c.[__$seqval] > ? OR c.[__$operation] > "
                                 "?) ORDER"));
}

TEST(Statements, PageOfTheRestOfATransactionIsASeek) {
  EXPECT_THAT(page_statement(persons(), PageForm::kRestOfTransaction, false),
              testing::HasSubstr("WHERE c.[__$start_lsn] = ? AND c.[__$command_id] >= ? AND "
                                 "(c.[__$command_id] > ? OR c.[__$seqval] > ? OR (c.[__$seqval] = "
                                 "? AND c.[__$operation] > ?)) ORDER"));
  EXPECT_THAT(page_statement(persons(), PageForm::kNextCommands, false),
              testing::HasSubstr("WHERE c.[__$start_lsn] = ? AND c.[__$command_id] > ? ORDER"));
  CaptureInstance old = persons();
  old.has_command_id = false;
  EXPECT_THAT(page_statement(old, PageForm::kRestOfTransaction, false),
              testing::HasSubstr("WHERE c.[__$start_lsn] = ? AND c.[__$seqval] >= ? AND "
                                 "(c.[__$seqval] > ? OR c.[__$operation] > ?) ORDER"));
}

TEST(Statements, OldChangeTablesHaveNoCommandId) {
  CaptureInstance old = persons();
  old.has_command_id = false;
  const std::string sql = page_statement(old, PageForm::kInTransaction, false);
  EXPECT_THAT(sql, testing::Not(testing::HasSubstr("command_id")));
  EXPECT_THAT(sql, testing::HasSubstr("AND (c.[__$start_lsn] > ? OR c.[__$seqval] > ? OR "
                                      "(c.[__$seqval] = ? AND c.[__$operation] > ?))"));
  for (const PageScope scope : {PageScope::kTransaction, PageScope::kCommand}) {
    EXPECT_EQ(page_form(old, {{1, 1}, 0, {1, 1}, 2}, scope), PageForm::kRestOfTransaction);
  }
}

TEST(Statements, NullCommandIdsComeFirst) {
  EXPECT_THAT(page_statement(persons(), PageForm::kInTransaction, true),
              testing::HasSubstr("AND (c.[__$start_lsn] > ? OR c.[__$command_id] IS NOT NULL OR "
                                 "c.[__$seqval] > ? OR"));
}

TEST(Statements, EveryMarkerHasAValue) {
  for (const bool with_command : {true, false}) {
    for (const int32_t command : {-1, 0, 7}) {
      for (const PageForm form :
           {PageForm::kAfterTransaction, PageForm::kInTransaction, PageForm::kRestOfTransaction,
            PageForm::kNextCommands, PageForm::kInCommand}) {
        CaptureInstance instance = persons();
        instance.has_command_id = with_command;
        const ChangeKey key{{1, 1}, command, {1, 1}, 2};
        const std::string sql = page_statement(instance, form, command < 0);
        EXPECT_EQ(static_cast<size_t>(std::count(sql.begin(), sql.end(), '?')),
                  page_values(instance, form, key, {9, 9}, 10).size());
      }
    }
  }
}

TEST(Statements, FormFollowsTheKey) {
  const CaptureInstance instance = persons();
  const auto all = PageScope::kAll;
  const auto transaction = PageScope::kTransaction;
  const auto command = PageScope::kCommand;
  const ChangeKey row{{1, 1}, 3, {1, 1}, 2};
  const ChangeKey row_without_command{{1, 1}, -1, {1, 1}, 2};
  EXPECT_EQ(page_form(instance, ChangeKey::beginning(), all), PageForm::kAfterTransaction);
  EXPECT_EQ(page_form(instance, ChangeKey::end_of({1, 1}), all), PageForm::kAfterTransaction);
  EXPECT_EQ(page_form(instance, row, all), PageForm::kInTransaction);
  EXPECT_EQ(page_form(instance, row, transaction), PageForm::kRestOfTransaction);
  EXPECT_EQ(page_form(instance, row, command), PageForm::kInCommand);
  EXPECT_EQ(page_form(instance, ChangeKey::end_of_command({1, 1}, 3), transaction),
            PageForm::kNextCommands);
  for (const PageScope scope : {all, transaction, command}) {
    EXPECT_EQ(page_form(instance, row_without_command, scope), PageForm::kInTransaction);
  }
}

TEST(Statements, ProbeIsOneBatchInParts) {
  const CaptureInstance instance = persons();
  EXPECT_EQ(probe_statement({&instance, &instance}),
            "SELECT MAX(start_lsn), DATEPART(TZOFFSET, SYSDATETIMEOFFSET()), SYSDATETIME(), "
            "(SELECT TOP (1) tran_end_time FROM cdc.lsn_time_mapping ORDER BY start_lsn DESC) FROM "
            "cdc.lsn_time_mapping;\n"
            "SELECT 0 AS i, MAX([__$start_lsn]) AS newest FROM [cdc].[dbo_Persons_CT] UNION ALL "
            "SELECT 1 AS i, MAX([__$start_lsn]) AS newest FROM [cdc].[dbo_Persons_CT];\n"
            "SELECT TOP (?) start_lsn, tran_end_time FROM cdc.lsn_time_mapping WHERE start_lsn >= ?"
            " ORDER BY start_lsn;\n"
            "SELECT object_id, MAX(ddl_lsn) FROM cdc.ddl_history GROUP BY object_id;\n"
            "SELECT object_id, start_lsn, source_object_id FROM cdc.change_tables ORDER BY "
            "create_date, object_id;");
  const std::vector<const CaptureInstance*> many(401, &instance);
  const std::string sql = probe_statement(many);
  EXPECT_EQ(probe_parts(401), 3u);
  EXPECT_EQ(std::count(sql.begin(), sql.end(), ';'), 7);
}

}  // namespace
}  // namespace dstream::sqlserver
