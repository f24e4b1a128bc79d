#include "plugins/sqlserver_cdc/history.h"

#include <Poco/DateTimeFormatter.h>
#include <Poco/Timestamp.h>

#include "plugins/sqlserver_cdc/column_decoder.h"

namespace dstream::sqlserver {
namespace {

int64_t since_1970_ns(const SQL_TIMESTAMP_STRUCT& time) {
  const int64_t seconds = days_from_date(time.year, time.month, time.day) * 86400 +
                          time.hour * int64_t{3600} + time.minute * int64_t{60} + time.second;
  return seconds * 1'000'000'000 + static_cast<int64_t>(time.fraction);
}

std::string text_of(int64_t time_ms) {
  return Poco::DateTimeFormatter::format(Poco::Timestamp(time_ms * 1000), "%Y-%m-%d %H:%M:%S.%i");
}

}  // namespace

const std::string& History::why_foreign(const PositionEntry& entry) {
  static const std::string kNothing;
  if (entry.key.is_beginning() || entry.time_ms == 0) {
    return kNothing;
  }
  const auto known = answers_.find(entry.key.commit);
  if (known != answers_.end()) {
    return known->second;
  }
  return answers_[entry.key.commit] = look(entry.key.commit, entry.time_ms);
}

std::string History::look(Lsn commit, int64_t time_ms) {
  SQL_TIMESTAMP_STRUCT ended{};
  Lsn oldest;
  Lsn newest;
  bool is_there = false;
  {
    // The transaction first: if cleanup comes between, the oldest tells.
    Statement statement(connection_,
                        "SELECT tran_end_time FROM cdc.lsn_time_mapping WHERE start_lsn = ?;\n"
                        "SELECT MIN(start_lsn), MAX(start_lsn) FROM cdc.lsn_time_mapping;",
                        {BindValue::of(commit)}, "Looking for the transaction of the position");
    is_there = statement.next_row() && statement.get_timestamp(1, &ended);
    read_to_the_end(statement);
    if (!statement.next_result() || !statement.next_row()) {
      throw SourceError(DSTREAM_RETRY, statement.doing() + " failed: a part is missing.");
    }
    statement.get_lsn(1, &oldest);
    statement.get_lsn(2, &newest);
    read_to_the_end(statement);
  }
  const int64_t ended_ms = is_there ? datetime_ms(since_1970_ns(ended)) : 0;
  if (is_there && ended_ms == time_ms) {
    return {};
  }
  if (!is_there && oldest > commit) {
    return {};
  }
  const std::string position =
      "The stored position (commit LSN " + commit.text() + " of " + text_of(time_ms) + ')';
  if (!is_there && commit > newest && is_secondary()) {
    throw SourceError(DSTREAM_REOPEN,
                      position + " lies beyond what this secondary replica has so far (" +
                          newest.text() + "). It is waited for until it has caught up.");
  }
  const std::string found = is_there ? "that LSN is of a transaction of " + text_of(ended_ms)
                            : commit <= newest ? "there was never such a transaction"
                                               : "what was captured ends at " + newest.text();
  return position + " is of another history than this database: here " + found +
         ". The database was restored to an earlier time and has gone on since, or the connection "
         "leads to another one: changes between the two cannot be told. Read its tables anew, or "
         "write `on_data_loss: resnapshot`, which copies them again.";
}

bool History::is_secondary() {
  if (!connection_.read_only()) {
    return false;
  }
  Statement statement(connection_,
                      "SELECT CONVERT(nvarchar(20), DATABASEPROPERTYEX(DB_NAME(), "
                      "'Updateability'))",
                      {}, "Looking at the database");
  std::string text;
  const bool known = statement.next_row() && statement.get_text(1, &text);
  read_to_the_end(statement);
  return known && text == "READ_ONLY";
}

}  // namespace dstream::sqlserver
