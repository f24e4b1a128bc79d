// A capture instance: which columns of a table are captured, and its change table cdc.<name>_CT.
//
// Thread rule: what is const is [any-thread]; the rest is guarded by DatabaseCapture's mutex, but
// for changes(), which guards itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/standins/sqlserver/cdc/append_table.h"
#include "tests/standins/sqlserver/cdc/assumptions.h"
#include "tests/standins/sqlserver/sql/catalog.h"
#include "tests/standins/sqlserver/sql/transaction.h"

namespace dstream::standin::cdc {

// __$operation.
enum Operation : int32_t { kDelete = 1, kInsert = 2, kUpdateBefore = 3, kUpdateAfter = 4 };

// Columns of a change table before the captured ones.
inline constexpr size_t kLeadingColumns = 5;

struct CapturedColumn {
  std::string name;
  SqlType type;             // as in the change table
  std::string source_type;  // "nvarchar"
  std::string alias;        // "PhoneNumber"; empty for a type of the system
  int32_t column_id = 0;    // in the source table
  size_t physical = 0;      // in the source table's stored rows
  bool is_computed = false;
  bool is_large = false;         // (max): not logged if unchanged
  bool is_legacy_large = false;  // text, ntext, image: never in rows of operations 1 and 3
  bool is_dropped = false;       // NULL from then on
};

struct KeyColumn {
  std::string name;
  int32_t column_id = 0;
};

class CaptureInstance {
 public:
  CaptureInstance(std::string name, sql::TablePtr table, int32_t object_id,
                  std::vector<CapturedColumn> columns, bool has_command_id);

  const std::string& name() const { return name_; }
  const std::string& folded_name() const { return folded_name_; }  // names compare by it
  const sql::TablePtr& table() const { return table_; }
  int32_t source_object_id() const { return table_->object_id(); }
  int32_t object_id() const { return object_id_; }  // of the change table
  // Immutable; ALTER COLUMN replaces the list. [any-thread]
  using Columns = std::shared_ptr<const std::vector<CapturedColumn>>;
  Columns columns() const;
  std::vector<ResultColumn> change_columns() const;
  // Behind the captured ones: __$command_id, or nothing.
  size_t trailing_columns() const { return has_command_id_ ? 1 : 0; }
  const std::shared_ptr<AppendTable>& changes() const { return changes_; }
  bool is_active() const { return start_lsn.has_value(); }

  std::string role_name, index_name, filegroup_name;
  bool has_role = false, has_index = false, has_filegroup = false;
  bool supports_net_changes = false;
  bool partition_switch = true;
  bool has_drop_pending = false;
  int64_t create_ticks = 0;
  std::vector<KeyColumn> key_columns;
  // nullopt until the capture scan has passed the record that enabled the instance.
  std::optional<std::string> start_lsn;
  // What is shown until then, if anything is.
  std::optional<std::string> announced_lsn;

  // Appends the change table's rows for one transaction's changes of this table, in key order.
  void append_changes(const std::string& commit_lsn, const std::vector<sql::RowChange>& changes,
                      const Assumptions& assumptions, RowBatch* rows) const;
  // ALTER COLUMN reached the scan: the change table's column takes the new type. Returns what takes
  // that back.
  std::function<void()> alter_column(int32_t column_id, const SqlType& type,
                                     const std::string& alias);
  // DROP COLUMN reached the scan: stored rows may still hold the value, changes no longer do.
  std::function<void()> drop_column(int32_t column_id);
  // One row from values of the captured columns, all bits of the mask set: for bulk filling.
  void append_row(const std::string& commit_lsn, int32_t command, const std::string& seqval,
                  Operation operation, const std::vector<SqlValue>& values,
                  const Assumptions& assumptions, RowBatch* rows) const;

 private:
  struct PendingRow;
  void append_trailer(int32_t command, std::string* out) const;
  void append_header(const std::string& commit_lsn, const std::string& seqval, Operation operation,
                     const std::string& mask, std::string* out) const;
  void encode(const std::string& commit_lsn, const PendingRow& row, const Assumptions& assumptions,
              RowBatch* rows) const;
  std::string changed_mask(const sql::RowFormat& format,
                           const std::vector<std::string_view>& before,
                           const std::vector<std::string_view>& after) const;
  bool is_left_out(const CapturedColumn& column, size_t place, const PendingRow& row,
                   const Assumptions& assumptions) const;
  static bool is_altered(const CapturedColumn& column, const sql::RowFormat& format);
  std::vector<PendingRow> pending_rows(const std::vector<sql::RowChange>& changes,
                                       const Assumptions& assumptions) const;

  const std::string name_;
  const std::string folded_name_;
  const sql::TablePtr table_;
  const int32_t object_id_;
  const bool has_command_id_;
  mutable std::mutex columns_mutex_;  // guards columns_
  Columns columns_;
  std::shared_ptr<AppendTable> changes_;
  std::string all_mask_;
};
using InstancePtr = std::shared_ptr<CaptureInstance>;

// Bit n-1 of the mask is column ordinal n; byte 0 holds ordinals 1 to 8, lowest bit first.
bool is_bit_set(std::string_view mask, int64_t ordinal);
// A mask as it is sent, and back.
std::string sent_mask(std::string_view mask, const Assumptions& assumptions);
std::string mask_of_sent(std::string_view sent, const Assumptions& assumptions);

}  // namespace dstream::standin::cdc
