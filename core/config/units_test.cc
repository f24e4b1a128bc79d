#include "core/config/units.h"

#include <gtest/gtest.h>

#include "core/config/nearest.h"

namespace dstream::core {
namespace {

TEST(Units, ReadsDurations) {
  EXPECT_EQ(parse_duration_ms("250ms"), 250);
  EXPECT_EQ(parse_duration_ms("5s"), 5000);
  EXPECT_EQ(parse_duration_ms("2m"), 120'000);
  EXPECT_EQ(parse_duration_ms("1h"), 3'600'000);
  EXPECT_EQ(parse_duration_ms("0s"), 0);
}

TEST(Units, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "5", "s", "5 s", " 5s", "5S", "-5s", "+5s", "1.5s", "5sec", "5s5",
                           "99999999999999999999s", "20000000000s", "0x5s"}) {
    EXPECT_EQ(parse_duration_ms(text), std::nullopt) << text;
  }
}

TEST(Units, ReadsSizes) {
  EXPECT_EQ(parse_size_bytes("512B"), 512u);
  EXPECT_EQ(parse_size_bytes("64KiB"), 65536u);
  EXPECT_EQ(parse_size_bytes("64MiB"), 64ull << 20);
  EXPECT_EQ(parse_size_bytes("2GiB"), 2ull << 30);
}

TEST(Units, RefusesWhatIsNoSize) {
  for (const char* text : {"", "64", "64MB", "64M", "MiB", "64 MiB", "-1MiB", "1.5GiB",
                           "18446744073709551615GiB", "99999999999999999999B"}) {
    EXPECT_EQ(parse_size_bytes(text), std::nullopt) << text;
  }
}

TEST(Nearest, FindsTheNameThatWasMeant) {
  std::vector<std::string> known = {"connection", "poll_interval", "max_poll_interval", "tables"};
  EXPECT_EQ(nearest_name("conection", known), "connection");
  EXPECT_EQ(nearest_name("pol_interval", known), "poll_interval");
  EXPECT_EQ(nearest_name("poll-interval", known), "poll_interval");
  EXPECT_EQ(nearest_name("Tables", known), "tables");
  EXPECT_EQ(nearest_name("tabels", known), "tables");
}

TEST(Nearest, SuggestsNothingFarAway) {
  EXPECT_EQ(nearest_name("colour", {"connection", "tables"}), std::nullopt);
  EXPECT_EQ(nearest_name("", {"a"}), std::nullopt);
  EXPECT_EQ(nearest_name("x", {}), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(100'000, 'x'), {"xx"}), std::nullopt);
}

TEST(Nearest, JoinsNames) {
  EXPECT_EQ(join_names({}), "");
  EXPECT_EQ(join_names({"a"}), "a");
  EXPECT_EQ(join_names({"a", "b", "c"}), "a, b and c");
  EXPECT_EQ(join_names({"a", "b", "c"}, 2), "a, b and 1 more");
}

}  // namespace
}  // namespace dstream::core
