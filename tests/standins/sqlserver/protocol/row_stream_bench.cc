// How fast stored rows leave the server: to a client that only receives, and to FreeTDS.
//
// usage: standin_protocol_bench [ROWS]      prints one JSON line a case
//
// The row is the 12 columns of the benchmark table behind the four of a change table.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "tests/bench/bare_odbc.h"
#include "tests/standins/sqlserver/protocol/hex.h"
#include "tests/standins/sqlserver/protocol/raw_client.h"
#include "tests/standins/sqlserver/protocol/row_codec.h"
#include "tests/standins/sqlserver/protocol/scripted_handler.h"
#include "tests/standins/sqlserver/protocol/server.h"

namespace {

using namespace dstream::standin;

constexpr int kRuns = 5;

SqlType type_of(TypeId id, int32_t length = 0, uint8_t precision = 0, uint8_t scale = 0) {
  return {id, length, precision, scale, true, false};
}

std::vector<ResultColumn> change_columns() {
  return {{"__$start_lsn", {TypeId::kBinary, 10, 0, 0, false, false}},
          {"__$seqval", {TypeId::kBinary, 10, 0, 0, false, false}},
          {"__$operation", {TypeId::kInt, 0, 0, 0, false, false}},
          {"__$update_mask", type_of(TypeId::kVarBinary, 128)},
          {"id", type_of(TypeId::kBigInt)},
          {"cust", type_of(TypeId::kInt)},
          {"name", type_of(TypeId::kNVarChar, 100)},
          {"email", type_of(TypeId::kVarChar, 100)},
          {"city", type_of(TypeId::kNVarChar, 50)},
          {"notes", type_of(TypeId::kNVarChar, 200)},
          {"sku", type_of(TypeId::kVarChar, 20)},
          {"price", type_of(TypeId::kDecimal, 0, 12, 2)},
          {"qty", type_of(TypeId::kInt)},
          {"active", type_of(TypeId::kBit)},
          {"ts", type_of(TypeId::kDateTime2, 0, 0, 7)},
          {"amount", type_of(TypeId::kDecimal, 0, 18, 4)}};
}

std::vector<SqlValue> change_row(int64_t id) {
  const std::string number = std::to_string(id);
  return {SqlValue::of_text(from_hex("00000027000001F40003")),
          SqlValue::of_text(from_hex("00000027000001F40002")),
          SqlValue::of_number(2),
          SqlValue::of_text(from_hex("FF0F")),
          SqlValue::of_number(id),
          SqlValue::of_number(id % 1000),
          SqlValue::of_text("Customer " + number),
          SqlValue::of_text("customer" + number + "@example.com"),
          SqlValue::of_text("Reykjavik"),
          SqlValue::of_text("Leave at the door if nobody is in."),
          SqlValue::of_text("SKU-" + number),
          SqlValue::of_text("1234.56"),
          SqlValue::of_number(id % 7),
          SqlValue::of_number(1),
          SqlValue::of_number(639'310'340'961'234'567),
          SqlValue::of_text("98765.4321")};
}

std::vector<std::string> stored_rows() {
  std::vector<std::string> rows(4'096);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!encode_row(change_columns(), change_row(static_cast<int64_t>(i)), &rows[i])) {
      std::abort();
    }
  }
  return rows;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double cpu_seconds(int who) {
  rusage usage{};
  getrusage(who, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// `run` is the client's side and stays on this thread; what other threads burn is the server's.
void measure(const char* what, size_t rows, const std::function<void()>& run) {
  std::vector<double> rates;
  const double client_before = cpu_seconds(RUSAGE_THREAD);
  const double all_before = cpu_seconds(RUSAGE_SELF);
  for (int i = 0; i < kRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    rates.push_back(static_cast<double>(rows) / took.count());
  }
  const double client = cpu_seconds(RUSAGE_THREAD) - client_before;
  const double server = cpu_seconds(RUSAGE_SELF) - all_before - client;
  const double per_row_us = 1e6 / static_cast<double>(rows * kRuns);
  std::printf(
      "{\"case\":\"%s\",\"rows\":%zu,\"median_rows_per_second\":%.0f,"
      "\"best_rows_per_second\":%.0f,\"client_cpu_us_per_row\":%.3f,"
      "\"server_cpu_us_per_row\":%.3f}\n",
      what, rows, median(rates), *std::max_element(rates.begin(), rates.end()), client * per_row_us,
      server * per_row_us);
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const std::vector<std::string> rows = stored_rows();
  const std::vector<ResultColumn> columns = change_columns();
  ScriptedHandler handler;
  handler.statements["SELECT rows"] = [&](std::span<const Parameter>, ResponseWriter& out) {
    out.columns(columns);
    for (size_t i = 0; i < count && out.encoded_row(rows[i % rows.size()]); ++i) {
    }
    out.statement_done(0xC1, static_cast<int64_t>(count));
  };
  Server server(&handler, {});
  std::string error;
  if (!server.start(&error)) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  measure("encode_row", count, [&] {
    std::string token;
    const std::vector<SqlValue> values = change_row(7);
    for (size_t i = 0; i < count; ++i) {
      token.clear();
      encode_row(columns, values, &token);
    }
  });
  measure("append_picked", count, [&] {
    const RowLayout layout(columns);
    std::vector<ByteRange> scratch(columns.size());
    const std::vector<uint16_t> picks = {4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    std::string token;
    for (size_t i = 0; i < count; ++i) {
      token.clear();
      layout.append_picked(rows[i % rows.size()], picks, scratch, &token);
    }
  });
  RawClient raw;
  if (!raw.connect(server.port()) || !raw.log_in()) {
    return 1;
  }
  measure("receive only", count, [&] {
    raw.send(RawClient::batch("SELECT rows"));
    raw.skip_message();
  });
  dstream::bench::BareReader reader(
      "Driver=/usr/lib/x86_64-linux-gnu/odbc/libtdsodbc.so;"
      "Server=127.0.0.1;Port=" +
      std::to_string(server.port()) + ";UID=sa;PWD=Secret-1;TDS_Version=7.4;ClientCharset=UTF-8");
  measure("FreeTDS block fetch", count, [&] {
    const uint64_t read =
        reader.read("SELECT rows", [](const std::vector<dstream::bench::Column>&, size_t) {});
    if (read != count) {
      std::abort();
    }
  });
  return 0;
}
