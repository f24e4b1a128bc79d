// The layout locks of every ABI version released, compiled against the header as it is now. A
// change that would break a released plugin does not compile.
#include <gtest/gtest.h>

#include <cstddef>
#include <type_traits>

#include "dstream/abi.h"

#define DSTREAM_LOCK_EXACTLY(expression, value) \
  static_assert((expression) == (value), "the ABI of version 1 was changed")
// A struct that may gain fields at its end.
#define DSTREAM_LOCK_AT_LEAST(expression, value) \
  static_assert((expression) >= (value), "the ABI of version 1 was changed")

#include "sdk/abi/v1.0/layout.inc"

namespace {

// The C++ types of the functions, which offsets do not show.
template <class Actual, class Expected>
constexpr bool kSame = std::is_same_v<Actual, Expected>;

static_assert(kSame<decltype(dstream_source_api::read),
                    dstream_status (*)(dstream_source*, uint32_t, uint32_t, dstream_batch**,
                                       dstream_error*) noexcept>);
static_assert(kSame<decltype(dstream_sink_api::write),
                    dstream_status (*)(dstream_sink*, const dstream_delivery*, uint32_t, uint32_t*,
                                       dstream_error*) noexcept>);

TEST(Abi, StructsAreFrozenOrGrowAtTheirEnd) {
  // The work is done by the compiler; this names it in the list of tests.
  EXPECT_EQ(sizeof(dstream_value), 24u);
}

TEST(Abi, AFieldIsThereOnlyIfItsWriterHadIt) {
  EXPECT_TRUE(DSTREAM_HAS_FIELD(dstream_record, 104u, reserved));
  EXPECT_FALSE(DSTREAM_HAS_FIELD(dstream_record, 96u, reserved));
  EXPECT_TRUE(DSTREAM_HAS_FIELD(dstream_record, 96u, headers));
}

}  // namespace
