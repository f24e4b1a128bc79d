// Yardstick of B1: what a relay costs that joins a source and a sink program through their standard
// streams. A child writes lines, this program reads them through a buffer and writes each on as it
// comes, a second child reads them: one write call a message, as a line relay does it.
//
// usage: stdio_relay MESSAGES BYTES      prints one JSON line

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr size_t kBufferBytes = 64 * 1024;

void write_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    ssize_t wrote = write(fd, data, size);
    if (wrote <= 0) {
      std::perror("write");
      _exit(1);
    }
    data += wrote;
    size -= static_cast<size_t>(wrote);
  }
}

// Calls `line` with every line, its end included.
template <class Line>
void for_each_line(int fd, Line&& line) {
  std::vector<char> buffer(kBufferBytes);
  size_t filled = 0;
  for (;;) {
    ssize_t got = read(fd, buffer.data() + filled, buffer.size() - filled);
    if (got <= 0) {
      return;
    }
    filled += static_cast<size_t>(got);
    size_t begin = 0;
    while (auto* end =
               static_cast<char*>(std::memchr(buffer.data() + begin, '\n', filled - begin))) {
      size_t length = static_cast<size_t>(end - (buffer.data() + begin)) + 1;
      line(buffer.data() + begin, length);
      begin += length;
    }
    std::memmove(buffer.data(), buffer.data() + begin, filled - begin);
    filled -= begin;
  }
}

void generate(int fd, long messages, size_t bytes) {
  std::string line = "{\"v\":\"" + std::string(bytes - 9, 'x') + "\"}\n";
  std::string block;
  for (long done = 0; done < messages; ++done) {
    block += line;
    if (block.size() > kBufferBytes) {
      write_all(fd, block.data(), block.size());
      block.clear();
    }
  }
  write_all(fd, block.data(), block.size());
}

double cpu_seconds(const rusage& usage) {
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 || std::atol(argv[1]) <= 0 || std::atol(argv[2]) < 16) {
    std::fprintf(stderr, "usage: stdio_relay MESSAGES BYTES\n");
    return 2;
  }
  long messages = std::atol(argv[1]);
  size_t bytes = static_cast<size_t>(std::atol(argv[2]));
  int source[2];
  int sink[2];
  int counted[2];
  if (pipe(source) != 0 || pipe(sink) != 0 || pipe(counted) != 0) {
    std::perror("pipe");
    return 1;
  }
  auto start = std::chrono::steady_clock::now();
  pid_t generator = fork();
  if (generator == 0) {
    generate(source[1], messages, bytes);
    _exit(0);
  }
  close(source[1]);
  pid_t reader = fork();
  if (reader == 0) {
    close(sink[1]);
    long count = 0;
    for_each_line(sink[0], [&](const char*, size_t) { ++count; });
    write_all(counted[1], reinterpret_cast<const char*>(&count), sizeof count);
    _exit(0);
  }
  close(sink[0]);
  for_each_line(source[0], [&](const char* data, size_t size) { write_all(sink[1], data, size); });
  close(sink[1]);
  waitpid(generator, nullptr, 0);
  waitpid(reader, nullptr, 0);
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  long count = 0;
  if (read(counted[0], &count, sizeof count) != sizeof count || count != messages) {
    std::fprintf(stderr, "stdio_relay: %ld of %ld messages arrived\n", count, messages);
    return 1;
  }
  rusage self{};
  rusage children{};
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  std::printf("{\"rows\":%ld,\"seconds\":%.4f,\"cpu_seconds\":%.4f}\n", messages, seconds,
              cpu_seconds(self) + cpu_seconds(children));
  return 0;
}
