// What no documentation says and no real server could be asked: each point by a name, with the
// answer taken until one was asked. To follow a real server's answer, change its line here.
//
//   capture.assumptions().set("command_id_spans_tables", 0);      // C++
//   EXEC dstream.assume N'command_id_spans_tables', 0             -- any client
//   EXEC dstream.assume                                           -- lists name, value and default
//
// A value is taken where it is used next: by the next scan, by the next instance that is enabled,
// by the next call. What is in a change table already stays as it is.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <string_view>

namespace dstream::standin::cdc {

struct Assumptions {
  // 1: __$command_id counts the statements of a transaction over all its tables. 0: over those of
  // the change table, without gaps.
  int64_t command_id_spans_tables = 1;
  // 1: delete and insert of a key change that moved one row have the same __$seqval.
  int64_t key_change_shares_seqval = 1;
  // 1: of a key change that moved several rows all deletes have a lower __$seqval than all inserts.
  // 0: each row's delete and insert follow each other.
  int64_t key_change_deletes_first = 1;
  // Bytes of __$update_mask that are sent at least. 0: as many as the columns need.
  int64_t update_mask_bytes_min = 0;
  // 0: byte 0 of the mask holds the ordinals 1 to 8. 1: the last byte does.
  int64_t update_mask_is_reversed = 0;
  // 1: a (max) column that an update left as it was is NULL in the row of operation 4.
  int64_t unchanged_large_is_null = 1;
  // 1: the start_lsn of an instance is NULL until the capture scan has passed its enabling.
  int64_t start_lsn_waits_for_scan = 1;
  // Between rows of cdc.lsn_time_mapping with tran_id 0x00 while nothing is committed.
  int64_t dummy_interval_ms = 300'000;
  // 1: sp_rename of a captured column is error 4928.
  int64_t column_rename_is_refused = 1;
  // 1: cdc.captured_columns ends with masking_function, as newer versions have it.
  int64_t has_masking_function = 1;
  // 1: change tables end with __$command_id, and are ordered by it within a transaction. 0: as in
  // databases from before it was added and that were not upgraded: ordered by __$seqval.
  int64_t has_command_id = 1;
  // 1: sys.fn_cdc_get_max_lsn() reads what a scan has not committed yet, so that it is above what
  // change tables and lsn_time_mapping show while anything waits to be captured.
  int64_t max_lsn_is_dirty = 0;
  // 1: what enables an instance or alters a tracked table has a row of tran_id 0x00 in
  // cdc.lsn_time_mapping. 0: it has none, and the minimum of a new instance is above the maximum
  // until something else is captured.
  int64_t definitions_have_entries = 1;
  // 1: an update that changes no captured column has rows, with an empty mask.
  int64_t uncaptured_update_has_rows = 0;
  // 1: sys.sp_cdc_help_jobs has the column job_name, which its page does not show.
  int64_t help_jobs_has_job_name = 1;
  // 0: cdc.captured_columns calls a column of an alias type by what the alias stands for. 1: by the
  // alias.
  int64_t column_type_is_alias = 0;
};

struct AssumptionName {
  std::string_view name;
  int64_t Assumptions::*member;
};
std::span<const AssumptionName> assumption_names();

// Assumptions that tests may change while others work with them. [any-thread]
class AssumptionSet {
 public:
  Assumptions get() const {
    const std::lock_guard lock(mutex_);
    return values_;
  }
  // False if there is no such name.
  bool set(std::string_view name, int64_t value);

 private:
  mutable std::mutex mutex_;  // guards values_
  Assumptions values_;
};

}  // namespace dstream::standin::cdc
