// The test program is its own child for `plugins inspect`, as the host is.
#include <gtest/gtest.h>

#include "core/plugins/inspect.h"

int main(int argc, char** argv) {
  if (dstream::core::is_inspect_child(argc, argv)) {
    dstream::core::inspect_child_main(argv);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
