// EXEC dstream.*: time and content under the control of tests in any language.
#include <algorithm>

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/cdc/procedure_support.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {
namespace {

using sql::ProcedureCall;
using sql::SqlError;

constexpr size_t kFillBatchBytes = size_t{8} << 20;

void send_count(ProcedureCall& call, const char* name, int64_t count) {
  sql::send_rows(call, {sql::view_column(name, sql::bigint_type(), false)},
                 {{SqlValue::of_number(count)}});
}

std::string lsn_argument(const ProcedureCall& call, size_t index) {
  const SqlValue lsn = call.get(index, sql::binary_type(10));
  if (lsn.null) {
    throw sql::missing_parameter(call.name, "@lsn");
  }
  return lsn.text;
}

// EXEC dstream.cleanup_to @lsn [, @capture_instance]: the low-water mark of one or all instances,
// whether lsn_time_mapping knows the LSN or not.
void cleanup_to(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@lsn", "@capture_instance"});
  DatabaseCapture& cdc = enabled(capture, call);
  const std::string lsn = lsn_argument(call, 0), name = call.text(1);
  for (const InstancePtr& instance : cdc.instances()) {
    if (name.empty() || sql::equal_names(name, instance->name())) {
      cdc.raise_low_water(instance, lsn);
    }
  }
}

// A value for a column that differs from row to row and costs little to make.
SqlValue filler(const SqlType& type, int64_t row) {
  switch (sql::family_of(type.id)) {
    case sql::Family::kInteger:
      return SqlValue::of_number(type.id == TypeId::kBit        ? row % 2
                                 : type.id == TypeId::kTinyInt  ? row % 256
                                 : type.id == TypeId::kSmallInt ? row % 32768
                                 : type.id == TypeId::kInt      ? row % 2147483648LL
                                                                : row);
    case sql::Family::kReal:
      return SqlValue::of_real(static_cast<double>(row) / 4);
    case sql::Family::kDecimal: {
      int precision = 0, scale = 0;
      sql::decimal_shape(type, &precision, &scale);
      const sql::Int128 limit = sql::power_of_ten(std::min(precision, 18));
      return SqlValue::of_text(sql::to_text({row * 10'007 % limit, scale}));
    }
    case sql::Family::kDate:
      return SqlValue::of_number(sql::kDaysTo1900 + row % 50'000);
    case sql::Family::kTime:
      return SqlValue::of_number(sql::round_ticks(type, row * 1'234'567 % sql::kTicksPerDay) %
                                 sql::kTicksPerDay);
    case sql::Family::kDateTime:
    case sql::Family::kOffset: {
      const int64_t start = sql::days_from_civil(2024, 1, 1) * sql::kTicksPerDay;
      return SqlValue::of_number(
          sql::round_ticks(type, start + row % 1'000'000'000 * sql::kTicksPerMillisecond));
    }
    case sql::Family::kText: {
      const int64_t limit = type.length == kMaxLength ? 40 : std::min(type.length, 24);
      std::string text = "value " + std::to_string(row);
      return SqlValue::of_text(text.substr(0, static_cast<size_t>(limit)));
    }
    case sql::Family::kBytes:
    case sql::Family::kGuid: {
      const size_t length = type.id == TypeId::kUniqueIdentifier ? 16
                            : type.length == kMaxLength
                                ? 32
                                : static_cast<size_t>(std::clamp(type.length, 1, 32));
      std::string bytes(length, '\0');
      for (size_t i = 0; i < length; ++i) {
        bytes[i] = static_cast<char>(row >> (8 * (i % 8)));
      }
      return SqlValue::of_text(bytes);
    }
    default:
      return {};
  }
}

// Rows [*first, rows) in transactions of `per_transaction`, until the batch is large enough.
void fill_batch(ChangeDataCapture* capture, const CaptureInstance& instance, int64_t rows,
                int64_t per_transaction, int64_t* first, RowBatch* batch,
                std::vector<CommitEntry>* entries) {
  sql::TransactionManager& transactions = capture->engine().transactions();
  const sql::Database& database = *instance.table()->database;
  const CaptureInstance::Columns columns = instance.columns();
  const Assumptions assumptions = capture->assumptions().get();
  std::vector<SqlValue> values(columns->size());
  while (*first < rows && batch->bytes.size() < kFillBatchBytes) {
    const int64_t count = std::min(per_transaction, rows - *first);
    const uint64_t begin =
        database.log_record(transactions.reserve_records(static_cast<uint64_t>(count) + 3));
    const std::string commit = lsn_of_record(begin + static_cast<uint64_t>(count) + 1);
    for (int64_t i = 0; i < count; ++i) {
      for (size_t c = 0; c < values.size(); ++c) {
        const CapturedColumn& column = (*columns)[c];
        values[c] = column.is_computed ? SqlValue{} : filler(column.type, *first + i);
      }
      instance.append_row(commit, 1, lsn_of_record(begin + static_cast<uint64_t>(i) + 1), kInsert,
                          values, assumptions, batch);
    }
    const int64_t now = capture->engine().local_ticks();
    entries->push_back({commit, now, now, std::string("\0\0\0\1\0\0", 6), lsn_of_record(begin)});
    *first += count;
  }
}

// EXEC dstream.fill_changes @capture_instance, @rows, @transaction_rows = 1000: inserts as if
// captured, straight into the change table. The source table is not touched.
void fill_changes(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@capture_instance", "@rows", "@transaction_rows"});
  DatabaseCapture& cdc = enabled(capture, call);
  cdc.scan(cdc.jobs().transactions_max);  // an instance just enabled becomes active
  const InstancePtr instance = cdc.find_instance(call.text(0));
  if (instance == nullptr || !cdc.min_lsn(instance->name())) {
    throw SqlError(22981, 16, 1, "Object does not exist or access is denied.");
  }
  const int64_t rows = call.number(1, 0);
  const int64_t per_transaction = std::max<int64_t>(call.number(2, 1000), 1);
  for (int64_t first = 0; first < rows;) {
    cdc.fill(instance, [&](RowBatch* batch, std::vector<CommitEntry>* entries) {
      fill_batch(capture, *instance, rows, per_transaction, &first, batch, entries);
    });
    if (call.out.cancelled()) {
      throw sql::Cancelled{};
    }
  }
  send_count(call, "rows", rows);
}

// EXEC dstream.assume [@name, @value]: assumptions.h. Without arguments a list.
void assume(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@name", "@value"});
  if (call.has(0)) {
    if (!capture->assumptions().set(call.text(0), call.number(1, 0))) {
      throw SqlError(50000, 16, 1, "There is no assumption '" + call.text(0) + "'.");
    }
    return;
  }
  const Assumptions now = capture->assumptions().get(), by_default;
  Rows rows;
  for (const AssumptionName& entry : assumption_names()) {
    rows.push_back({text(std::string(entry.name)), number(now.*(entry.member)),
                    number(by_default.*(entry.member))});
  }
  sql::send_rows(call,
                 {sql::view_column("name", sql::sysname_type(), false),
                  sql::view_column("value", sql::bigint_type(), false),
                  sql::view_column("by_default", sql::bigint_type(), false)},
                 rows);
}

// EXEC dstream.fail_scan @number, @message, @times = 1: the next scans of the log fail.
void fail_scan(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@number", "@message", "@times"});
  ScanFault fault;
  fault.number = static_cast<int32_t>(call.number(0, 18807));
  fault.text = call.has(1) ? call.text(1) : "The scan was asked to fail by dstream.fail_scan.";
  fault.times = call.number(2, 1);
  enabled(capture, call).add_scan_fault(std::move(fault));
}

// EXEC dstream.clock_set @time: the server's local time stands there from now on.
void set_clock(ChangeDataCapture* capture, ProcedureCall& call) {
  call.bind({"@time"});
  const SqlValue time = call.get(0, sql::datetime2_type(7));
  if (time.null) {
    throw sql::missing_parameter(call.name, "@time");
  }
  sql::Engine& engine = capture->engine();
  engine.set_clock(time.number - engine.options().utc_offset_min * sql::kTicksPerMinute);
}

void add_clock_procedures(ChangeDataCapture* capture) {
  sql::Engine& engine = capture->engine();
  engine.add_procedure("dstream.clock_set",
                       [capture](ProcedureCall& call) { set_clock(capture, call); });
  // From where it is now; it stands afterwards.
  engine.add_procedure("dstream.clock_advance", [capture](ProcedureCall& call) {
    call.bind({"@milliseconds"});
    capture->engine().advance_clock(call.number(0, 0) * sql::kTicksPerMillisecond);
  });
  engine.add_procedure("dstream.clock_resume",
                       [capture](ProcedureCall&) { capture->engine().resume_clock(); });
}

}  // namespace

void add_control_procedures(ChangeDataCapture* capture) {
  sql::Engine& engine = capture->engine();
  add_clock_procedures(capture);
  // What the cleanup job does once a day.
  engine.add_procedure("dstream.cleanup_once", [capture](ProcedureCall&) { capture->clean_up(); });
  engine.add_procedure("dstream.capture_pause", [capture](ProcedureCall&) { capture->pause(); });
  engine.add_procedure("dstream.capture_resume", [capture](ProcedureCall&) { capture->resume(); });
  engine.add_procedure("dstream.capture_scan_once", [capture](ProcedureCall& call) {
    send_count(call, "transactions", capture->scan_once());
  });
  engine.add_procedure("dstream.capture_scan_all", [capture](ProcedureCall& call) {
    send_count(call, "transactions", capture->scan_all());
  });
  engine.add_procedure("dstream.cleanup_to",
                       [capture](ProcedureCall& call) { cleanup_to(capture, call); });
  engine.add_procedure("dstream.restore_to", [capture](ProcedureCall& call) {
    call.bind({"@lsn"});
    if (call.session.transaction_count() > 0) {
      throw SqlError(3021, 16, 0,
                     "Cannot perform a backup or restore operation within a transaction.");
    }
    enabled(capture, call).restore_to(lsn_argument(call, 0));
  });
  engine.add_procedure("dstream.dummy_entry", [capture](ProcedureCall& call) {
    enabled(capture, call).add_dummy_entry();
  });
  engine.add_procedure("dstream.assume", [capture](ProcedureCall& call) { assume(capture, call); });
  engine.add_procedure("dstream.fail_scan",
                       [capture](ProcedureCall& call) { fail_scan(capture, call); });
  engine.add_procedure("dstream.fill_changes",
                       [capture](ProcedureCall& call) { fill_changes(capture, call); });
}

}  // namespace dstream::standin::cdc
