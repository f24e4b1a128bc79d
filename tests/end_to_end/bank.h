// The scene of the end-to-end tests: tables in the SQL Server stand-in, writers that change them
// all the time, a real broker, the host between them, and a judge at the far end.
//
//   Bank bank;
//   BankWriter writer(bank.port(), seed, &ledger);      // its own thread, run(stopping)
//   StreamReader reader(bank.broker().plaintext(), {Bank::kTopic}, Bank::kPartitions,
//                       [&](const StreamMessage& message) { Bank::judge(message, &ledger); });
//   auto host = bank.start_host();
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/end_to_end/child.h"
#include "tests/end_to_end/ledger.h"
#include "tests/end_to_end/sql_client.h"
#include "tests/end_to_end/stream_reader.h"
#include "tests/standins/kafka/kafka_broker.h"
#include "tests/standins/kafka/kafka_proxy.h"
#include "tests/standins/kafka/tcp_proxy.h"

namespace dstream::end_to_end {

uint64_t number_from_environment(const char* name, uint64_t fallback);

// The tables of a bank: dbo.Ledger, dbo.Ledger2, and so on. No ID is in two of them, so that an ID
// is one key for the judge.
std::string bank_table(int number);

// Changes random rows in transactions of random size, each in any of the tables, and tells the
// ledger what it committed. A change is named by its kind and the row's version, which only ever
// grows. One transaction in ten is rolled back; what it did may never be seen.
class BankWriter {
 public:
  static constexpr int kLargeTransactionRows = 50'000;

  // Writers of one bank need different `number`s, from 0: each has rows of its own.
  BankWriter(int port, uint64_t seed, Ledger* ledger, int tables = 1, int number = 0)
      : client_(port, "bank"), random_(seed), ledger_(ledger), tables_(tables), number_(number) {}

  // Until `stopping`; one thread.
  void run(const std::atomic<bool>& stopping);
  // One transaction; the thread of run().
  void write();
  // The next transaction inserts kLargeTransactionRows rows. [any-thread]
  void want_large_transaction() { large_wanted_ = true; }
  // It has not begun yet. [any-thread]
  bool large_transaction_wanted() const { return large_wanted_; }

 private:
  struct Change {
    int key = 0;
    std::string name;
  };
  struct Row {
    bool exists = false;
    int version = 0;       // in the table
    int version_last = 0;  // ever used for this key
  };

  void write_transaction();
  void write_large_transaction();
  std::string statement(std::vector<Change>* changes);
  void undo();
  std::string table_of(int key) const { return bank_table(key % tables_); }
  std::string note();
  int choose(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

  SqlClient client_;
  std::mt19937_64 random_;
  Ledger* ledger_;
  const int tables_;
  const int number_;
  std::map<int, Row> rows_;
  std::map<int, Row> rows_before_;  // what the open transaction has touched, as it was
  std::atomic<bool> large_wanted_{false};
};

// Thread rule: one thread.
class Bank {
 public:
  static constexpr int kPartitions = 4;
  static constexpr const char* kTopic = "bank.dbo.Ledger";

  struct Options {
    int tables = 1;
    std::string delivery = "at_least_once";
    bool proxies = false;  // the host reaches database and broker through them, without TLS
  };

  // Starts database and broker; throws std::runtime_error with their words if they do not start.
  Bank() : Bank(Options{}) {}
  explicit Bank(const Options& options);
  ~Bank();
  Bank(const Bank&) = delete;
  Bank& operator=(const Bank&) = delete;

  // `machine`: hosts of different names have different state folders.
  std::unique_ptr<Child> start_host(const std::string& log_level = "info",
                                    const std::string& machine = "state");
  int port() const { return port_; }
  std::vector<std::string> topics() const;
  standin::KafkaBroker& broker() { return broker_; }
  // REQUIRES: with proxies.
  standin::TcpProxy& database_line() { return *database_line_; }
  standin::TcpProxy& broker_line() { return broker_line_->broker(0); }
  const std::filesystem::path& folder() const { return folder_; }

  static void judge(const StreamMessage& message, Ledger* ledger);

 private:
  void start_database();
  void write_config();

  const Options options_;
  std::filesystem::path folder_;
  std::unique_ptr<Child> database_;
  int port_ = 0;
  standin::KafkaBroker broker_;
  std::unique_ptr<standin::TcpProxy> database_line_;
  std::unique_ptr<standin::KafkaProxy> broker_line_;
};

}  // namespace dstream::end_to_end
