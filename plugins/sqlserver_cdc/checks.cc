#include "plugins/sqlserver_cdc/checks.h"

#include <Poco/String.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/catalog.h"
#include "plugins/sqlserver_cdc/check_facts.h"
#include "plugins/sqlserver_cdc/check_permissions.h"
#include "plugins/sqlserver_cdc/check_position.h"
#include "plugins/sqlserver_cdc/check_rules.h"
#include "plugins/sqlserver_cdc/gap.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

constexpr const char* kSeeState = "GRANT VIEW DATABASE STATE TO ...;  lets the login see it";

std::string connect_advice(const SourceError& error) {
  switch (error.status) {
    case DSTREAM_DENIED:
      return "Correct user, password and database in connection, or:\n"
             "CREATE LOGIN ... WITH PASSWORD = '...';\nCREATE USER ... FOR LOGIN ...;";
    case DSTREAM_CONFIG:
      return "Install the driver, or name another one: driver=... in connection.";
    default:
      return "Check host and port, firewalls in between, and that the server listens on TCP; for "
             "encryption the driver's words above.";
  }
}

class SourceChecks {
 public:
  SourceChecks(const Options& options, const OdbcConnection& target, const Checks& checks)
      : options_(options), target_(target), checks_(checks) {}

  void run() {
    if (!connect()) {
      return;
    }
    judge_certificate(target_, checks_);
    look("encryption", [&] { judge_encryption(load_encryption(*connection_), checks_); });
    std::optional<DatabaseFacts> database;
    look("cdc.enabled", [&] {
      database = load_database(*connection_);
      judge_database(*database, target_.read_only, checks_);
    });
    if (database && !database->cdc_enabled) {
      checks_.skipped("tables", "Without Change Data Capture there is nothing more to look at.");
      return;
    }
    look_at_permissions(database.value_or(DatabaseFacts()));
    look_at_capture(database.value_or(DatabaseFacts()));
    look_at_tables();
    look_at_catalog();
  }

 private:
  bool connect() {
    using std::chrono::seconds;
    const seconds left = std::max(seconds(1), std::chrono::duration_cast<seconds>(checks_.left()));
    try {
      connection_ = std::make_unique<Connection>(target_, std::min(options_.login_timeout, left),
                                                 std::min(options_.query_timeout, left));
    } catch (const SourceError& error) {
      checks_.failed("connect", error.what(), connect_advice(error));
      return false;
    }
    checks_.ok("connect",
               "Connected to " + connection_->target() + " with " + target_.driver.name + ".");
    return true;
  }

  // What the login may not see is skipped; a lost connection ends the checks.
  template <class Look>
  void look(const char* id, Look&& body, const std::string& subject = {}) {
    if (checks_.left() == Millis(0)) {
      checks_.skipped(id, "There was no time left for it.", subject);
      return;
    }
    try {
      body();
    } catch (const SourceError& error) {
      if (connection_->dead() || error.status == DSTREAM_CANCELLED) {
        throw;
      }
      checks_.skipped(id, std::string(error.what()) + " (" + kSeeState + ")", subject);
    }
  }

  void look_at_permissions(const DatabaseFacts& database) {
    const bool azure = database.engine_edition == DatabaseFacts::kAzureDatabase;
    look("permission.changes", [&] {
      user_ = load_user(*connection_);
      judge_changes_permission(user_, load_permission(*connection_, "cdc", "SCHEMA", "SELECT"),
                               checks_);
    });
    look("permission.state", [&] {
      const std::string name = quote_identifier(database.name);
      auto may = load_permission(*connection_, name, "DATABASE", "VIEW DATABASE STATE");
      if (!may.value_or(false)) {
        // Enough since SQL Server 2022, and unknown (NULL) to those before.
        const auto performance =
            load_permission(*connection_, name, "DATABASE", "VIEW DATABASE PERFORMANCE STATE");
        may = performance ? performance : may;
      }
      judge_state_permission(user_, may, checks_);
    });
    look("permission.jobs", [&] {
      bool may = true;
      try {
        load_jobs(*connection_, azure);
      } catch (const SourceError& error) {
        if (error.status != DSTREAM_DENIED) {
          throw;
        }
        may = false;
      }
      judge_jobs_permission(user_, may, azure, checks_);
    });
  }

  void look_at_capture(const DatabaseFacts& database) {
    const bool azure = database.engine_edition == DatabaseFacts::kAzureDatabase;
    if (azure) {
      checks_.skipped("agent", "Azure SQL Database has no SQL Server Agent and needs none.");
    } else {
      look("agent", [&] { judge_agent(load_agent(*connection_), checks_); });
    }
    if (options_.instances == InstanceMode::kManage) {
      look("cdc.manage",
           [&] { judge_manage(load_is_owner(*connection_), connection_->read_only(), checks_); });
    }
    std::optional<JobFacts::Capture> job;
    look("capture.job", [&] {
      const JobFacts jobs = load_jobs(*connection_, azure);
      judge_jobs(jobs, azure, checks_);
      job = jobs.capture;
      retention_min_ = jobs.retention_min;
    });
    if (database.read_only) {
      checks_.skipped("capture.scans", "A secondary replica has no scans of its own.");
      return;
    }
    look("capture.scans", [&] { judge_scans(load_scans(*connection_), job, checks_); });
    look("capture.errors", [&] { judge_scan_error(load_scan_error(*connection_), checks_); });
  }

  void look_at_tables() {
    bool seen = false;
    look("table.captured", [&] {
      instances_ = load_instances(*connection_);
      seen = true;
    });
    if (!seen) {
      return;
    }
    for (const TableOptions& table : options_.tables) {
      look_at_table(table, instances_);
    }
  }

  void look_at_table(const TableOptions& wanted, const std::vector<InstanceFacts>& all) {
    std::vector<InstanceFacts> found;
    for (const InstanceFacts& each : all) {
      const bool same_instance = wanted.capture_instance.empty() ||
                                 Poco::icompare(each.instance, wanted.capture_instance) == 0;
      if (same_name(each.table, wanted.name) && same_instance) {
        found.push_back(each);
      }
    }
    const std::string subject = wanted.name.text();
    look(
        "table.captured",
        [&] {
          judge_captured(wanted.name, table_exists(*connection_, wanted.name),
                         wanted.capture_instance, found, checks_);
        },
        subject);
    look(
        "table.permission",
        [&] {
          judge_table_permission(
              wanted.name, user_,
              load_permission(*connection_, wanted.name.quoted(), "OBJECT", "SELECT"),
              options_.snapshot != SnapshotMode::kNever, checks_);
        },
        subject);
    for (const InstanceFacts& each : found) {
      judge_instance(each, retention_min_, checks_);
      look(
          "table.shape",
          [&] { judge_shape(each, load_has_command_id(*connection_, each.instance), checks_); },
          subject);
      look_at_large_columns(each);
    }
  }

  void look_at_large_columns(const InstanceFacts& facts) {
    std::optional<int64_t> limit;
    std::string reason;
    if (!facts.large_columns.empty()) {
      try {
        limit = load_text_limit(*connection_);
      } catch (const SourceError& error) {
        if (connection_->dead()) {
          throw;
        }
        reason = error.what();
      }
    }
    judge_large_columns(facts, limit, reason, checks_);
  }

  // Nothing, and a failed check, if the source would refuse it.
  bool parse_stored(Position* out) {
    try {
      *out = parse_position(checks_.position());
      return true;
    } catch (const SourceError& error) {
      checks_.failed("position", error.what(),
                     "Restore the checkpoint, or give the pipeline another name to begin anew.");
      return false;
    }
  }

  // The source's own start: whatever it refuses shows here in its own words.
  void look_at_catalog() {
    Position position;
    const bool known = parse_stored(&position);
    if (checks_.left() == Millis(0)) {
      checks_.skipped("catalog", "There was no time left for it.");
      return;
    }
    try {
      const Catalog catalog =
          load_catalog(*connection_, options_, position, [](dstream_log_level, auto&) {});
      checks_.ok("catalog", "The source can start with " + std::to_string(catalog.tables.size()) +
                                (catalog.tables.size() == 1 ? " table." : " tables."));
      if (known) {
        look_at_position(catalog, position);
      }
    } catch (const SourceError& error) {
      if (connection_->dead() || error.status == DSTREAM_CANCELLED) {
        throw;
      }
      checks_.failed("catalog", error.what(),
                     error.status == DSTREAM_DENIED
                         ? "GRANT SELECT ON SCHEMA::cdc TO ...;"
                         : "The sentence says what; docs/sqlserver.md has more.");
    }
  }

  void look_at_position(const Catalog& catalog, const Position& position) {
    if (position.entries.empty()) {
      checks_.ok("position", "Nothing is stored yet.");
      return;
    }
    std::optional<TablePositionFacts> oldest;
    for (const CatalogTable& table : catalog.tables) {
      look(
          "table.position",
          [&] {
            const TablePositionFacts facts = position_facts(table, position);
            judge_table_position(facts, retention_min_, options_, checks_);
            if (facts.age_min && (!oldest || facts.age_min > oldest->age_min)) {
              oldest = facts;
            }
          },
          table.instance.description.table.text());
    }
    if (oldest) {
      judge_position(*oldest, retention_min_, checks_);
    }
  }

  TablePositionFacts position_facts(const CatalogTable& table, const Position& position) {
    TablePositionFacts facts;
    facts.table = table.instance.description.table;
    const PositionEntry* entry = position.find(facts.table);
    facts.complete = entry == nullptr ? ChangeKey::beginning() : entry->key_of(facts.table);
    if (facts.complete.is_beginning()) {
      return facts;
    }
    facts.age_min = age_of(*entry);
    facts.low = table.instance.start;
    for (const InstanceFacts& each : instances_) {
      if (each.object_id == table.instance.object_id) {
        facts.low = each.start;
      }
    }
    facts.gap = !table.foreign.empty()
                    ? table.foreign
                    : find_gap(*connection_, table.instance, facts.complete, facts.low);
    return facts;
  }

  // Tables share positions: one question each.
  std::optional<int64_t> age_of(const PositionEntry& entry) {
    const auto known = ages_min_.find(entry.key.commit);
    if (known != ages_min_.end()) {
      return known->second;
    }
    return ages_min_[entry.key.commit] = load_age_min(*connection_, entry);
  }

  const Options& options_;
  const OdbcConnection& target_;
  const Checks& checks_;
  std::unique_ptr<Connection> connection_;
  std::optional<int64_t> retention_min_;
  std::string user_;  // of the database
  std::vector<InstanceFacts> instances_;
  std::map<Lsn, std::optional<int64_t>> ages_min_;  // of positions
};

}  // namespace

void run_checks(const Options& options, const OdbcConnection& target, const Checks& checks) {
  SourceChecks(options, target, checks).run();
}

}  // namespace dstream::sqlserver
