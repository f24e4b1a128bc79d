// The parent's side of `plugins inspect`: start the child, collect its answer, judge its end.
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <system_error>

#include "core/base/clock.h"
#include "core/plugins/inspect.h"
#include "core/plugins/text.h"

extern char** environ;

namespace dstream::core {
namespace {

constexpr size_t kAnswerBytesMax = 8 * 1024 * 1024;
constexpr size_t kDiagnosticBytesMax = 4096;

tl::unexpected<Error> no_child(const char* what, int error) {
  return fail("DS-PLUGIN-CHILD",
              std::string("The plugin cannot be looked at in a child process: ") + what + ": " +
                  std::generic_category().message(error) + ".");
}

// Both ends close on exec, and with this object.
struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  bool open() { return ::pipe2(ends, O_CLOEXEC) == 0; }
  void close_end(int end) {
    if (ends[end] >= 0) {
      ::close(ends[end]);
      ends[end] = -1;
    }
  }
};

class Child {
 public:
  Child() = default;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  // Whatever happened, the child and what it started are gone afterwards. It is reaped last: until
  // then the number of its group is not given to anybody else.
  ~Child() {
    if (id_ > 0) {
      ::kill(-id_, SIGKILL);
      while (::waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
      }
    }
  }

  Result<void> start(const std::string& self_exe, const std::string& file) {
    if (!answer_.open() || !diagnostic_.open()) {
      return no_child("pipe", errno);
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, answer_.ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, diagnostic_.ends[1], STDERR_FILENO);
    // A group of its own, so that what a constructor forks is ended with it; signals as at start.
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::string command = kInspectCommand;
    std::string name = self_exe;
    std::string argument = file;
    char* argv[] = {name.data(), command.data(), argument.data(), nullptr};
    int error = posix_spawn(&id_, self_exe.c_str(), &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    answer_.close_end(1);
    diagnostic_.close_end(1);
    if (error != 0) {
      id_ = -1;
      return no_child(self_exe.c_str(), error);
    }
    return {};
  }

  // Reads until both pipes are closed; false if that is not so by `deadline_ns`.
  bool collect(const Clock& clock, int64_t deadline_ns) {
    pollfd waiting[] = {{answer_.ends[0], POLLIN, 0}, {diagnostic_.ends[0], POLLIN, 0}};
    std::string* texts[] = {&answer, &diagnostic};
    size_t limits[] = {kAnswerBytesMax, kDiagnosticBytesMax};
    while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
      int64_t left_ms = (deadline_ns - clock.monotonic_ns()) / kNanosPerMilli;
      if (left_ms <= 0) {
        return false;
      }
      if (::poll(waiting, 2, static_cast<int>(left_ms)) < 0 && errno != EINTR) {
        return false;
      }
      for (int i = 0; i < 2; i++) {
        if (waiting[i].fd >= 0 && waiting[i].revents != 0 &&
            !read_some(waiting[i].fd, *texts[i], limits[i])) {
          waiting[i].fd = -1;
        }
      }
    }
    return true;
  }

  // How a child ended: by exit with a status, or by a signal.
  struct End {
    bool exited = false;
    int status = 0;  // exit status, or the signal's number
  };

  // Nothing if it has not ended by then, or it cannot be known.
  std::optional<End> wait_for_end(const Clock& clock, int64_t deadline_ns) const {
    do {
      siginfo_t info{};
      if (::waitid(P_PID, static_cast<id_t>(id_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 &&
          errno != EINTR) {
        return std::nullopt;
      }
      if (info.si_pid == id_) {
        return End{info.si_code == CLD_EXITED, info.si_status};
      }
      ::poll(nullptr, 0, 1);  // its pipes are closed, so it is about to go
    } while (clock.monotonic_ns() < deadline_ns);
    return std::nullopt;
  }

  std::string answer;
  std::string diagnostic;

 private:
  static bool read_some(int descriptor, std::string& text, size_t bytes_max) {
    char buffer[16 * 1024];
    ssize_t got = ::read(descriptor, buffer, sizeof buffer);
    if (got <= 0) {
      return got < 0 && errno == EINTR;
    }
    text.append(buffer, std::min(static_cast<size_t>(got), bytes_max - text.size()));
    return true;
  }

  Pipe answer_;
  Pipe diagnostic_;
  pid_t id_ = -1;
};

tl::unexpected<Error> with_place(Error error, const std::string& file) {
  error.place = Place{file};
  return fail(std::move(error));
}

// The document, or the error the child reports in its place; nothing if it is neither.
std::optional<Result<std::string>> read_answer(const std::string& answer, const std::string& file) {
  try {
    Poco::JSON::Parser parser;
    auto document = parser.parse(answer).extract<Poco::JSON::Object::Ptr>();
    if (document->has("error")) {
      auto error = document->getObject("error");
      return with_place(
          Error{error->getValue<std::string>("code"), error->getValue<std::string>("message"),
                error->getValue<std::string>("hint"), std::nullopt, ExitCode::kFailed},
          file);
    }
    if (document->has("connectors")) {
      return answer;
    }
  } catch (const Poco::Exception&) {
    // Cut short, or not written by us.
  }
  return std::nullopt;
}

// The crash reporter's line, if the child left one.
std::string last_words(const std::string& diagnostic) {
  size_t at = diagnostic.find("dstream: crash: ");
  if (at == std::string::npos) {
    return {};
  }
  size_t end = diagnostic.find('\n', at);
  return " It said: " + printable(diagnostic.substr(at, end - at));
}

}  // namespace

Result<std::string> inspect_in_child(const std::string& self_exe, const std::string& file,
                                     int64_t timeout_ms) {
  SystemClock clock;
  int64_t deadline_ns = clock.monotonic_ns() + timeout_ms * kNanosPerMilli;
  Child child;
  if (auto started = child.start(self_exe, file); !started) {
    return with_place(started.error(), file);
  }
  bool complete = child.collect(clock, deadline_ns);
  auto end = complete ? child.wait_for_end(clock, deadline_ns) : std::nullopt;
  if (auto answer = read_answer(child.answer, file); answer && complete) {
    return *answer;
  }
  Error error{"DS-PLUGIN-OUTPUT", "Loading the plugin ended without a description of it.",
              "The plugin is broken: remove it, or ask its vendor.", std::nullopt,
              ExitCode::kFailed};
  if (end && !end->exited) {
    const char* name = sigabbrev_np(end->status);
    error.code = "DS-PLUGIN-CRASH";
    error.message = std::string("Loading the plugin crashed with SIG") +
                    (name != nullptr ? name : "?") + "." + last_words(child.diagnostic);
  } else if (end) {
    error.message = "Loading the plugin ended with exit code " + std::to_string(end->status) +
                    " and without a description of it.";
  } else if (!complete) {
    error.code = "DS-PLUGIN-TIMEOUT";
    error.message = "Loading the plugin did not end within " + std::to_string(timeout_ms) + " ms.";
  }
  return with_place(std::move(error), file);
}

}  // namespace dstream::core
