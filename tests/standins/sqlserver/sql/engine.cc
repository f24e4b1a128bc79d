#include "tests/standins/sqlserver/sql/engine.h"

#include <chrono>

#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/lexer.h"
#include "tests/standins/sqlserver/sql/parser.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/table_functions.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

constexpr size_t kParsedMax = 2000;
constexpr size_t kParsedBytesMax = 8000;  // longer batches are hardly sent twice

// Takes what an internal session answers: errors are thrown on, results are dropped.
class NullWriter final : public ResponseWriter {
 public:
  bool columns(std::span<const ResultColumn>) override { return true; }
  bool row(std::span<const SqlValue>) override { return true; }
  bool encoded_row(std::string_view) override { return true; }
  bool message(const ServerMessage& message) override {
    if (message.severity > 10 && first_error.number == 0) {
      first_error = message;
    }
    return true;
  }
  bool database_changed(std::string_view, std::string_view) override { return true; }
  bool transaction_changed(uint8_t) override { return true; }
  bool statement_done(uint16_t, int64_t, bool) override { return true; }
  bool return_status(int32_t) override { return true; }
  bool return_value(const Parameter&) override { return true; }
  bool cancelled() override { return false; }

  ServerMessage first_error;
};

int64_t system_utc_ticks() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return kUnixEpochTicks +
         std::chrono::duration_cast<std::chrono::nanoseconds>(since).count() / 100;
}

}  // namespace

Engine::Engine(EngineOptions options) : options_(std::move(options)) {
  for (const char* name : {"master", "tempdb"}) {
    create_database(name).is_system = true;
  }
  for (const char* name : {"model", "msdb"}) {
    if (!options_.is_azure) {
      create_database(name).is_system = true;
    }
  }
  main_database_ = find_database(options_.database);
  if (main_database_ == nullptr) {
    main_database_ = &create_database(options_.database);
  }
  add_prepared_procedures(this);
  add_cursor_procedures(this);
  add_catalog_procedures(this);
  add_catalog_views(this);
  add_table_functions(this);
  add_security_procedures(this);
}

Engine::~Engine() = default;

std::unique_ptr<Session> Engine::login(const LoginRequest& request, ServerMessage* refusal) {
  const bool is_own = equal_names(request.user, options_.user);
  if (is_own ? request.password != options_.password
             : !principals_.is_password(request.user, request.password)) {
    refusal->number = 18456;
    refusal->severity = 14;
    refusal->state = 1;
    refusal->text = "Login failed for user '" + request.user + "'.";
    return nullptr;
  }
  Database* database = request.database.empty() ? main_database_ : find_database(request.database);
  if (database == nullptr) {
    refusal->number = 4060;
    refusal->severity = 11;
    refusal->state = 1;
    refusal->text = "Cannot open database \"" + request.database +
                    "\" requested by the login. The login failed.";
    return nullptr;
  }
  return std::make_unique<SqlSession>(this, request, database);
}

std::unique_ptr<SqlSession> Engine::internal_session(std::string_view database) {
  LoginRequest login;
  login.user = options_.user;
  login.application = "stand-in";
  Database* found = database.empty() ? main_database_ : find_database(database);
  if (found == nullptr) {
    throw unknown_database(database);
  }
  return std::make_unique<SqlSession>(this, login, found);
}

void Engine::run_script(std::string_view script) {
  const std::unique_ptr<SqlSession> session = internal_session();
  for (const std::string& batch : split_batches(script)) {
    NullWriter writer;
    session->batch(batch, writer);
    if (writer.first_error.number != 0) {
      throw SqlError(writer.first_error);
    }
  }
}

Database* Engine::find_database(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto it = databases_.find(fold_name(name));
  return it == databases_.end() ? nullptr : it->second.get();
}

Database* Engine::find_database(int32_t id) {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, database] : databases_) {
    if (database->id() == id) {
      return database.get();
    }
  }
  return nullptr;
}

std::vector<Database*> Engine::databases() {
  const std::lock_guard lock(mutex_);
  std::vector<Database*> result(databases_.size());
  for (const auto& [name, database] : databases_) {
    result[static_cast<size_t>(database->id() - 1)] = database.get();
  }
  return result;
}

Database& Engine::create_database(const std::string& name) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Database>& slot = databases_[fold_name(name)];
  if (slot != nullptr) {
    throw SqlError(1801, 16, 3,
                   "Database '" + name +
                       "' already exists. Choose a different "
                       "database name.");
  }
  slot = std::make_unique<Database>(name, static_cast<int32_t>(databases_.size()));
  slot->create_ticks = local_ticks();
  return *slot;
}

void Engine::set_clock(int64_t utc_ticks) { set_ticks_ = utc_ticks; }
void Engine::advance_clock(int64_t ticks) { set_ticks_ = utc_ticks() + ticks; }
void Engine::resume_clock() { set_ticks_ = 0; }

int64_t Engine::utc_ticks() const {
  if (const int64_t set = set_ticks_.load(); set != 0) {
    return set;
  }
  return options_.utc_ticks ? options_.utc_ticks() : system_utc_ticks();
}

int64_t Engine::local_ticks() const {
  return utc_ticks() + options_.utc_offset_min * kTicksPerMinute;
}

void Engine::add_view(std::string_view name, SystemView view) {
  views_.insert_or_assign(fold_name(name), std::move(view));
}

const SystemView* Engine::find_view(std::string_view folded) const {
  const auto it = views_.find(folded);
  return it == views_.end() ? nullptr : &it->second;
}

void Engine::add_table_function(std::string_view name, TableFunction function) {
  table_functions_.insert_or_assign(fold_name(name), std::move(function));
}

const TableFunction* Engine::find_table_function(std::string_view folded) const {
  const auto it = table_functions_.find(folded);
  return it == table_functions_.end() ? nullptr : &it->second;
}

void Engine::add_procedure(std::string_view name, Procedure procedure) {
  procedures_.insert_or_assign(fold_name(name), std::move(procedure));
}

const Procedure* Engine::find_procedure(std::string_view folded) const {
  const auto it = procedures_.find(folded);
  return it == procedures_.end() ? nullptr : &it->second;
}

std::vector<Engine::SystemObject> Engine::system_objects(Database& database) const {
  return object_lister_ ? object_lister_(database) : std::vector<SystemObject>();
}

namespace {

// Calls `take` with each constraint's id, name and schema; constraints are objects as tables are.
void for_each_constraint(
    Database& database,
    const std::function<void(int32_t, const std::string&, const std::string&)>& take) {
  for (const TablePtr& table : database.tables()) {
    const DefinitionPtr definition = table->definition();
    for (const Index& index : definition->indexes) {
      if (index.is_constraint) {
        take(index.object_id, index.name, table->schema());
      }
    }
    for (const ForeignKey& key : definition->foreign_keys) {
      take(key.object_id, key.name, table->schema());
    }
    for (const Check& check : definition->checks) {
      take(check.object_id, check.name, table->schema());
    }
    for (const Column& column : definition->columns) {
      if (!column.default_name.empty()) {
        take(column.default_id, column.default_name, table->schema());
      }
    }
  }
}

}  // namespace

SqlValue Engine::object_id(Database& database, const Name& name) const {
  const std::string schema = name.before_last(1).empty() ? "dbo" : name.before_last(1);
  for (const SystemObject& object : system_objects(database)) {
    if (equal_names(object.name, name.last()) && equal_names(object.schema, schema)) {
      return SqlValue::of_number(object.id);
    }
  }
  SqlValue found;
  for_each_constraint(database, [&](int32_t id, const std::string& constraint,
                                    const std::string& constraint_schema) {
    if (equal_names(constraint, name.last()) && equal_names(constraint_schema, schema)) {
      found = SqlValue::of_number(id);
    }
  });
  return found;
}

SqlValue Engine::object_name(Database& database, int32_t id, bool schema) const {
  for (const SystemObject& object : system_objects(database)) {
    if (object.id == id) {
      return SqlValue::of_text(schema ? object.schema : object.name);
    }
  }
  SqlValue found;
  for_each_constraint(database, [&](int32_t constraint_id, const std::string& name,
                                    const std::string& constraint_schema) {
    if (constraint_id == id) {
      found = SqlValue::of_text(schema ? constraint_schema : name);
    }
  });
  return found;
}

bool Engine::has_object(Database& database, std::string_view schema, std::string_view name) {
  return database.find_table(schema, name) != nullptr ||
         is_read_only_object(database, schema, name);
}

bool Engine::is_read_only_object(Database& database, std::string_view schema,
                                 std::string_view name) {
  if (relation_finder_ && relation_finder_(database, schema, name) != nullptr) {
    return true;
  }
  const std::string folded = fold_name(std::string(schema) + "." + std::string(name));
  return find_view(folded) != nullptr ||
         find_view(fold_name(database.name()) + "." + folded) != nullptr;
}

void Engine::table_changed(const TablePtr& table, bool is_dropped) {
  if (catalog_listener_ && table->database != nullptr && !table->is_temporary) {
    catalog_listener_(*table->database, table, is_dropped);
  }
}

void Engine::schemas_changed(Database& database) {
  if (catalog_listener_) {
    catalog_listener_(database, nullptr, false);
  }
}

std::shared_ptr<const Batch> Engine::parse_cached(std::string_view sql, bool quoted_identifier) {
  if (sql.size() > kParsedBytesMax) {
    return parse_batch(sql, quoted_identifier);
  }
  std::string key(quoted_identifier ? "1" : "0");
  key += sql;
  {
    const std::lock_guard lock(parse_mutex_);
    const auto it = parsed_.find(key);
    if (it != parsed_.end()) {
      return it->second;
    }
  }
  std::shared_ptr<const Batch> batch = parse_batch(sql, quoted_identifier);
  const std::lock_guard lock(parse_mutex_);
  if (parsed_.size() >= kParsedMax) {
    parsed_.clear();
  }
  parsed_.emplace(std::move(key), batch);
  return batch;
}

int32_t Engine::open_session(const SqlSession* session, const LoginRequest& login) {
  const std::lock_guard lock(mutex_);
  SessionInfo info;
  info.id = login.session_id != 0 ? login.session_id : ++last_session_id_;
  info.login = login;
  info.login.password.clear();
  return sessions_.emplace(session, std::move(info)).first->second.id;
}

void Engine::close_session(const SqlSession* session) {
  const std::lock_guard lock(mutex_);
  sessions_.erase(session);
}

std::vector<Engine::SessionInfo> Engine::sessions() {
  const std::lock_guard lock(mutex_);
  std::vector<SessionInfo> result;
  for (const auto& [session, info] : sessions_) {
    result.push_back(info);
  }
  return result;
}

void Engine::log(std::string_view line) const {
  if (options_.log) {
    options_.log(line);
  }
}

}  // namespace dstream::standin::sql
