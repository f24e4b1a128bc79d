// The statements the source sends, as text. Texts depend on the captured tables only, never on
// positions, so that the server's plan cache holds; LSNs and counts are parameters.
//
// Nothing sets a hint or an isolation level: reads are READ COMMITTED, each statement its own
// transaction, so that neither cleanup nor sp_cdc_disable_table ever waits for a reader.
#pragma once

#include <string>
#include <vector>

#include "plugins/sqlserver_cdc/change_fetcher.h"
#include "plugins/sqlserver_cdc/connection.h"
#include "plugins/sqlserver_cdc/lsn.h"
#include "plugins/sqlserver_cdc/table_schema.h"

namespace dstream::sqlserver {

// What is read of one table.
struct CaptureInstance {
  TableDescription description;
  std::string name;       // capture instance
  int32_t object_id = 0;  // of the change table
  int32_t source_object_id = 0;
  Lsn start;                   // low end point when it was chosen
  bool has_command_id = true;  // change tables from before SQL Server 2012 SP3 / 2014 SP1 have none
  bool is_final = false;       // named in the configuration: newer instances are for others
  Lsn definition;  // newest entry of cdc.ddl_history that `description` is not older than

  std::string change_table() const;  // [cdc].[dbo_Persons_CT]
};

// The columns that are read, as indexes into the description's: bound ones first, then large ones.
// In a page they follow the columns of the key, and, where there are large ones, the update mask.
std::vector<size_t> fetched_columns(const CaptureInstance& instance);

// What is new? Result sets: (1) committed maximum, the server's offset from UTC in minutes, its
// clock and the newest commit time, (2...) number and newest LSN of each table, in parts, then
// commit times from parameter 2, at most parameter 1, then object id and newest DDL of every change
// table that has met any, and last object id, low end point and source table's id of every change
// table, the oldest first.
//
// The order matters: rows up to the maximum of (1) are visible to everything after it, and the low
// end points come last, so that a cleanup in between shows.
std::string probe_statement(const std::vector<const CaptureInstance*>& instances);

// Goes behind a probe: object id, and schema and name of the source table as of now, of every
// change table. Looking up names costs the server and the driver more than the rest of a look.
std::string names_statement();

// Result sets of a probe that hold (2).
size_t probe_parts(size_t instance_count);

// How a page continues.
enum class PageForm {
  kAfterTransaction,  // after a whole transaction: parameters rows, lsn, to
  kInTransaction,     // inside one, and what follows: rows, lsn, to, then the rest of the key
  // These end with the transaction, the last with the command: rows, lsn, the rest of the key.
  kRestOfTransaction,
  kNextCommands,  // after a whole command
  kInCommand
};
PageForm page_form(const CaptureInstance& instance, const ChangeKey& after, PageScope scope);
// What a page has come to the end of, if there were fewer rows than it asked for.
PageScope scope_of(PageForm form);

// The next rows of a change table in the order of its clustered key, then a result set with the
// number of rows the server sent, the committed maximum from before the rows (what is up to there
// was visible to them), the low end point of the instance now, and the newest DDL that altered the
// change table itself.
std::string page_statement(const CaptureInstance& instance, PageForm form, bool null_command);
std::vector<BindValue> page_values(const CaptureInstance& instance, PageForm form,
                                   const ChangeKey& after, Lsn to, uint32_t rows);

// Low end point and newest DDL as a page tells them: parameter object id, twice.
std::string instance_state_statement();

// Two entries of lsn_time_mapping, and whether an instance was there when their transactions ended:
// parameters object id, from.
std::string gap_statement();

// Commit times: parameters count, from, to.
std::string times_statement();

// What DDL an instance has met, the oldest first: parameters object id, after. LSN, local time and
// the statement, an nvarchar(max).
std::string definitions_statement();

}  // namespace dstream::sqlserver
