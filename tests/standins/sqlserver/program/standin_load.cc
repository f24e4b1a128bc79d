// A client without a driver, for the figures of ./dev bench: what the stand-in itself can do.
//
//   standin_load read PORT DATABASE PASSWORD SQL
//       reads one answer's packets and throws them away; counts its bytes
//   standin_load run PORT DATABASE PASSWORD SQL
//       the same for a short answer, and fails if that is an error
//   standin_load commit PORT DATABASE PASSWORD CONNECTIONS COMMITS FIRST_ID
//       single-row inserts into dbo.orders, each a transaction, COMMITS in all
//
// Prints one line of JSON.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <sys/resource.h>

#include "tests/standins/sqlserver/protocol/raw_client.h"

namespace {

using dstream::standin::LoginBuilder;
using dstream::standin::RawClient;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "standin_load: %s\n", what);
  std::exit(1);
}

struct Target {
  uint16_t port = 0;
  std::string database, password;
};

std::unique_ptr<RawClient> connect(const Target& target) {
  LoginBuilder login;
  login.database = target.database;
  login.password = target.password;
  login.packet_size = 32'000;
  auto client = std::make_unique<RawClient>();
  if (!client->connect(target.port) || !client->log_in(login)) {
    fail("cannot log in");
  }
  return client;
}

constexpr std::string_view kErrorToken = "\xAA";

// Returns the bytes of the answer.
int64_t drop_answer(RawClient* client, std::string_view sql) {
  uint64_t bytes = 0;
  if (!client->send(RawClient::batch(sql)) || !client->skip_message(&bytes)) {
    fail("the server closed the connection");
  }
  return static_cast<int64_t>(bytes);
}

void run(RawClient* client, std::string_view sql) {
  std::string answer;
  if (!client->send(RawClient::batch(sql)) || !client->receive(&answer)) {
    fail("the server closed the connection");
  }
  if (answer.starts_with(kErrorToken)) {
    fail("the statement failed");
  }
}

void insert_rows(const Target& target, int64_t first, int64_t count) {
  const std::unique_ptr<RawClient> client = connect(target);
  for (int64_t id = first; id < first + count; ++id) {
    const std::string sql =
        "INSERT INTO dbo.orders VALUES (" + std::to_string(id) +
        ", 17, N'a name', 'a@example.org', N'city', NULL, 'sku-1', 12.50, 3, 1, "
        "'2026-11-23T01:02:03.1234567', 99.5)";
    run(client.get(), sql);
  }
}

void report(std::chrono::steady_clock::time_point start, double cpu_before, int64_t count) {
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("{\"count\":%lld,\"seconds\":%.4f,\"cpu_seconds\":%.4f}\n",
              static_cast<long long>(count), seconds, cpu_seconds() - cpu_before);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  const bool is_statement = mode == "read" || mode == "run";
  if (!(is_statement && argc == 6) && !(mode == "commit" && argc == 8)) {
    fail(
        "usage: standin_load read|run PORT DATABASE PASSWORD SQL | "
        "commit PORT DATABASE PASSWORD CONNECTIONS COMMITS FIRST_ID");
  }
  const Target target{static_cast<uint16_t>(std::atoi(argv[2])), argv[3], argv[4]};
  if (is_statement) {
    const std::unique_ptr<RawClient> client = connect(target);
    const auto start = std::chrono::steady_clock::now();
    const double cpu = cpu_seconds();
    int64_t count = 1;
    if (mode == "read") {
      count = drop_answer(client.get(), argv[5]);
    } else {
      run(client.get(), argv[5]);
    }
    report(start, cpu, count);
    return 0;
  }
  const int64_t connections = std::atoll(argv[5]), commits = std::atoll(argv[6]),
                first = std::atoll(argv[7]);
  const auto start = std::chrono::steady_clock::now();
  const double cpu = cpu_seconds();
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < connections; ++i) {
    const int64_t from = commits * i / connections, to = commits * (i + 1) / connections;
    threads.emplace_back(
        [&target, first, from, to] { insert_rows(target, first + from, to - from); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  report(start, cpu, commits);
  return 0;
}
