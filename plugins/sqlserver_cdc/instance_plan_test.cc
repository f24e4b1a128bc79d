#include "plugins/sqlserver_cdc/instance_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace dstream::sqlserver {
namespace {

using ::testing::HasSubstr;

ManagedTable cars() {
  ManagedTable table;
  table.name = {"dbo", "Cars"};
  table.columns = {{1, "ID"}, {2, "Model"}};
  ManagedInstance instance;
  instance.name = "dbo_Cars";
  instance.start = {10, 0};
  instance.column_ids = {1, 2};
  instance.index = "PK_Cars";
  instance.role = "reader's";
  instance.has_net_changes = true;
  table.instances = {instance};
  return table;
}

TEST(InstancePlan, AnAddedColumnGetsAnInstanceLikeTheOldOne) {
  ManagedTable table = cars();
  EXPECT_FALSE(plan_instances(table, {}));
  table.columns.emplace_back(3, "Doors");
  EXPECT_FALSE(plan_instances(table, {})) << "no DDL that it has met";
  table.instances[0].definition = {20, 0};
  const auto action = plan_instances(table, {});
  ASSERT_TRUE(action);
  EXPECT_TRUE(action->creates);
  EXPECT_EQ(action->sql,
            "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Cars', "
            "@role_name = N'reader''s', @capture_instance = N'dbo_Cars_dstream2', "
            "@supports_net_changes = 1, @index_name = N'PK_Cars', @captured_column_list = NULL, "
            "@filegroup_name = NULL, @allow_partition_switch = 1;");
}

TEST(InstancePlan, OnlyDdlThatChangesWhatCanBeCapturedCounts) {
  ManagedTable table = cars();
  table.instances[0].definition = {20, 0};
  EXPECT_FALSE(plan_instances(table, {})) << "ALTER COLUMN changes the change table itself";
  table.columns = {{1, "ID"}};
  EXPECT_TRUE(plan_instances(table, {}));
  // Dropped, and added with the same name: another column.
  table.columns = {{1, "ID"}, {3, "Model"}};
  EXPECT_TRUE(plan_instances(table, {}));
  table.instances[0].definition = {10, 0};
  EXPECT_FALSE(plan_instances(table, {})) << "not after the instance began";
  table.instances[0].definition = {20, 0};
  table.instances[0].start = {};
  EXPECT_FALSE(plan_instances(table, {})) << "not established yet";
}

TEST(InstancePlan, ColumnsThatWereLeftOutStayOut) {
  ManagedTable table = cars();
  table.columns = {{1, "ID"}, {2, "Secret"}, {3, "a]b"}, {4, "New"}};
  table.instances[0].column_ids = {1, 3};
  table.instances[0].definition = {20, 0};
  const auto action = plan_instances(table, {});
  ASSERT_TRUE(action);
  EXPECT_THAT(action->sql, HasSubstr("@captured_column_list = N'[ID], [a]]b], [New]',"));
}

TEST(InstancePlan, TheOldOneGoesWhenItIsDeliveredAndTheNewOneIsOurs) {
  ManagedTable table = cars();
  table.instances.push_back(table.instances[0]);
  table.instances[1].name = "dbo_Cars_dstream2";
  table.instances[1].definition = {30, 0};
  table.columns.emplace_back(3, "Doors");
  EXPECT_FALSE(plan_instances(table, {})) << "never a third";
  const DroppableInstances droppable{{{"dbo", "Cars"}, "dbo_Cars"}};
  const auto action = plan_instances(table, droppable);
  ASSERT_TRUE(action);
  EXPECT_FALSE(action->creates);
  EXPECT_THAT(action->sql, HasSubstr("sp_cdc_disable_table"));
  EXPECT_THAT(action->sql, HasSubstr("@capture_instance = N'dbo_Cars';"));
  table.instances[1].name = "for_somebody_else";
  EXPECT_FALSE(plan_instances(table, droppable));
}

TEST(InstancePlan, NamesAreStableShortAndToldFromOthers) {
  const TableName cars{"dbo", "Cars"};
  EXPECT_EQ(successor_name(cars, "dbo_Cars"), "dbo_Cars_dstream2");
  EXPECT_EQ(successor_name(cars, "dbo_Cars_dstream2"), "dbo_Cars_dstream3");
  EXPECT_EQ(successor_name(cars, "other"), "dbo_Cars_dstream2");
  for (const char* name : {"dbo_Cars", "dbo_Cars_dstream", "x_dstream1", "x_dstream2a", ""}) {
    EXPECT_FALSE(is_own_name(name)) << name;
  }
  std::string text = "a";
  for (int i = 0; i < 60; ++i) {
    text += "\xC3\xA9";
  }
  const std::string name = successor_name({"dbo", text}, "x");
  EXPECT_LE(name.size(), 100u);
  EXPECT_TRUE(is_own_name(name));
  EXPECT_NE(name, successor_name({"dbo", text + "b"}, "x"));
  EXPECT_NE(static_cast<unsigned char>(name[name.find("_", 10) - 1]) & 0xC0, 0xC0) << name;
}

// Whatever happens in whichever order: two instances at most, one new one for each change of the
// columns at most, and in the end the columns of the table are captured. DSTREAM_PLAN_SEED repeats.
TEST(InstancePlan, NeverGoesRoundInACircle) {
  const char* seed_text = std::getenv("DSTREAM_PLAN_SEED");
  const uint64_t seed =
      seed_text != nullptr ? std::strtoull(seed_text, nullptr, 10) : std::random_device()();
  SCOPED_TRACE("DSTREAM_PLAN_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  ManagedTable table = cars();
  DroppableInstances droppable;
  uint64_t clock = 100;
  int32_t last_column = 2;
  int changes = 0;
  int created = 0;
  const auto act = [&] {
    const auto action = plan_instances(table, droppable);
    if (action && action->creates) {
      ASSERT_EQ(table.instances.size(), 1u);
      ++created;
      ManagedInstance instance = table.instances[0];
      instance.name = action->instance;
      instance.start = instance.definition = {};
      instance.column_ids.clear();
      for (const auto& column : table.columns) {
        instance.column_ids.push_back(column.first);
      }
      table.instances.push_back(instance);
    } else if (action) {
      table.instances.erase(table.instances.begin());
    }
  };
  const auto establish = [&] {
    if (table.instances.back().start.is_zero()) {
      table.instances.back().start = {++clock, 0};
    }
  };
  for (int i = 0; i < 3000; ++i) {
    switch (random() % 6) {
      case 0: {  // DDL
        if (random() % 4 == 0) {
          table.columns.emplace_back(++last_column, "c");
          ++changes;
        } else if (random() % 8 == 0 && table.columns.size() > 1) {
          table.columns.pop_back();
          ++changes;
        }
        const Lsn lsn{++clock, 0};
        for (ManagedInstance& instance : table.instances) {
          if (!instance.start.is_zero()) {
            instance.definition = lsn;
          }
        }
        break;
      }
      case 1:
        establish();
        break;
      case 2:
        if (table.instances.size() == 2 && !table.instances[1].start.is_zero()) {
          droppable.insert({table.name, table.instances[0].name});
        }
        break;
      default:
        act();
    }
    ASSERT_LE(table.instances.size(), 2u);
  }
  EXPECT_LE(created, changes);
  for (int i = 0; i < 10; ++i) {
    establish();
    if (table.instances.size() == 2) {
      droppable.insert({table.name, table.instances[0].name});
    }
    act();
  }
  EXPECT_EQ(table.instances.size(), 1u);
  EXPECT_FALSE(plan_instances(table, droppable));
}

}  // namespace
}  // namespace dstream::sqlserver
