#include "core/plugins/breadcrumb.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <stdexcept>
#include <thread>

#include "core/plugins/guard.h"

namespace dstream::core {
namespace {

class CrashReporterDeathTest : public testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(CrashReporterDeathTest, NamesPluginAndCall) {
  EXPECT_DEATH(
      {
        install_crash_reporter();
        Breadcrumb crumb("tick", "read()");
        raise(SIGSEGV);
      },
      "crash: SIGSEGV in read\\(\\) of plugin tick\\.");
}

TEST_F(CrashReporterDeathTest, NamesTheInnermostCallOfTheThreadThatCrashed) {
  EXPECT_DEATH(
      {
        install_crash_reporter();
        Breadcrumb outer("other", "poll()");
        std::thread([] {
          Breadcrumb first("tick", "open()");
          { Breadcrumb second("tick", "close()"); }
          abort();
        }).join();
      },
      "crash: SIGABRT in open\\(\\) of plugin tick\\.");
}

TEST_F(CrashReporterDeathTest, SaysThatNoPluginWasCalled) {
  EXPECT_DEATH(
      {
        install_crash_reporter();
        raise(SIGFPE);
      },
      "crash: SIGFPE outside of any plugin call");
}

[[gnu::noinline]] void fail_with_exception() { throw std::runtime_error("x"); }

TEST_F(CrashReporterDeathTest, NamesWhatEscaped) {
  EXPECT_DEATH(
      {
        install_crash_reporter();
        Breadcrumb crumb("tick", "read()");
        []() noexcept { fail_with_exception(); }();
      },
      "std::terminate in read\\(\\) of plugin tick, an exception of type std::runtime_error");
}

int overflow(int depth) {
  volatile char frame[4096] = {};
  frame[0] = static_cast<char>(depth);
  return depth == INT32_MAX ? 0 : overflow(depth + 1) + frame[0];
}

TEST_F(CrashReporterDeathTest, ReportsAStackOverflow) {
  EXPECT_DEATH(
      {
        install_crash_reporter();
        std::thread([] {
          Breadcrumb crumb("tick", "write()");
          overflow(0);
        }).join();
      },
      "crash: SIGSEGV in write\\(\\) of plugin tick|stack-overflow");
}

}  // namespace
}  // namespace dstream::core
