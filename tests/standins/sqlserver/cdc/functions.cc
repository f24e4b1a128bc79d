// sys.fn_cdc_* and cdc.fn_cdc_get_all_changes_<instance>.
#include <algorithm>

#include "tests/standins/sqlserver/cdc/change_data_capture.h"
#include "tests/standins/sqlserver/cdc/lsn.h"
#include "tests/standins/sqlserver/cdc/net_changes.h"
#include "tests/standins/sqlserver/cdc/procedure_support.h"
#include "tests/standins/sqlserver/sql/convert.h"
#include "tests/standins/sqlserver/sql/error.h"
#include "tests/standins/sqlserver/sql/functions.h"
#include "tests/standins/sqlserver/sql/session.h"
#include "tests/standins/sqlserver/sql/temporal.h"
#include "tests/standins/sqlserver/sql/text.h"

namespace dstream::standin::cdc {
namespace {

using Values = std::span<const SqlValue>;
using Body = std::function<SqlValue(const sql::CallContext&, Values)>;

constexpr std::string_view kAllChanges = "fn_cdc_get_all_changes_";
constexpr std::string_view kNetChanges = "fn_cdc_get_net_changes_";

sql::ScalarFunction function(std::vector<std::optional<SqlType>> parameters, SqlType result,
                             Body body) {
  sql::ScalarFunction f;
  f.arguments_min = f.arguments_max = parameters.size();
  f.parameters = std::move(parameters);
  f.result = sql::always(result);
  f.body = std::move(body);
  return f;
}

SqlValue lsn_value(const std::string& lsn) {
  return lsn.empty() ? SqlValue{} : SqlValue::of_text(lsn);
}

// tran_end_time in the precision of datetime, as the table shows it.
int64_t end_time(const CommitEntry& entry) {
  return sql::round_ticks(sql::datetime_type(), entry.end_ticks);
}

// Ties: the smallest LSN for "smallest", the largest for "largest".
SqlValue map_time(const std::vector<CommitEntry>& entries, const std::string& option,
                  int64_t ticks) {
  const bool smallest =
      option == "smallest greater than" || option == "smallest greater than or equal";
  const bool inclusive = option.ends_with("or equal");
  if (!smallest && option != "largest less than" && option != "largest less than or equal") {
    return {};
  }
  const CommitEntry* found = nullptr;
  for (const CommitEntry& entry : entries) {
    const int64_t time = end_time(entry);
    const bool matches = smallest ? time > ticks || (inclusive && time == ticks)
                                  : time < ticks || (inclusive && time == ticks);
    if (!matches) {
      continue;
    }
    const bool better =
        found == nullptr || (smallest ? time < end_time(*found) : time >= end_time(*found));
    found = better ? &entry : found;
  }
  return found == nullptr ? SqlValue{} : SqlValue::of_text(found->start_lsn);
}

void add_bounds(ChangeDataCapture* capture, sql::FunctionRegistry* registry) {
  registry->add("sys.fn_cdc_get_max_lsn",
                function({}, sql::binary_type(10), [capture](const sql::CallContext& call, Values) {
                  const DatabaseCapture* cdc = capture->find(call.database);
                  return cdc == nullptr ? SqlValue{} : lsn_value(cdc->shown_max_lsn());
                }));
  registry->add(
      "sys.fn_cdc_get_min_lsn",
      function({sql::sysname_type()}, sql::binary_type(10),
               [capture](const sql::CallContext& call, Values values) {
                 // No such instance, or not for this caller: the same answer.
                 const DatabaseCapture* cdc = capture->find(call.database);
                 const InstancePtr instance =
                     cdc == nullptr ? nullptr : cdc->find_instance(values[0].text);
                 if (instance == nullptr || !may_read(call.session, call.database, *instance)) {
                   return SqlValue::of_text(zero_lsn());
                 }
                 return SqlValue::of_text(cdc->min_lsn(instance->name()).value_or(zero_lsn()));
               }));
  registry->add("sys.fn_cdc_increment_lsn",
                function({sql::binary_type(10)}, sql::binary_type(10),
                         [](const sql::CallContext&, Values values) {
                           return SqlValue::of_text(increment_lsn(values[0].text));
                         }));
  registry->add("sys.fn_cdc_decrement_lsn",
                function({sql::binary_type(10)}, sql::binary_type(10),
                         [](const sql::CallContext&, Values values) {
                           return SqlValue::of_text(decrement_lsn(values[0].text));
                         }));
}

void add_times(ChangeDataCapture* capture, sql::FunctionRegistry* registry) {
  registry->add("sys.fn_cdc_map_time_to_lsn",
                function({sql::nvarchar_type(30), sql::datetime_type()}, sql::binary_type(10),
                         [capture](const sql::CallContext& call, Values values) {
                           const DatabaseCapture* cdc = capture->find(call.database);
                           return cdc == nullptr
                                      ? SqlValue{}
                                      : map_time(cdc->entries(), sql::lower_text(values[0].text),
                                                 values[1].number);
                         }));
  registry->add("sys.fn_cdc_map_lsn_to_time",
                function({sql::binary_type(10)}, sql::datetime_type(),
                         [capture](const sql::CallContext& call, Values values) {
                           const DatabaseCapture* cdc = capture->find(call.database);
                           if (cdc != nullptr) {
                             for (const CommitEntry& entry : cdc->entries()) {
                               if (entry.start_lsn == values[0].text) {
                                 return SqlValue::of_number(end_time(entry));
                               }
                             }
                           }
                           return SqlValue{};
                         }));
}

int64_t ordinal_of(ChangeDataCapture* capture, const sql::CallContext& call, Values values) {
  const DatabaseCapture* cdc = capture->find(call.database);
  const InstancePtr instance = cdc == nullptr ? nullptr : cdc->find_instance(values[0].text);
  if (instance != nullptr) {
    const CaptureInstance::Columns columns = instance->columns();
    for (size_t i = 0; i < columns->size(); ++i) {
      if (sql::equal_names((*columns)[i].name, values[1].text)) {
        return static_cast<int64_t>(i) + 1;
      }
    }
  }
  return 0;
}

void add_masks(ChangeDataCapture* capture, sql::FunctionRegistry* registry) {
  const SqlType mask = sql::varbinary_type(128);
  registry->add("sys.fn_cdc_is_bit_set",
                function({sql::int_type(), mask}, sql::bit_type(),
                         [capture](const sql::CallContext&, Values values) {
                           const std::string bits =
                               mask_of_sent(values[1].text, capture->assumptions().get());
                           return SqlValue::of_number(is_bit_set(bits, values[0].number) ? 1 : 0);
                         }));
  registry->add("sys.fn_cdc_has_column_changed",
                function({sql::sysname_type(), sql::sysname_type(), mask}, sql::bit_type(),
                         [capture](const sql::CallContext& call, Values values) {
                           const int64_t ordinal = ordinal_of(capture, call, values);
                           const std::string bits =
                               mask_of_sent(values[2].text, capture->assumptions().get());
                           return SqlValue::of_number(is_bit_set(bits, ordinal) ? 1 : 0);
                         }));
  registry->add("sys.fn_cdc_get_column_ordinal",
                function({sql::sysname_type(), sql::sysname_type()}, sql::int_type(),
                         [capture](const sql::CallContext& call, Values values) {
                           const int64_t ordinal = ordinal_of(capture, call, values);
                           return ordinal == 0 ? SqlValue{} : SqlValue::of_number(ordinal);
                         }));
}

// The rows of a change table between two LSNs, without __$end_lsn and __$command_id.
class AllChanges final : public sql::Relation {
 public:
  AllChanges(const InstancePtr& instance, const std::string& from, const std::string& to,
             bool with_old)
      : changes_(instance->changes()), with_old_(with_old) {
    const std::vector<ResultColumn>& all = changes_.columns();
    for (size_t i = 0; i + instance->trailing_columns() < all.size(); ++i) {
      if (i != 1) {
        columns_.push_back(all[i]);
        columns_.back().type.nullable = true;  // as from a UNION ALL with NULLs
        places_.push_back(i);
      }
    }
    range_.begin = lsn_key(from);
    range_.end = lsn_key(increment_lsn(to));
  }

  const std::vector<ResultColumn>& columns() const override { return columns_; }
  std::unique_ptr<sql::Cursor> open(const sql::ScanRequest& request) const override;

 private:
  class FilteredCursor;

  AppendRelation changes_;
  bool with_old_;
  std::vector<ResultColumn> columns_;
  std::vector<size_t> places_;
  sql::KeyRange range_;
};

class AllChanges::FilteredCursor final : public sql::Cursor {
 public:
  FilteredCursor(std::unique_ptr<sql::Cursor> inner, size_t width, size_t operation, bool with_old,
                 std::span<const int> needed, std::vector<int> places)
      : inner_(std::move(inner)),
        row_(width),
        operation_(operation),
        with_old_(with_old),
        needed_(needed.begin(), needed.end()),
        places_(std::move(places)) {}

  bool next(SqlValue* values) override {
    while (inner_->next(row_.data())) {
      if (!with_old_ && row_[operation_].number == kUpdateBefore) {
        continue;
      }
      for (size_t i = 0; i < needed_.size(); ++i) {
        if (needed_[i] >= 0) {
          values[needed_[i]] = row_[static_cast<size_t>(places_[i])];
        }
      }
      return true;
    }
    return false;
  }

 private:
  std::unique_ptr<sql::Cursor> inner_;
  std::vector<SqlValue> row_;
  size_t operation_;
  bool with_old_;
  std::vector<int> needed_, places_;
};

std::unique_ptr<sql::Cursor> AllChanges::open(const sql::ScanRequest& request) const {
  constexpr size_t kOperationColumn = 3;
  std::vector<int> needed(changes_.columns().size(), -1);
  std::vector<int> places;
  for (size_t i = 0; i < places_.size(); ++i) {
    places.push_back(static_cast<int>(places_[i]));
    if (request.needed[i] >= 0) {
      needed[places_[i]] = static_cast<int>(places_[i]);
    }
  }
  needed[kOperationColumn] = kOperationColumn;
  sql::ScanRequest inner = request;
  inner.needed = needed;
  inner.range = range_;
  inner.ordering = 0;
  inner.descending = false;
  return std::make_unique<FilteredCursor>(changes_.open(inner), needed.size(), kOperationColumn,
                                          with_old_, request.needed, std::move(places));
}

sql::SqlError insufficient_arguments(std::string_view function) {
  // With " ... " in place of the name, as a real server has it.
  return {313, 16, 3,
          "An insufficient number of arguments were supplied for the procedure or function cdc." +
              std::string(function) + " ... ."};
}

std::string trimmed_lower(const std::string& text) {
  const size_t from = text.find_first_not_of(' ');
  const size_t to = text.find_last_not_of(' ');
  return from == std::string::npos ? std::string()
                                   : sql::lower_text(text.substr(from, to - from + 1));
}

// The arguments of both functions, checked as the real ones' bodies do.
struct Range {
  std::string from, to, filter;
};

Range checked_range(const DatabaseCapture& cdc, const CaptureInstance& instance,
                    std::string_view function, Values values, std::span<const SqlType> types,
                    std::initializer_list<std::string_view> filters) {
  if (values.size() != 3) {
    const bool too_few = values.size() < 3;
    throw sql::SqlError(too_few ? 313 : 8144, 16, too_few ? 3 : 2,
                        too_few ? "An insufficient number of arguments were supplied for the "
                                  "procedure or function cdc." +
                                      std::string(function) + instance.name() + "."
                                : "Procedure or function cdc." + std::string(function) +
                                      instance.name() + " has too many arguments specified.");
  }
  const SqlType lsn = sql::binary_type(10);
  const SqlValue from = sql::convert_value(values[0], types[0], lsn);
  const SqlValue to = sql::convert_value(values[1], types[1], lsn);
  const SqlValue option = sql::convert_value(values[2], types[2], sql::nvarchar_type(30));
  Range range{from.text, to.text, trimmed_lower(option.text)};
  const auto minimum = cdc.min_lsn(instance.name());
  const bool is_filter = std::find(filters.begin(), filters.end(), range.filter) != filters.end();
  if (from.null || to.null || option.null || !is_filter || !minimum || range.from < *minimum ||
      range.from > range.to || range.to > cdc.shown_max_lsn()) {
    throw insufficient_arguments(function);
  }
  return range;
}

std::shared_ptr<const sql::Relation> all_changes(const DatabaseCapture& cdc,
                                                 const InstancePtr& instance, Values values,
                                                 std::span<const SqlType> types) {
  const Range range =
      checked_range(cdc, *instance, kAllChanges, values, types, {"all", "all update old"});
  return std::make_shared<AllChanges>(instance, range.from, range.to, range.filter != "all");
}

std::shared_ptr<const sql::Relation> net_changes_of(const DatabaseCapture& cdc,
                                                    const InstancePtr& instance, Values values,
                                                    std::span<const SqlType> types) {
  const Range range = checked_range(cdc, *instance, kNetChanges, values, types,
                                    {"all", "all with mask", "all with merge"});
  sql::KeyRange keys;
  keys.begin = lsn_key(range.from);
  keys.end = lsn_key(increment_lsn(range.to));
  return net_changes(*instance, keys,
                     range.filter == "all"             ? NetFilter::kAll
                     : range.filter == "all with mask" ? NetFilter::kAllWithMask
                                                       : NetFilter::kAllWithMerge);
}

bool starts_with(std::string_view name, std::string_view prefix) {
  return name.size() > prefix.size() && sql::equal_names(name.substr(0, prefix.size()), prefix);
}

}  // namespace

void add_functions(ChangeDataCapture* capture) {
  sql::FunctionRegistry* registry = &capture->engine().functions();
  add_bounds(capture, registry);
  add_times(capture, registry);
  add_masks(capture, registry);
}

const sql::TableFunction* find_table_function(ChangeDataCapture* capture, sql::Database& database,
                                              std::string_view schema, std::string_view name) {
  const DatabaseCapture* cdc = capture->find(database);
  const bool is_net = starts_with(name, kNetChanges);
  if (cdc == nullptr || !sql::equal_names(schema, "cdc") ||
      !(is_net || starts_with(name, kAllChanges))) {
    return nullptr;
  }
  const std::string_view prefix = is_net ? kNetChanges : kAllChanges;
  const InstancePtr instance = cdc->find_instance(name.substr(prefix.size()));
  if (instance == nullptr || (is_net && !instance->supports_net_changes)) {
    return nullptr;
  }
  // Used by the caller at once, on its own thread.
  thread_local sql::TableFunction function;
  function.make = [cdc, instance, is_net](sql::SqlSession& session, sql::Database& of,
                                          Values values, std::span<const SqlType> types) {
    if (!may_read(session, of, *instance)) {
      throw sql::permission_denied(
          "SELECT", of.name(), "cdc",
          std::string(is_net ? kNetChanges : kAllChanges) + instance->name());
    }
    return is_net ? net_changes_of(*cdc, instance, values, types)
                  : all_changes(*cdc, instance, values, types);
  };
  return &function;
}

}  // namespace dstream::standin::cdc
