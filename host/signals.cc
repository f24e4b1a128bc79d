#include "host/signals.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <csignal>

#include "core/base/assert.h"

namespace dstream::host {
namespace {

// One 8-byte read, as eventfd and timerfd have it; nothing there is fine.
void drain(int descriptor) {
  uint64_t count = 0;
  ssize_t ignored = read(descriptor, &count, sizeof count);
  static_cast<void>(ignored);
}

// The kernel takes it away from the whole session before it sends SIGHUP.
bool has_terminal() {
  int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal >= 0) {
    close(terminal);
  }
  return terminal >= 0;
}

}  // namespace

StopSignals::StopSignals() {
  struct sigaction hangup {};
  sigaction(SIGHUP, nullptr, &hangup);
  had_terminal_ = hangup.sa_handler != SIG_IGN && has_terminal();
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    sigaddset(&set, signal);
  }
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  descriptor_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  DSTREAM_ASSERT(descriptor_ >= 0);
}

StopSignals::~StopSignals() { close(descriptor_); }

bool StopSignals::terminal_is_gone() const { return had_terminal_ && !has_terminal(); }

std::optional<int> StopSignals::take() {
  signalfd_siginfo info{};
  ssize_t got = read(descriptor_, &info, sizeof info);
  return got == static_cast<ssize_t>(sizeof info) ? std::optional(static_cast<int>(info.ssi_signo))
                                                  : std::nullopt;
}

Notifier::Notifier() : descriptor_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  DSTREAM_ASSERT(descriptor_ >= 0);
}

Notifier::~Notifier() { close(descriptor_); }

void Notifier::notify() {
  uint64_t one = 1;
  ssize_t ignored = write(descriptor_, &one, sizeof one);  // full means notified already
  static_cast<void>(ignored);
}

void Notifier::clear() { drain(descriptor_); }

Timer::Timer() : descriptor_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
  DSTREAM_ASSERT(descriptor_ >= 0);
}

Timer::~Timer() { close(descriptor_); }

void Timer::clear() { drain(descriptor_); }

void Timer::set(int64_t delay_ms, int64_t interval_ms) {
  auto spec = [](int64_t ms) {
    return timespec{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000 * 1'000'000)};
  };
  itimerspec when{spec(interval_ms), spec(delay_ms)};
  timerfd_settime(descriptor_, 0, &when, nullptr);
}

}  // namespace dstream::host
