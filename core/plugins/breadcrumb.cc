#include "core/plugins/breadcrumb.h"

#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cxxabi.h>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string_view>
#include <typeinfo>

#include "core/plugins/guard.h"

namespace dstream::core {
namespace {

constinit thread_local const Breadcrumb* innermost = nullptr;

// Written once each, then only read: a signal handler must not meet a half-written entry.
struct CodeRange {
  std::atomic<const char*> name{nullptr};
  uintptr_t begin = 0;
  uintptr_t end = 0;
};
constexpr int kCodeRangesMax = 256;
CodeRange code_ranges[kCodeRangesMax];
std::atomic<int> code_range_count{0};

const char* plugin_at(uintptr_t address) {
  int count = code_range_count.load(std::memory_order_acquire);
  for (int i = 0; i < count && i < kCodeRangesMax; i++) {
    const char* name = code_ranges[i].name.load(std::memory_order_acquire);
    if (name != nullptr && address >= code_ranges[i].begin && address < code_ranges[i].end) {
      return name;
    }
  }
  return nullptr;
}

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
constexpr const char* kSignalNames[] = {"SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT"};
struct sigaction previous_actions[std::size(kSignals)];
std::atomic<bool> installed{false};
std::atomic<bool> reported{false};
std::terminate_handler previous_terminate = nullptr;

// One line put together without the heap or stdio: all a signal handler may use.
class Line {
 public:
  Line& add(std::string_view text) {
    size_t size = text.size() < sizeof text_ - size_ - 1 ? text.size() : sizeof text_ - size_ - 1;
    std::memcpy(text_ + size_, text.data(), size);
    size_ += size;
    return *this;
  }
  void write_to_stderr() {
    text_[size_++] = '\n';
    size_t at = 0;
    while (at < size_) {
      ssize_t written = ::write(STDERR_FILENO, text_ + at, size_ - at);
      if (written <= 0) {
        break;
      }
      at += static_cast<size_t>(written);
    }
  }

 private:
  char text_[1024];
  size_t size_ = 0;
};

uintptr_t program_counter(const void* context) {
#if defined(__x86_64__)
  return static_cast<uintptr_t>(
      static_cast<const ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
  return static_cast<uintptr_t>(static_cast<const ucontext_t*>(context)->uc_mcontext.pc);
#endif
}

}  // namespace

struct BreadcrumbTrail {
  // "in open() of plugin tick", or nothing if the thread is in no plugin.
  static void describe(Line& line, uintptr_t counter) {
    if (const Breadcrumb* crumb = innermost; crumb != nullptr) {
      const char* plugin = crumb->plugin_ != nullptr
                               ? crumb->plugin_
                               : plugin_at(reinterpret_cast<uintptr_t>(crumb->function_));
      line.add(" in ").add(crumb->call_).add(" of plugin ");
      line.add(plugin != nullptr ? plugin : "(unknown)");
    } else if (const char* plugin = counter != 0 ? plugin_at(counter) : nullptr;
               plugin != nullptr) {
      line.add(" in a thread of plugin ").add(plugin);
    } else {
      line.add(" outside of any plugin call");
    }
  }
  static void push(const Breadcrumb* crumb) { innermost = crumb; }
  static const Breadcrumb* top() { return innermost; }
};

namespace {

void on_crash(int signal, siginfo_t* info, void* context) {
  int index = 0;
  while (kSignals[index] != signal) {
    index++;
  }
  if (!reported.exchange(true)) {
    Line line;
    line.add("dstream: crash: ").add(kSignalNames[index]);
    BreadcrumbTrail::describe(line, program_counter(context));
    line.add(".").write_to_stderr();
  }
  // Whoever was in charge before (the kernel's core dump, a sanitizer) sees the same signal: a
  // fault happens again when its instruction is repeated, a sent signal has to be sent again.
  sigaction(signal, &previous_actions[index], nullptr);
  if (info->si_code <= 0) {
    syscall(SYS_tgkill, getpid(), static_cast<pid_t>(syscall(SYS_gettid)), signal);
  }
}

[[noreturn]] void on_terminate() {
  if (!reported.exchange(true)) {
    Line line;
    line.add("dstream: crash: std::terminate");
    BreadcrumbTrail::describe(line, 0);
    if (std::exception_ptr current = std::current_exception(); current) {
      const std::type_info* type = abi::__cxa_current_exception_type();
      const char* name = type != nullptr ? type->name() : "(foreign)";
      int failed = 0;
      char* readable = abi::__cxa_demangle(name, nullptr, nullptr, &failed);
      line.add(", an exception of type ").add(readable != nullptr ? readable : name);
      line.add(" escaped");
      std::free(readable);
    }
    line.add(".").write_to_stderr();
  }
  if (previous_terminate != nullptr) {
    previous_terminate();
  }
  std::abort();
}

// A thread that has overflowed its stack can report only from another one.
class SignalStack {
 public:
  SignalStack() {
    stack_t current{};
    if (sigaltstack(nullptr, &current) != 0 || (current.ss_flags & SS_DISABLE) == 0) {
      return;  // a sanitizer has brought its own
    }
    memory_ = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory_ == MAP_FAILED) {
      memory_ = nullptr;
      return;
    }
    stack_t mine{};
    mine.ss_sp = memory_;
    mine.ss_size = kBytes;
    sigaltstack(&mine, nullptr);
  }
  ~SignalStack() {
    if (memory_ != nullptr) {
      stack_t none{};
      none.ss_flags = SS_DISABLE;
      sigaltstack(&none, nullptr);
      munmap(memory_, kBytes);
    }
  }
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  static constexpr size_t kBytes = 64 * 1024;
  void* memory_ = nullptr;
};

void give_thread_a_signal_stack() {
  if (installed.load(std::memory_order_relaxed)) {
    static thread_local SignalStack stack;
  }
}

}  // namespace

Breadcrumb::Breadcrumb(const char* plugin, const char* call) noexcept
    : plugin_(plugin), function_(nullptr), call_(call), outer_(BreadcrumbTrail::top()) {
  if (outer_ == nullptr) {
    give_thread_a_signal_stack();
  }
  BreadcrumbTrail::push(this);
}

Breadcrumb::Breadcrumb(const void* function, const char* call) noexcept
    : plugin_(nullptr), function_(function), call_(call), outer_(BreadcrumbTrail::top()) {
  BreadcrumbTrail::push(this);
}

Breadcrumb::~Breadcrumb() { BreadcrumbTrail::push(outer_); }

void remember_plugin_code(const void* inside, const char* name) {
  struct Search {
    uintptr_t inside;
    uintptr_t begin = 0;
    uintptr_t end = 0;
  } search{reinterpret_cast<uintptr_t>(inside)};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto* wanted = static_cast<Search*>(data);
        uintptr_t begin = UINTPTR_MAX;
        uintptr_t end = 0;
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const auto& segment = info->dlpi_phdr[i];
          if (segment.p_type == PT_LOAD) {
            uintptr_t at = info->dlpi_addr + segment.p_vaddr;
            begin = at < begin ? at : begin;
            end = at + segment.p_memsz > end ? at + segment.p_memsz : end;
          }
        }
        if (wanted->inside < begin || wanted->inside >= end) {
          return 0;
        }
        wanted->begin = begin;
        wanted->end = end;
        return 1;
      },
      &search);
  int index = search.end != 0 ? code_range_count.load(std::memory_order_relaxed) : kCodeRangesMax;
  if (index >= kCodeRangesMax) {
    return;  // only the words of a crash line depend on it
  }
  code_ranges[index].begin = search.begin;
  code_ranges[index].end = search.end;
  code_ranges[index].name.store(strdup(name), std::memory_order_release);
  code_range_count.store(index + 1, std::memory_order_release);
}

void install_crash_reporter() {
  if (installed.exchange(true)) {
    return;
  }
  give_thread_a_signal_stack();
  for (size_t i = 0; i < std::size(kSignals); i++) {
    struct sigaction action {};
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], &action, &previous_actions[i]);
  }
  previous_terminate = std::set_terminate(on_terminate);
}

}  // namespace dstream::core
