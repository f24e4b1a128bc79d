#include "tests/standins/sqlserver/sql/fault_procedures.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/procedures.h"
#include "tests/standins/sqlserver/sql/session.h"

namespace dstream::standin::sql {
namespace {

// @after_rows rows of the next request whose text contains @statement; @times 0 is for ever.
Fault fault_of(const ProcedureCall& call, size_t first) {
  Fault fault;
  fault.after_rows = call.number(first, 0);
  fault.statement_contains = call.text(first + 1);
  fault.times = static_cast<uint32_t>(call.number(first + 2, 1));
  return fault;
}

}  // namespace

void add_fault_procedures(Engine* engine, Faults* faults) {
  engine->add_procedure("dstream.fail_next", [faults](ProcedureCall& call) {
    call.bind({"@number", "@after_rows", "@statement", "@times"});
    Fault fault = fault_of(call, 1);
    fault.action = FaultAction::kError;
    fault.message.number = static_cast<int32_t>(call.number(0, 1205));
    fault.message.severity = fault.message.number == 1205 ? 13 : 16;
    fault.message.text = fault.message.number == 1205
                             ? deadlock_after_rows(0).message.text
                             : "Error " + std::to_string(fault.message.number) +
                                   " was asked for by dstream.fail_next.";
    faults->add(fault);
  });
  engine->add_procedure("dstream.drop_connection", [faults](ProcedureCall& call) {
    call.bind({"@after_rows", "@statement", "@times"});
    Fault fault = fault_of(call, 0);
    fault.action = FaultAction::kDrop;
    faults->add(fault);
  });
  engine->add_procedure("dstream.clear_faults", [faults](ProcedureCall&) { faults->clear(); });
}

void add_request_counts(Engine* engine, const Statistics* statistics) {
  engine->add_procedure("dstream.request_counts", [statistics](ProcedureCall& call) {
    const ServerCounters counters = statistics->counters();
    std::vector<std::pair<std::string, uint64_t>> values = {
        {"attentions", counters.attentions},
        {"batches", counters.batches},
        {"bulk_loads", counters.bulk_loads},
        {"connections_open", counters.connections_open},
        {"logins", counters.logins},
        {"logins_refused", counters.logins_refused},
        {"malformed", counters.malformed},
        {"procedures", counters.procedures},
        {"resets", counters.resets},
        {"server_cursors", counters.server_cursors()},
        {"transaction_requests", counters.transaction_requests}};
    for (const auto& [name, count] : counters.procedure_calls) {
      values.emplace_back("procedure " + name, count);
    }
    std::vector<std::vector<SqlValue>> rows;
    for (const auto& [name, count] : values) {
      rows.push_back({SqlValue::of_text(name), SqlValue::of_number(static_cast<int64_t>(count))});
    }
    ResultColumn name_column{"name", nvarchar_type(128)};
    ResultColumn value_column{"value", bigint_type()};
    send_rows(call, {name_column, value_column}, rows);
  });
  engine->add_procedure("dstream.request_log", [statistics](ProcedureCall& call) {
    constexpr size_t kTextMax = 200;
    std::vector<std::vector<SqlValue>> rows;
    for (const RequestRecord& request : statistics->requests()) {
      std::string text = request.text;
      if (text.size() > kTextMax) {
        size_t end = kTextMax;
        while ((text[end] & 0xC0) == 0x80) {
          --end;  // no character is cut
        }
        text.resize(end);
      }
      std::replace_if(
          text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
      rows.push_back({SqlValue::of_number(request.session_id), SqlValue::of_text(text)});
    }
    send_rows(call, {{"session_id", int_type()}, {"text", nvarchar_type(kTextMax)}}, rows);
  });
}

}  // namespace dstream::standin::sql
