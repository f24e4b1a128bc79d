// Yardstick of B2 and S1: reads a change table and drops the rows.
//
// usage: bare_odbc CONNECTION CAPTURE_INSTANCE [as_sent]      prints one JSON line

#include <chrono>
#include <cstdio>
#include <string_view>

#include "tests/bench/bare_odbc.h"

int main(int argc, char** argv) {
  const bool as_sent = argc == 4 && std::string_view(argv[3]) == "as_sent";
  if (argc != 3 && !as_sent) {
    std::fprintf(stderr, "usage: bare_odbc CONNECTION CAPTURE_INSTANCE [as_sent]\n");
    return 2;
  }
  using namespace dstream::bench;
  BareReader reader(argv[1], as_sent ? Binding::kAsSent : Binding::kConverted);
  double cpu = process_cpu_seconds();
  auto start = std::chrono::steady_clock::now();
  SQLLEN touched = 0;
  uint64_t rows =
      reader.read(whole_table_sql(argv[2]), [&](const std::vector<Column>& columns, size_t count) {
        for (size_t row = 0; row < count; ++row) {
          touched += columns[0].length[row];
        }
      });
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf(
      "{\"rows\":%llu,\"seconds\":%.4f,\"cpu_seconds\":%.4f,\"peak_kib\":%ld,\"check\":%lld}\n",
      static_cast<unsigned long long>(rows), seconds, process_cpu_seconds() - cpu,
      peak_memory_kib(), static_cast<long long>(touched));
  return 0;
}
