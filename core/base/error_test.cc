#include "core/base/error.h"

#include <gtest/gtest.h>

namespace dstream::core {
namespace {

TEST(ErrorTest, TextLeavesOutWhatIsUnknown) {
  Error error{"DS-CONFIG-TYPE", "Expected a duration.", "", std::nullopt, ExitCode::kUsage};
  EXPECT_EQ(error.text(), "DS-CONFIG-TYPE: Expected a duration.");
  error.hint = "Write 5s or 250ms.";
  error.place = Place{"dstream.yaml", 14, 7};
  EXPECT_EQ(error.text(),
            "dstream.yaml:14:7: DS-CONFIG-TYPE: Expected a duration. Hint: Write 5s or 250ms.");
  error.place = Place{"dstream.yaml", 14, 0};
  EXPECT_EQ(error.place->text(), "dstream.yaml:14");
  error.place = Place{"dstream.yaml", 0, 3};
  EXPECT_EQ(error.place->text(), "dstream.yaml");
  error.place = Place{};
  EXPECT_EQ(error.text(), "DS-CONFIG-TYPE: Expected a duration. Hint: Write 5s or 250ms.");
}

TEST(ErrorTest, FailMakesAResultThatIsNotThere) {
  Result<int> result = fail("DS-X", "It went wrong.", "Try again.");
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, "DS-X");
  EXPECT_EQ(result.error().hint, "Try again.");
  EXPECT_EQ(result.error().exit_code, ExitCode::kFailed);
}

}  // namespace
}  // namespace dstream::core
