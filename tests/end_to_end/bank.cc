#include "tests/end_to_end/bank.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace dstream::end_to_end {
namespace {

constexpr int kLargeTransactionFirstKey = 1'000'000;
constexpr int kRowsPerInsert = 500;
constexpr int kLargeTransactionKeys = 1'000'000;  // of one writer
constexpr int kKeys = 400;

std::string insert_sql(int key, int version, const std::string& note) {
  return "(" + std::to_string(key) + ", " + std::to_string(version) + ", " + note + ", " +
         std::to_string(version) + ".25)";
}

std::string insert_into(const std::string& table) {
  return "INSERT INTO " + table + " (ID, Version, Note, Amount) VALUES ";
}

}  // namespace

std::string bank_table(int number) {
  return "dbo.Ledger" + (number == 0 ? "" : std::to_string(number + 1));
}

uint64_t number_from_environment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

void BankWriter::run(const std::atomic<bool>& stopping) {
  while (!stopping) {
    write();
  }
}

void BankWriter::write() {
  if (large_wanted_.exchange(false)) {
    write_large_transaction();
  } else {
    write_transaction();
  }
}

void BankWriter::write_transaction() {
  std::string sql = "BEGIN TRANSACTION;\n";
  std::vector<Change> changes;
  for (int left = choose(1, 40); left > 0; --left) {
    sql += statement(&changes);
  }
  if (choose(0, 9) == 0) {
    client_.execute(sql + "ROLLBACK TRANSACTION;");
    undo();
    return;
  }
  client_.execute(sql + "COMMIT TRANSACTION;");
  rows_before_.clear();
  for (const auto& change : changes) {
    ledger_->committed(change.key, change.name);
  }
}

std::string BankWriter::statement(std::vector<Change>* changes) {
  int key = number_ * kKeys + choose(1, kKeys);
  Row& row = rows_[key];
  rows_before_.emplace(key, row);
  std::string where = " WHERE ID = " + std::to_string(key) + ";\n";
  if (row.exists && choose(0, 7) == 0) {
    row.exists = false;
    changes->push_back({key, "delete:" + std::to_string(row.version)});
    return "DELETE FROM " + table_of(key) + where;
  }
  bool insert = !row.exists;
  row.exists = true;
  row.version = ++row.version_last;
  changes->push_back({key, (insert ? "insert:" : "update:") + std::to_string(row.version)});
  if (insert) {
    return insert_into(table_of(key)) + insert_sql(key, row.version, note()) + ";\n";
  }
  return "UPDATE " + table_of(key) + " SET Version = " + std::to_string(row.version) +
         ", Note = " + note() + where;
}

void BankWriter::write_large_transaction() {
  // Each statement has the rows of one table.
  const int first = kLargeTransactionFirstKey + number_ * kLargeTransactionKeys;
  client_.execute("BEGIN TRANSACTION;");
  for (int row = 0; row < kLargeTransactionRows;) {
    const int table = row / kRowsPerInsert % tables_;
    std::string sql = insert_into(bank_table(table));
    for (int in_statement = 0; in_statement < kRowsPerInsert; ++in_statement, ++row) {
      sql += (in_statement == 0 ? "" : ",") + insert_sql(first + row, 1, "N'large'");
    }
    client_.execute(sql + ";");
  }
  client_.execute("COMMIT TRANSACTION;");
  for (int row = 0; row < kLargeTransactionRows; ++row) {
    ledger_->committed(first + row, "insert:1");
  }
}

void BankWriter::undo() {
  for (const auto& [key, row] : rows_before_) {
    // Versions of a rolled back transaction are not used again: seen anywhere, they are invented.
    rows_[key] = {row.exists, row.version, rows_[key].version_last};
  }
  rows_before_.clear();
}

std::string BankWriter::note() {
  static const char* const notes[] = {
      "N'plain'", "N'it''s quoted \"twice\"'", "N'žluťoučký 🐎'", "NULL", "N''", "N'line\nbreak\\'"};
  return notes[choose(0, 5)];
}

Bank::Bank(const Options& options)
    : options_(options),
      folder_(std::filesystem::temp_directory_path() /
              ("dstream-bank-" + std::to_string(getpid()))) {
  std::filesystem::create_directories(folder_);
  start_database();
  broker_.start();
  for (const std::string& topic : topics()) {
    broker_.create_topic(topic, kPartitions);
  }
  if (options_.proxies) {
    database_line_ = std::make_unique<standin::TcpProxy>("127.0.0.1:" + std::to_string(port_));
    broker_line_ = std::make_unique<standin::KafkaProxy>(broker_.plaintext());
  }
  write_config();
}

Bank::~Bank() { std::filesystem::remove_all(folder_); }

std::vector<std::string> Bank::topics() const {
  std::vector<std::string> topics;
  for (int table = 0; table < options_.tables; ++table) {
    topics.push_back("bank." + bank_table(table));
  }
  return topics;
}

void Bank::start_database() {
  std::ofstream script(folder_ / "bank.sql");
  script << "EXEC sys.sp_cdc_enable_db;\nGO\n";
  for (int table = 0; table < options_.tables; ++table) {
    const std::string name = bank_table(table);
    script << "CREATE TABLE " << name
           << " (ID int NOT NULL PRIMARY KEY, Version int NOT NULL, Note nvarchar(100) NULL,"
              " Amount decimal(18,4) NOT NULL);\nGO\n"
              "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'"
           << name.substr(name.find('.') + 1) << "', @role_name = NULL;\nGO\n";
  }
  script.close();
  database_ = std::make_unique<Child>(std::vector<std::string>{
      DSTREAM_SQLSERVER_PROGRAM, "--port", "0", "--database", "bank", "--password", "secret",
      "--script", (folder_ / "bank.sql").string(), "--capture-interval", "50"});
  const std::string listening = "listening 127.0.0.1:";
  auto line = database_->wait_line(listening, std::chrono::seconds(60));
  if (!line) {
    throw std::runtime_error("the SQL Server stand-in did not start:\n" + database_->output());
  }
  port_ = std::stoi(line->substr(line->find(listening) + listening.size()));
}

void Bank::write_config() {
  std::string tables;
  for (int table = 0; table < options_.tables; ++table) {
    tables += (table == 0 ? "" : ", ") + bank_table(table);
  }
  std::ofstream config(folder_ / "dstream.yaml");
  config << "pipelines:\n"
            "  - name: bank\n"
            "    source:\n"
            "      type: sqlserver-cdc\n"
            "      connection: sqlserver://sa:secret@127.0.0.1:"
         << (database_line_ == nullptr ? port_ : database_line_->port())
         << "?database=bank&encrypt=no\n"
            "      tables: ["
         << tables
         << "]\n"
            "      snapshot: never\n"
            "      poll_interval: 20ms\n"
            "      max_poll_interval: 100ms\n"
            "    sink:\n"
            "      type: eventhubs\n";
  if (broker_line_ == nullptr) {
    config << "      connection: \"" << broker_.connection_string() << "\"\n"
           << "      tls: {ca_file: " << broker_.ca_file() << "}\n";
  } else {
    config << "      brokers: " << broker_line_->brokers()
           << "\n      backoff_min: 10ms\n      backoff_max: 200ms\n"
              "      librdkafka: {reconnect.backoff.ms: 10, reconnect.backoff.max.ms: 100}\n"
              "    retry: {backoff_max: 500ms}\n";
  }
  config << "    delivery: " << options_.delivery
         << "\n    checkpoint: {interval: 50ms}\n"
            "    queue: {max_bytes: 8MiB}\n";
}

std::unique_ptr<Child> Bank::start_host(const std::string& log_level, const std::string& machine) {
  return std::make_unique<Child>(std::vector<std::string>{
      DSTREAM_PROGRAM, "run", (folder_ / "dstream.yaml").string(), "--plugin-dir",
      DSTREAM_PLUGIN_DIR, "--state-dir", (folder_ / machine).string(), "--log-level", log_level});
}

void Bank::judge(const StreamMessage& message, Ledger* ledger) {
  Poco::JSON::Parser parser;
  int key = parser.parse(message.key).extract<Poco::JSON::Object::Ptr>()->getValue<int>("ID");
  if (message.tombstone) {
    ledger->tombstone(key);
    return;
  }
  parser.reset();
  auto envelope = parser.parse(message.value).extract<Poco::JSON::Object::Ptr>();
  auto op = envelope->getValue<std::string>("op");
  auto row = envelope->getObject(op == "delete" ? "before" : "after");
  ledger->arrived(key, op + ":" + row->getValue<std::string>("Version"));
}

}  // namespace dstream::end_to_end
