#include "tests/host/program.h"

#include <Poco/JSON/Parser.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace dstream::host_test {
namespace {

constexpr int kTimeoutMs = 60'000;

[[noreturn]] void become(std::vector<std::string> command, std::vector<std::string> environment,
                         const std::string& out, const std::string& err) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int nothing = open("/dev/null", O_RDONLY);
  int out_fd = open(out.c_str(), O_WRONLY | O_CREAT, 0600);
  int err_fd = open(err.c_str(), O_WRONLY | O_CREAT, 0600);
  dup2(nothing, 0);
  dup2(out_fd, 1);
  dup2(err_fd, 2);
  for (std::string& variable : environment) {
    putenv(variable.data());
  }
  std::vector<char*> arguments;
  for (std::string& argument : command) {
    arguments.push_back(argument.data());
  }
  arguments.push_back(nullptr);
  execv(arguments[0], arguments.data());
  _exit(127);
}

// Waits for the child's end, then kills it if that did not come in time.
void await(pid_t pid) {
  int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  pollfd wait{descriptor, POLLIN, 0};
  if (descriptor < 0 || poll(&wait, 1, kTimeoutMs) <= 0) {
    ADD_FAILURE() << "The program did not end in time.";
    kill(pid, SIGKILL);
  }
  close(descriptor);
}

}  // namespace

Ended call(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) {
  Folder folder;
  std::vector<std::string> command = {DSTREAM_PROGRAM};
  command.insert(command.end(), arguments.begin(), arguments.end());
  pid_t pid = fork();
  if (pid == 0) {
    become(command, environment, folder.path("out"), folder.path("err"));
  }
  await(pid);
  int status = 0;
  rusage usage{};
  wait4(pid, &status, 0, &usage);
  auto milliseconds = [](const timeval& time) {
    return static_cast<int64_t>(time.tv_sec) * 1000 + time.tv_usec / 1000;
  };
  Ended ended;
  ended.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  ended.out = read_file(folder.path("out"));
  ended.err = read_file(folder.path("err"));
  ended.cpu_ms = milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime);
  ended.resident_kib = usage.ru_maxrss;
  return ended;
}

core::JsonObject parse_json(const std::string& text) {
  try {
    return Poco::JSON::Parser().parse(text).extract<core::JsonObject>();
  } catch (const Poco::Exception& failure) {
    ADD_FAILURE() << failure.displayText() << " in:\n" << text;
  }
  return new Poco::JSON::Object;
}

Folder::Folder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "dstream-host-XXXXXX").string();
  path_ = mkdtemp(pattern.data()) == nullptr ? "" : pattern;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string Folder::path(const std::string& name) const { return (path_ / name).string(); }

std::string Folder::write(const std::string& name, const std::string& content) const {
  std::filesystem::path file = path_ / name;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << content;
  return file.string();
}

std::string read_file(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

}  // namespace dstream::host_test
