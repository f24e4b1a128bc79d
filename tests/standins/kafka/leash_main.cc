// Runs a command that must not outlive whoever started it.
//
// usage: dstream-leash COMMAND ARGUMENTS...
// Prints "pid N", the command's. Kills the command and all of its process group when standard input
// closes, which it does when the holder of the other end dies, however it dies. Ends with the
// command and its exit code (128 + signal).
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace {

[[noreturn]] void become(pid_t leash, char** command) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // for the case that the leash itself is killed
  if (getppid() != leash) {
    _exit(127);
  }
  if (std::freopen("/dev/null", "r", stdin) == nullptr || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    _exit(127);
  }
  execvp(command[0], command);
  std::fprintf(stderr, "dstream-leash: %s: %s\n", command[0], std::strerror(errno));
  _exit(127);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: dstream-leash COMMAND ARGUMENTS...\n");
    return 2;
  }
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) {
    std::perror("dstream-leash: fork");
    return 127;
  }
  if (child == 0) {
    become(self, argv + 1);
  }
  setpgid(child, child);  // in both processes: whoever comes first
  std::printf("pid %d\n", static_cast<int>(child));
  std::fflush(stdout);

  const int child_fd = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  pollfd waited[2] = {{child_fd, POLLIN, 0}, {STDIN_FILENO, 0, 0}};
  while (poll(waited, 2, -1) >= 0 || errno == EINTR) {
    if (waited[0].revents != 0) {
      break;
    }
    if ((waited[1].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
      break;
    }
  }
  kill(-child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
