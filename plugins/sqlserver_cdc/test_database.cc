#include "plugins/sqlserver_cdc/test_database.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <stdexcept>

#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/identifiers.h"
#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/protocol/server.h"
#include "tests/standins/sqlserver/sql/engine.h"

namespace dstream::sqlserver {
namespace {

constexpr std::chrono::seconds kLimit{30};

std::string text_of(const dstream_value& value) {
  const auto bytes = [&value] {
    return std::string(reinterpret_cast<const char*>(value.as.data), value.size);
  };
  switch (value.type) {
    case DSTREAM_NULL:
      return "null";
    case DSTREAM_ABSENT:
      return "absent";
    case DSTREAM_BOOL:
      return value.as.i64 != 0 ? "true" : "false";
    case DSTREAM_INT64:
      return std::to_string(value.as.i64);
    case DSTREAM_FLOAT64:
      return std::to_string(value.as.f64);
    case DSTREAM_DATE:
      return "day " + std::to_string(value.as.i64);
    case DSTREAM_TIME:
      return "time " + std::to_string(value.as.i64);
    case DSTREAM_TIMESTAMP:
    case DSTREAM_TIMESTAMP_TZ: {
      const std::string nanos = std::to_string(1'000'000'000 + value.as.time.nanos).substr(1);
      const std::string zone =
          value.type == DSTREAM_TIMESTAMP_TZ ? "@" + std::to_string(value.as.time.offset_min) : "";
      return std::to_string(value.as.time.seconds) + '.' + nanos + zone;
    }
    case DSTREAM_UUID: {
      constexpr char kDigits[] = "0123456789abcdef";
      std::string text;
      for (const uint8_t byte : value.as.uuid) {
        text += {kDigits[byte >> 4], kDigits[byte & 15]};
      }
      return text;
    }
    default:
      return bytes();
  }
}

std::string row_text(std::span<const dstream_value> row) {
  std::string text;
  for (const dstream_value& value : row) {
    text += (text.empty() ? "" : "|") + text_of(value);
  }
  return text;
}

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    out += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  return out + '"';
}

const char* real_server() { return std::getenv("DSTREAM_TEST_SQLSERVER"); }

// `url` with another database.
std::string with_database(std::string url, const std::string& database) {
  const size_t start = url.find("database=") + 9;
  return url.replace(start, std::min(url.find('&', start), url.size()) - start, database);
}

// " (ID int key, Model nvarchar(40)?) of dbo_Cars: ALTER TABLE ..."
std::string schema_text(const RecordView& record) {
  const dstream_schema& schema = *record.raw().schema;
  std::string text;
  for (uint32_t i = 0; i < schema.column_count; ++i) {
    const dstream_column& column = schema.columns[i];
    text += (i == 0 ? " (" : ", ") + std::string(column.name) + ' ' + column.source_type +
            ((column.flags & DSTREAM_COLUMN_NULLABLE) != 0 ? "?" : "") +
            ((column.flags & DSTREAM_COLUMN_KEY) != 0 ? " key" : "");
  }
  text += ") of " + std::string(record.header("capture_instance"));
  const std::string_view ddl = record.header("ddl");
  return ddl.empty() ? text : text + ": " + std::string(ddl);
}

}  // namespace

Seen look_at(const RecordView& record) {
  const dstream_record& raw = record.raw();
  Seen out;
  out.text = raw.op == DSTREAM_OP_INSERT     ? "i "
             : raw.op == DSTREAM_OP_DELETE   ? "d "
             : raw.op == DSTREAM_OP_SNAPSHOT ? "r "
             : raw.op == DSTREAM_OP_TRUNCATE ? "t "
             : raw.op == DSTREAM_OP_SCHEMA   ? "s "
                                             : "u ";
  out.text += raw.schema->name;
  if (!record.before().empty()) {
    out.text += " before " + row_text(record.before());
  }
  if (!record.after().empty()) {
    out.text += " after " + row_text(record.after());
  }
  if (raw.op == DSTREAM_OP_SCHEMA) {
    out.text += schema_text(record);
  }
  out.position = record.position();
  out.transaction_end = (raw.flags & DSTREAM_RECORD_TX_END) != 0;
  out.sequence = raw.transaction_seq;
  out.facts = std::string(record.header("commit_lsn")) + ' ' +
              std::string(record.header("change_lsn")) + ' ' +
              std::string(record.header("sequence")) + ' ' + std::to_string(raw.transaction_seq) +
              ' ' + std::to_string(raw.commit_time_ns) + ' ' + std::to_string(raw.schema->id);
  return out;
}

std::vector<std::string> texts(const std::vector<Seen>& all) {
  std::vector<std::string> out;
  out.reserve(all.size());
  for (const Seen& each : all) {
    out.push_back(each.text + (each.transaction_end ? " $" : ""));
  }
  return out;
}

std::vector<std::string> facts(const std::vector<Seen>& all) {
  std::vector<std::string> out;
  out.reserve(all.size());
  for (const Seen& each : all) {
    out.push_back(each.facts + ' ' + each.position);
  }
  return out;
}

int64_t unix_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// Server and administrator's connection.
class SourceFixture::Database {
 public:
  Database() {
    if (real_server() == nullptr) {
      start_standin();
    } else {
      name = "dstream_test_" + std::to_string(unix_now_ns());
      url = real_server();
      connect();
      run("CREATE DATABASE " + name);
      url = with_database(url, name);
    }
    connect();
    run("EXEC sys.sp_cdc_enable_db");
  }
  ~Database() {
    if (server == nullptr) {
      writer.reset();
      url = with_database(url, "master");
      connect();
      run("ALTER DATABASE " + name + " SET SINGLE_USER WITH ROLLBACK IMMEDIATE; DROP DATABASE " +
          name);
    } else {
      admin.reset();
      writer.reset();
      server->stop();
    }
  }

  void run(const std::string& sql) { run(*admin, sql); }
  void run_as_writer(const std::string& sql) {
    if (writer == nullptr) {
      writer = open_connection();
    }
    run(*writer, sql);
  }
  static void run(Connection& connection, const std::string& sql) {
    Statement statement(connection, sql, {}, sql.substr(0, 200));
    do {
      SQLSMALLINT columns = 0;
      SQLNumResultCols(statement.handle(), &columns);
      while (columns > 0 && statement.next_row()) {
      }
    } while (statement.next_result());
  }
  int64_t number(const std::string& sql) {
    Statement statement(*admin, sql, {}, sql);
    int64_t value = 0;
    if (statement.next_row()) {
      statement.get_int(1, &value);
    }
    return value;
  }

  std::string name = "testdb";
  std::atomic<int64_t> clock_offset_ticks{0};
  std::string url;
  std::unique_ptr<standin::sql::Engine> engine;
  std::unique_ptr<standin::cdc::ChangeDataCapture> capture;
  std::unique_ptr<standin::Server> server;
  std::unique_ptr<Connection> admin;
  std::unique_ptr<Connection> writer;

 private:
  void start_standin() {
    standin::sql::EngineOptions engine_options;
    engine_options.utc_offset_min = 330;  // so that a mistake with time zones shows
    engine_options.utc_ticks = [this] {
      constexpr int64_t kTicksTo1970 = 719'162 * int64_t{864'000'000'000};
      return kTicksTo1970 + unix_now_ns() / 100 + clock_offset_ticks.load();
    };
    engine = std::make_unique<standin::sql::Engine>(engine_options);
    standin::cdc::CaptureOptions options;
    options.interval_ms = 5;
    capture = std::make_unique<standin::cdc::ChangeDataCapture>(engine.get(), options);
    server = std::make_unique<standin::Server>(engine.get(), standin::ServerOptions{});
    std::string error;
    if (!server->start(&error)) {
      throw std::runtime_error(error);
    }
    url = "sqlserver://sa:Secret-1@127.0.0.1:" + std::to_string(server->port()) +
          "?database=testdb&encrypt=no";
  }
  std::unique_ptr<Connection> open_connection() const {
    return std::make_unique<Connection>(make_connection(url, installed_drivers()),
                                        std::chrono::seconds(15), std::chrono::seconds(60));
  }
  void connect() { admin = open_connection(); }
};

SourceFixture::SourceFixture() = default;
SourceFixture::~SourceFixture() = default;

bool SourceFixture::is_real() { return real_server() != nullptr; }
std::string SourceFixture::database_name() const { return database_->name; }
uint16_t SourceFixture::server_port() const { return database_->server->port(); }
standin::Faults& SourceFixture::faults() { return database_->server->faults(); }
standin::Statistics& SourceFixture::statistics() { return database_->server->statistics(); }

void SourceFixture::SetUp() { database_ = std::make_unique<Database>(); }

void SourceFixture::TearDown() {
  source_.reset();
  host_.reset();
  database_.reset();
}

std::string SourceFixture::url(const std::string& user, const std::string& password,
                               const std::string& database) const {
  if (user.empty()) {
    return database_->url;
  }
  return "sqlserver://" + user + ':' + password +
         "@127.0.0.1:" + std::to_string(database_->server->port()) +
         "?database=" + (database.empty() ? database_->name : database) + "&encrypt=no";
}

void SourceFixture::run(const std::string& sql) { database_->run(sql); }
void SourceFixture::run_as_writer(const std::string& sql) { database_->run_as_writer(sql); }
int64_t SourceFixture::number(const std::string& sql) { return database_->number(sql); }

void SourceFixture::create_table(const std::string& sql, const std::string& table,
                                 const std::string& schema) {
  run(sql);
  enable_table(table, schema);
}

void SourceFixture::enable_table(const std::string& table, const std::string& schema,
                                 const std::string& instance) {
  run("EXEC sys.sp_cdc_enable_table @source_schema = " + quote_literal(schema) +
      ", @source_name = " + quote_literal(table) + ", @role_name = NULL" +
      (instance.empty() ? "" : ", @capture_instance = " + quote_literal(instance)));
}

void SourceFixture::disable_table(const std::string& table) {
  run("EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = " +
      quote_literal(table) + ", @capture_instance = N'all'");
}

void SourceFixture::disable_cdc() { run("EXEC sys.sp_cdc_disable_db"); }

void SourceFixture::advance_clock(std::chrono::seconds by) {
  database_->clock_offset_ticks += by.count() * 10'000'000;
}

void SourceFixture::wait_captured(const std::string& instance, int64_t rows) {
  if (database_->capture != nullptr) {
    database_->capture->scan_all();
  }
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  const std::string sql = "SELECT COUNT(*) FROM cdc." + quote_identifier(instance + "_CT");
  while (number(sql) < rows) {
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("the capture job does not get there");
    }
    run("WAITFOR DELAY '00:00:00.010'");
  }
}

void SourceFixture::clean_up(const std::string& instance) {
  run("DECLARE @low binary(10) = (SELECT MAX(start_lsn) FROM "
      "cdc.lsn_time_mapping); "
      "EXEC sys.sp_cdc_cleanup_change_table @capture_instance = " +
      quote_literal(instance) + ", @low_water_mark = @low, @threshold = 5000");
}

std::string SourceFixture::many_cars(int count) {
  constexpr int kRowsOfStatement = 1000;  // what one VALUES list may hold
  std::string sql = "BEGIN TRANSACTION;\n";
  for (int i = 1; i <= count; ++i) {
    const bool first = i % kRowsOfStatement == 1;
    sql += (first ? "INSERT INTO dbo.Cars (ID, Model) VALUES (" : ",(") + std::to_string(i) +
           ",N'm" + std::to_string(i) + "')";
    sql += i % kRowsOfStatement == 0 || i == count ? ";\n" : "";
  }
  return sql + "COMMIT;";
}

void SourceFixture::make(const std::vector<std::string>& tables, const std::string& options,
                         const std::string& connection) {
  source_.reset();
  std::string json =
      "{\"connection\":" + json_text(connection.empty() ? url() : connection) + ",\"tables\":[";
  for (const std::string& table : tables) {
    json += (json.back() == '[' ? "" : ",") + json_text(table);
  }
  json += "]";
  if (options.find("poll_interval") == std::string::npos) {
    json += ",\"poll_interval\":\"10ms\",\"max_poll_interval\":\"10ms\"";
  }
  if (options.find("\"snapshot\"") == std::string::npos) {
    json += R"(,"snapshot":"never")";
  }
  json += (options.empty() ? "" : "," + options) + "}";
  host_ = std::make_unique<testing_sdk::FakeHost>(json);
  source_ = std::make_unique<testing_sdk::SourceDriver>(
      *testing_sdk::find_connector(dstream_plugin_v1, "sqlserver-cdc"), *host_);
}

void SourceFixture::open(const std::vector<std::string>& tables, const std::string& options,
                         const std::string& position, const std::string& connection) {
  make(tables, options, connection);
  source_->open(position);
}

void SourceFixture::reopen(const std::string& position) {
  source_->close();
  source_->open(position);
}

std::vector<Seen> SourceFixture::read(size_t count) {
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  std::vector<Seen> all;
  while (all.size() < count) {
    const auto wanted = static_cast<uint32_t>(count - all.size());
    const Batch batch = source_->read(wanted, Millis(1000));
    for (uint32_t i = 0; i < batch.size(); ++i) {
      if (batch[i].op() != DSTREAM_OP_WATERMARK) {
        all.push_back(look_at(batch[i]));
      }
    }
    if (batch.size() > 0) {
      source_->commit(batch[batch.size() - 1].position());
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("only " + std::to_string(all.size()) + " changes arrived");
    }
  }
  return all;
}

Batch SourceFixture::read_batch() {
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  for (;;) {
    Batch batch = source_->read(1000, Millis(1000));
    if (batch.size() > 0 && batch[0].op() != DSTREAM_OP_WATERMARK) {
      return batch;
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw std::runtime_error("no change arrived");
    }
  }
}

std::string SourceFixture::read_watermark() {
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  while (std::chrono::steady_clock::now() < deadline) {
    const Batch batch = source_->read(1000, Millis(1000));
    if (batch.size() > 0 && batch[batch.size() - 1].op() == DSTREAM_OP_WATERMARK) {
      return batch.last_position();
    }
  }
  throw std::runtime_error("no watermark arrived");
}

void SourceFixture::read_some() { source_->read(1000, Millis(1000)); }

void SourceFixture::drain() {
  while (source_->read(1000, Millis(200)).size() > 0) {
  }
}

}  // namespace dstream::sqlserver
