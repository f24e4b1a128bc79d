// cdc.fn_cdc_get_net_changes_* against what its documentation says.
#include "tests/standins/sqlserver/cdc/cdc_fixture.h"

namespace dstream::standin::cdc {
namespace {

class NetChangesTest : public CdcTest {
 protected:
  std::string net(const std::string& columns, const std::string& option) {
    return driver_.table("SELECT " + columns +
                         " FROM cdc.fn_cdc_get_net_changes_dbo_t(sys.fn_cdc_get_min_lsn('dbo_t'), "
                         "sys.fn_cdc_get_max_lsn(), N'" +
                         option + "') ORDER BY id");
  }
};

TEST_F(NetChangesTest, OneRowAKeyWithTheLastValues) {
  ok("INSERT INTO t VALUES (2, N'x', 1), (3, N'x', 1), (5, N'x', 1)");
  enable("t");
  ok("INSERT INTO t VALUES (1, N'a', 1)");
  ok("UPDATE t SET a = N'b' WHERE id = 1");  // inserted
  ok("UPDATE t SET a = N'y' WHERE id = 2");  // updated, twice
  ok("UPDATE t SET b = 7 WHERE id = 2");
  ok("DELETE FROM t WHERE id = 3");                                     // deleted
  ok("INSERT INTO t VALUES (4, N'c', 1); DELETE FROM t WHERE id = 4");  // came and went
  ok("DELETE FROM t WHERE id = 5; INSERT INTO t VALUES (5, N'z', 9)");  // another row now
  ok("UPDATE t SET id = 6 WHERE id = 1");  // a key change is a delete and an insert
  capture_.scan_all();
  EXPECT_EQ(net("__$operation, __$update_mask, id, a, b", "all"),
            "4|NULL|2|y|7.00\n1|NULL|3|x|1.00\n4|NULL|5|z|9.00\n2|NULL|6|b|1.00\n");
  EXPECT_EQ(net("__$operation, __$update_mask, id", "ALL with mask "),
            "4|0x06|2\n1|NULL|3\n4|0x07|5\n2|NULL|6\n");
  EXPECT_EQ(net("__$operation, __$update_mask, id", "all with merge"),
            "5|NULL|2\n1|NULL|3\n5|NULL|5\n5|NULL|6\n");
  EXPECT_EQ(driver_.value("SELECT COUNT(*) FROM cdc.fn_cdc_get_net_changes_dbo_t("
                          "sys.fn_cdc_get_min_lsn('dbo_t'), sys.fn_cdc_get_max_lsn(), N'all') n "
                          "WHERE NOT EXISTS (SELECT 1 FROM cdc.dbo_t_CT c WHERE c.__$start_lsn = "
                          "n.__$start_lsn AND c.id = n.id)"),
            "0");
}

TEST_F(NetChangesTest, IsThereOnlyWhereItWasAskedForAndChecksItsArguments) {
  enable("t");
  enable("t", ", @capture_instance = N'bare', @supports_net_changes = 0");
  const std::string rest = "(sys.fn_cdc_get_min_lsn('dbo_t'), sys.fn_cdc_get_max_lsn(), N'";
  EXPECT_EQ(driver_.error("SELECT * FROM cdc.fn_cdc_get_net_changes_bare" + rest + "all')"), 208);
  EXPECT_EQ(driver_.error("SELECT * FROM cdc.fn_cdc_get_net_changes_dbo_t" + rest + "some')"), 313);
  EXPECT_EQ(driver_.error_text(),
            "An insufficient number of arguments were supplied for the procedure or function "
            "cdc.fn_cdc_get_net_changes_ ... .");
  EXPECT_EQ(driver_.error("SELECT * FROM cdc.fn_cdc_get_net_changes_dbo_t(0x01, "
                          "sys.fn_cdc_get_max_lsn(), N'all')"),
            313);
  std::string columns;
  for (const ResultColumn& column :
       driver_.run("SELECT * FROM cdc.fn_cdc_get_net_changes_dbo_t" + rest + "all')")
           .results.at(0)
           .columns) {
    columns += column.name + " ";
  }
  EXPECT_EQ(columns, "__$start_lsn __$operation __$update_mask id a b ");
  ok("CREATE TABLE keyless (id int)");
  EXPECT_EQ(driver_.error("EXEC sys.sp_cdc_enable_table N'dbo', N'keyless', NULL, "
                          "@supports_net_changes = 1"),
            22939);
}

}  // namespace
}  // namespace dstream::standin::cdc
