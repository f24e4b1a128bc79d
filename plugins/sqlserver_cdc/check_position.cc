#include "plugins/sqlserver_cdc/check_position.h"

#include <algorithm>

namespace dstream::sqlserver {
namespace {

constexpr int64_t kRetentionDefaultMin = 72 * 60;
constexpr int64_t kRetentionMaxMin = 52'494'800;  // what sp_cdc_change_job takes

std::string lengthen_statement(int64_t retention_min) {
  return "EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = " +
         std::to_string(std::clamp(retention_min, kRetentionDefaultMin, kRetentionMaxMin)) + ";";
}

std::string after_a_gap(bool copies_gaps, const std::optional<int64_t>& retention_min) {
  const std::string longer = "-- so that it does not come again, in minutes:\n" +
                             lengthen_statement(2 * retention_min.value_or(0));
  return copies_gaps ? longer
                     : longer + "\n-- and for its rows, in the pipeline: on_data_loss: resnapshot";
}

}  // namespace

std::string minutes_text(int64_t minutes) {
  return minutes < 120       ? std::to_string(minutes) + " minutes"
         : minutes < 48 * 60 ? std::to_string(minutes / 60) + " hours"
                             : std::to_string(minutes / (24 * 60)) + " days";
}

std::optional<int64_t> load_age_min(Connection& connection, const PositionEntry& entry) {
  // Both times are the server's local ones.
  Statement statement(connection,
                      "SELECT DATEDIFF(minute, '19700101', GETDATE());\n"
                      "SELECT TOP (1) DATEDIFF(minute, tran_end_time, GETDATE())"
                      " FROM cdc.lsn_time_mapping WHERE start_lsn <= ? ORDER BY start_lsn DESC;",
                      {BindValue::of(entry.key.commit)}, "Looking how old the position is");
  int64_t now_min = 0;
  if (!statement.next_row() || !statement.get_int(1, &now_min)) {
    return std::nullopt;
  }
  if (entry.time_ms != 0) {
    return std::max<int64_t>(now_min - entry.time_ms / 60'000, 0);
  }
  read_to_the_end(statement);
  int64_t age_min = 0;
  return statement.next_result() && statement.next_row() && statement.get_int(1, &age_min)
             ? std::optional(age_min)
             : std::nullopt;
}

void judge_table_position(const TablePositionFacts& facts,
                          const std::optional<int64_t>& retention_min, const Options& options,
                          const Checks& checks) {
  const std::string subject = facts.table.text();
  if (facts.complete.is_beginning()) {
    checks.ok("table.position",
              options.snapshot == SnapshotMode::kNever
                  ? "It has no position yet, and is read from its oldest captured change on."
                  : "It has no position yet, and its rows are copied first.",
              subject);
    return;
  }
  if (!facts.gap.empty()) {
    const std::string mend = after_a_gap(options.copies_gaps, retention_min);
    if (options.copies_gaps) {
      checks.warning("table.position", facts.gap + " Its rows are copied again.", mend, subject);
    } else {
      checks.failed("table.position", facts.gap, mend, subject);
    }
    return;
  }
  std::string sentence = "It is complete up to " + facts.complete.commit.text();
  if (facts.age_min) {
    sentence += ", which is " + minutes_text(*facts.age_min) + " old";
  }
  sentence += "; its changes are still there from " + facts.low.text() + " on";
  if (facts.age_min && retention_min) {
    const int64_t left_min = *retention_min - *facts.age_min;
    sentence += left_min > 0
                    ? ", and a gap cannot come before " + minutes_text(left_min) + " from now"
                    : ", and the next cleanup makes a gap";
  }
  checks.ok("table.position", sentence + ".", subject);
}

void judge_position(const TablePositionFacts& oldest, const std::optional<int64_t>& retention_min,
                    const Checks& checks) {
  const int64_t age_min = oldest.age_min.value_or(0);
  const std::string age =
      "The stored position is " + minutes_text(age_min) + " old (" + oldest.table.text() + ")";
  if (!retention_min) {
    checks.ok("position", age + "; how long changes are kept is not known.");
    return;
  }
  const std::string kept = ", and changes are kept for " + minutes_text(*retention_min) + ": ";
  const std::string mend = "-- let the pipeline run, or keep changes longer, in minutes:\n" +
                           lengthen_statement(2 * std::max(age_min, *retention_min));
  if (age_min >= *retention_min) {
    checks.warning("position", age + kept + "the next cleanup removes what it needs.", mend);
  } else if (2 * age_min >= *retention_min) {
    checks.warning("position",
                   age + kept + "in " + minutes_text(*retention_min - age_min) +
                       " cleanup may remove what it needs.",
                   mend);
  } else {
    checks.ok("position", age + kept + "it may stand still for another " +
                              minutes_text(*retention_min - age_min) + ".");
  }
}

}  // namespace dstream::sqlserver
