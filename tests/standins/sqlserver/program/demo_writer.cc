#include "tests/standins/sqlserver/program/demo_writer.h"

#include <array>
#include <chrono>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>

#include "tests/standins/sqlserver/sql/error.h"

namespace dstream::standin {
namespace {

constexpr std::array<std::string_view, 8> kFirstNames = {"Ada",     "Grace",  "Alan",    "Edsger",
                                                         "Barbara", "Donald", "Frances", "Tony"};
constexpr std::array<std::string_view, 8> kLastNames = {"Lovelace", "Hopper", "Turing", "Dijkstra",
                                                        "Liskov",   "Knuth",  "Allen",  "Hoare"};
constexpr std::array<std::string_view, 6> kColors = {"red",    "blue",  "green",
                                                     "silver", "black", "white"};
constexpr std::array<std::string_view, 5> kBrands = {"Volvo", "Fiat", "Tatra", "Saab", "Lada"};

using Random = std::mt19937_64;

template <size_t kCount>
std::string_view pick(const std::array<std::string_view, kCount>& names, Random* random) {
  return names[(*random)() % kCount];
}

// One transaction: mostly updates, now and then a new person with a car, or one who leaves.
std::string transaction(Random* random) {
  const uint64_t dice = (*random)() % 10;
  const std::string id = std::to_string(1 + (*random)() % 1000);
  const std::string first(pick(kFirstNames, random)), last(pick(kLastNames, random));
  if (dice < 5) {
    return "UPDATE dbo.Persons SET Balance = Balance + " + std::to_string((*random)() % 10'000) +
           ".25, UpdatedAt = SYSUTCDATETIME() WHERE ID = (SELECT TOP (1) ID FROM dbo.Persons WHERE "
           "ID >= " +
           std::to_string((*random)() % 20) + " ORDER BY ID)";
  }
  if (dice < 7) {
    return "UPDATE dbo.Cars SET Color = N'" + std::string(pick(kColors, random)) +
           "', Price = Price * 0.99 WHERE CarID = (SELECT TOP (1) CarID FROM dbo.Cars WHERE CarID "
           ">= " +
           std::to_string((*random)() % 20) + " ORDER BY CarID)";
  }
  if (dice < 9) {
    return "BEGIN TRANSACTION; IF NOT EXISTS (SELECT 1 FROM dbo.Persons WHERE ID = " + id +
           ") BEGIN INSERT INTO dbo.Persons (ID, FirstName, LastName, Email, Balance, Active, "
           "UpdatedAt) VALUES (" +
           id + ", N'" + first + "', N'" + last + "', N'" + first + "." + last + "@example.org', " +
           std::to_string((*random)() % 100'000) +
           ".5, 1, SYSUTCDATETIME()); INSERT INTO dbo.Cars (CarID, BrandName, Color, PersonID, "
           "Price, Vin, BuiltOn) SELECT ISNULL(MAX(CarID), 0) + 1, N'" +
           std::string(pick(kBrands, random)) + "', N'" + std::string(pick(kColors, random)) +
           "', " + id + ", 9999.99, NEWID(), CAST(GETDATE() AS date) FROM dbo.Cars; END; COMMIT";
  }
  return "BEGIN TRANSACTION; DELETE FROM dbo.Cars WHERE PersonID = " + id +
         "; DELETE FROM dbo.Persons WHERE ID = " + id + " AND ID > 10; COMMIT";
}

}  // namespace

DemoWriter::DemoWriter(sql::Engine* engine, int64_t interval_ms)
    : engine_(engine), interval_ms_(interval_ms), thread_([this] { run(); }) {}

DemoWriter::~DemoWriter() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void DemoWriter::run() {
  Random random(std::random_device{}());
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::milliseconds(interval_ms_),
                         [this] { return is_stopping_; })) {
    lock.unlock();
    try {
      engine_->run_script(transaction(&random));
    } catch (const sql::SqlError& error) {
      // A deadlock or a duplicate of a client's own doing: the next transaction is another one.
      std::fprintf(stderr, "dstream-sqlserver: demo writer: %s\n", error.what());
    }
    lock.lock();
  }
}

}  // namespace dstream::standin
