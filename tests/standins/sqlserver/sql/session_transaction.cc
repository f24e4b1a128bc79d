// A session's transactions, locks, and the names it can see.
#include <algorithm>

#include "tests/standins/sqlserver/sql/computed_relation.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::sql {
namespace {

constexpr uint8_t kBegun = 8, kCommitted = 9, kRolledBack = 10;  // ENVCHANGE

}  // namespace

void SqlSession::begin(const std::string& name) {
  if (transaction_count_ == 0) {
    transaction_ = engine_->transactions().begin();
    transaction_->begin_ticks = engine_->local_ticks();
    transaction_->name = name;
    if (out != nullptr) {
      out->transaction_changed(kBegun);
    }
  }
  ++transaction_count_;
}

void SqlSession::commit() {
  if (transaction_count_ > 1) {
    --transaction_count_;
    return;
  }
  if (transaction_->is_doomed) {
    throw SqlError(3930, 16, 1,
                   "The current transaction cannot be committed and cannot support "
                   "operations that write to the log file. Roll back the "
                   "transaction.");
  }
  check_role();
  engine_->transactions().commit(transaction_.get());
  close_transaction();
  if (out != nullptr) {
    out->transaction_changed(kCommitted);
  }
}

bool SqlSession::rollback(const std::string& savepoint) {
  if (!savepoint.empty() && !equal_names(savepoint, transaction_->name)) {
    for (size_t i = savepoints_.size(); i-- > 0;) {
      if (equal_names(savepoints_[i].first, savepoint)) {
        engine_->transactions().rollback_to(transaction_.get(), savepoints_[i].second);
        savepoints_.resize(i + 1);
        return true;
      }
    }
    return false;
  }
  rollback_all();
  return true;
}

void SqlSession::rollback_all() {
  if (transaction_ == nullptr) {
    return;
  }
  const bool announced = transaction_count_ > 0;
  engine_->transactions().rollback(transaction_.get());
  close_transaction();
  if (announced && out != nullptr) {
    out->transaction_changed(kRolledBack);
  }
}

void SqlSession::save(const std::string& name) {
  savepoints_.emplace_back(name, transaction_->mark());
}

void SqlSession::close_transaction() {
  for (const TablePtr& table : locked_tables_) {
    table->release(transaction_->id());
  }
  locked_tables_.clear();
  engine_->transactions().wake();
  end_read_view();
  if (transaction_snapshot_ != 0) {
    engine_->transactions().release_snapshot(transaction_snapshot_);
    transaction_snapshot_ = 0;
  }
  savepoints_.clear();
  transaction_.reset();
  transaction_count_ = 0;
  is_autocommit_ = false;
}

Transaction& SqlSession::statement_transaction() {
  if (transaction_ == nullptr) {
    transaction_ = engine_->transactions().begin();
    transaction_->begin_ticks = engine_->local_ticks();
    is_autocommit_ = true;
  }
  return *transaction_;
}

void SqlSession::finish_statement(bool failed) {
  if (!is_autocommit_ || transaction_ == nullptr) {
    return;
  }
  if (failed) {
    engine_->transactions().rollback(transaction_.get());
  } else {
    check_role();
    engine_->transactions().commit(transaction_.get());
  }
  close_transaction();
}

ReadView SqlSession::read_view() {
  ReadView view;
  view.transaction = transaction_ != nullptr ? transaction_->id() : 0;
  view.dirty = options_.isolation == Isolation::kReadUncommitted && !replica_.is_secondary;
  // From REPEATABLE READ on, and on a secondary replica always, a transaction reads as of its first
  // read.
  const bool keeps = transaction_count_ > 0 &&
                     (options_.isolation >= Isolation::kRepeatableRead || replica_.is_secondary);
  uint64_t& snapshot = keeps ? transaction_snapshot_ : statement_snapshot_;
  if (snapshot == 0) {
    const uint64_t until = replica_.redone_until == nullptr ? 0 : replica_.redone_until->load();
    snapshot = engine_->transactions().acquire_snapshot(until);
  }
  view.sequence = snapshot;
  return view;
}

void SqlSession::end_read_view() {
  if (statement_snapshot_ != 0) {
    engine_->transactions().release_snapshot(statement_snapshot_);
    statement_snapshot_ = 0;
  }
}

void SqlSession::wait(const std::function<uint64_t()>& blocker) {
  TransactionManager::WaitOptions options;
  options.timeout_ms = options_.lock_timeout_ms;
  options.session = id_;
  options.cancelled = [this] { return out != nullptr && out->cancelled(); };
  engine_->transactions().wait(&statement_transaction(), blocker, options);
}

// A failover comes before every commit that it did not see.
void SqlSession::check_role() {
  if (!transaction_->has_written() || replica_.has_ended == nullptr || !*replica_.has_ended) {
    return;
  }
  rollback_all();
  throw SqlError(983, 14, 1,
                 "Unable to access availability database '" + database_->name() +
                     "' because the database replica is not in the PRIMARY or SECONDARY role. "
                     "Connections to an availability database is permitted only when the database "
                     "replica is in the PRIMARY or SECONDARY role. Try the operation again later.");
}

std::string SqlSession::server_name() const {
  return replica_.server_name.empty() ? engine_->options().server_name : replica_.server_name;
}

bool SqlSession::is_read_only(const Database& database) const {
  return replica_.is_secondary && !database.is_system;
}

void SqlSession::check_writable(const Database& database) const {
  if (is_read_only(database)) {
    throw SqlError(
        3906, 16, 2,
        "Failed to update database \"" + database.name() + "\" because the database is read-only.");
  }
}

void SqlSession::check_access(const Database& database) const {
  if (replica_.no_access && !database.is_system) {
    throw *replica_.no_access;
  }
}

void SqlSession::lock_table(const TablePtr& table, TableLock mode) {
  if (table->database != nullptr && mode != TableLock::kShared) {
    check_writable(*table->database);
  }
  const uint64_t id = statement_transaction().id();
  const auto attempt = [&] { return table->try_lock(id, mode); };
  if (attempt() != 0) {
    wait(attempt);
  }
  if (std::find(locked_tables_.begin(), locked_tables_.end(), table) == locked_tables_.end()) {
    locked_tables_.push_back(table);
  }
}

Database& SqlSession::database_of(const Name& name) {
  const std::string database = name.before_last(2);
  if (database.empty()) {
    return *database_;
  }
  Database* found = engine_->find_database(database);
  if (engine_->options().is_azure && found != database_ && !equal_names(database, "tempdb")) {
    throw SqlError(40515, 15, 1,
                   "Reference to database and/or server name in '" + name.text() +
                       "' is not supported in this version of SQL Server.");
  }
  if (found == nullptr) {
    // SQL Server calls an unknown database in a name an unknown object.
    throw invalid_object(name.text());
  }
  check_access(*found);
  return *found;
}

TablePtr SqlSession::find_table(const Name& name) {
  if (name.last().starts_with("#")) {
    const auto it = temporary_tables_.find(fold_name(name.last()));
    return it == temporary_tables_.end() ? nullptr : it->second;
  }
  const std::string schema = name.before_last(1);
  return database_of(name).find_table(schema.empty() ? "dbo" : schema, name.last());
}

TablePtr SqlSession::table(const Name& name) {
  TablePtr table = find_table(name);
  if (table == nullptr) {
    if (engine_->is_read_only_object(database_of(name), name.before_last(1), name.last())) {
      throw SqlError(259, 16, 1, "Ad hoc updates to system catalogs are not allowed.");
    }
    throw invalid_object(name.text());
  }
  return table;
}

std::shared_ptr<const Relation> SqlSession::relation(const Name& name) {
  Database& database = database_of(name);
  if (const TablePtr table = find_table(name)) {
    if (!table->is_temporary) {
      check_permission(database, Permission::kSelect, {table->schema(), table->name()});
    }
    return make_table_relation(this, table);
  }
  const std::string schema = name.before_last(1);
  if (engine_->relation_finder()) {
    if (auto relation = engine_->relation_finder()(database, schema, name.last())) {
      check_permission(database, Permission::kSelect, {schema, name.last()});
      return relation;
    }
  }
  const std::string folded = fold_name(schema + "." + name.last());
  const SystemView* view = engine_->find_view(fold_name(database.name()) + "." + folded);
  if (view == nullptr) {
    view = engine_->find_view(folded);
  }
  if (view == nullptr) {
    throw invalid_object(name.text());
  }
  if (view->needed) {
    check_view_permission(database, *view->needed, {schema, name.last()});
  }
  return std::make_shared<RowsRelation>(view->columns, view->rows(*this, database));
}

void SqlSession::add_temporary_table(TablePtr table) {
  const std::string name = fold_name(table->name());
  temporary_tables_.insert_or_assign(name, std::move(table));
}

void SqlSession::drop_temporary_table(std::string_view name) {
  temporary_tables_.erase(fold_name(name));
}

}  // namespace dstream::standin::sql
