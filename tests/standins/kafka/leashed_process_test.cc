#include "tests/standins/kafka/leashed_process.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>

#include "tests/standins/kafka/port_lease.h"

namespace dstream::standin {
namespace {

constexpr int kTimeoutMs = 30'000;

// True once the process, which need not be a child of ours, has ended.
bool ends(int process_fd) {
  pollfd waited{process_fd, POLLIN, 0};
  return poll(&waited, 1, kTimeoutMs) == 1;
}

TEST(LeashedProcess, GivesTheExitCode) {
  LeashedProcess process({{"sh", "-c", "exit 7"}, {}, "/dev/null"});
  ASSERT_TRUE(process.wait_end(kTimeoutMs));
  EXPECT_EQ(process.exit_code(), 7);
}

TEST(LeashedProcess, GivesTheSignal) {
  LeashedProcess process({{"sleep", "1000"}, {}, "/dev/null"});
  EXPECT_FALSE(process.wait_end(0));
  process.signal(SIGTERM);
  ASSERT_TRUE(process.wait_end(kTimeoutMs));
  EXPECT_EQ(process.exit_code(), 128 + SIGTERM);
}

TEST(LeashedProcess, SaysThatAProgramIsMissing) {
  LeashedProcess process({{"/nonexistent/program"}, {}, "/dev/null"});
  ASSERT_TRUE(process.wait_end(kTimeoutMs));
  EXPECT_EQ(process.exit_code(), 127);
}

TEST(LeashedProcess, PassesTheEnvironment) {
  LeashedProcess process(
      {{"sh", "-c", "test \"$WORD\" = 'a b' -a -n \"$PATH\""}, {{"WORD", "a b"}}, "/dev/null"});
  ASSERT_TRUE(process.wait_end(kTimeoutMs));
  EXPECT_EQ(process.exit_code(), 0);
}

TEST(LeashedProcess, DestructorKillsWhatIgnoresSigterm) {
  int fd = -1;
  {
    LeashedProcess process(
        {{"sh", "-c", "trap '' TERM; while :; do sleep 1000; done"}, {}, "/dev/null"});
    fd = static_cast<int>(syscall(SYS_pidfd_open, process.pid(), 0));
    ASSERT_GE(fd, 0);
  }
  EXPECT_TRUE(ends(fd));
  close(fd);
}

// The holder dies without any chance to tidy up; its process, stopped on top of it, must follow.
TEST(LeashedProcess, DiesWithAHolderThatIsKilled) {
  int report[2];
  ASSERT_EQ(pipe(report), 0);
  const pid_t holder = fork();
  if (holder == 0) {
    auto* process = new LeashedProcess({{"sleep", "1000"}, {}, "/dev/null"});
    process->signal(SIGSTOP);
    const pid_t pid = process->pid();
    if (write(report[1], &pid, sizeof pid) != sizeof pid) {
      _exit(1);
    }
    for (;;) {
      pause();
    }
  }
  pid_t pid = 0;
  ASSERT_EQ(read(report[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  ASSERT_GE(fd, 0);
  kill(holder, SIGKILL);
  EXPECT_TRUE(ends(fd));
  close(fd);
  close(report[0]);
  close(report[1]);
}

TEST(PortLease, TwoAreNeverEqual) {
  PortLease one;
  PortLease two;
  EXPECT_NE(one.port(), two.port());
  EXPECT_GE(one.port(), 20'000);
  EXPECT_LT(one.port(), 30'000);
}

}  // namespace
}  // namespace dstream::standin
