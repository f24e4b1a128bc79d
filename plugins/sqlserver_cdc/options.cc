#include "plugins/sqlserver_cdc/options.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <set>

#include "plugins/sqlserver_cdc/duration.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

using Poco::JSON::Object;

constexpr int kMaxIntervalFactor = 5;

[[noreturn]] void refuse(const std::string& key, const std::string& why) {
  throw SourceError(DSTREAM_CONFIG, key + ": " + why);
}

Millis duration(const Object& object, const std::string& place, const char* name, Millis fallback,
                Millis low) {
  if (!object.has(name)) {
    return fallback;
  }
  const auto text = object.getValue<std::string>(name);
  const auto value = parse_duration(text);
  if (!value) {
    refuse(place + name, "\"" + text +
                             "\" is not a duration. Write a whole number with a unit, "
                             "such as 250ms, 5s or 2m.");
  }
  if (*value < low) {
    refuse(place + name,
           "\"" + text + "\" is too short; at least " + std::to_string(low.count()) + "ms.");
  }
  return *value;
}

// Drivers count whole seconds; a fraction is rounded up rather than to "no limit".
std::chrono::seconds seconds(const Object& object, const char* name,
                             std::chrono::seconds fallback) {
  return std::chrono::ceil<std::chrono::seconds>(
      duration(object, "", name, fallback, std::chrono::seconds(1)));
}

struct Intervals {
  Millis poll;
  Millis max;
};

// `inherited` applies to what the object leaves out.
Intervals read_intervals(const Object& object, const std::string& place,
                         const Intervals& inherited) {
  Intervals own;
  own.poll = duration(object, place, "poll_interval", inherited.poll, Millis(10));
  const Millis fallback =
      object.has("poll_interval") ? own.poll * kMaxIntervalFactor : inherited.max;
  own.max = duration(object, place, "max_poll_interval", fallback, Millis(10));
  if (own.max < own.poll) {
    refuse(place + "max_poll_interval", "is shorter than poll_interval.");
  }
  return own;
}

TableOptions read_table(const Poco::Dynamic::Var& item, const std::string& place,
                        const Intervals& inherited) {
  TableOptions table;
  Intervals intervals = inherited;
  std::string name;
  if (item.isString()) {
    name = item.extract<std::string>();
  } else {
    const auto& object = item.extract<Object::Ptr>();
    name = object->getValue<std::string>("name");
    intervals = read_intervals(*object, place + "/", inherited);
    table.capture_instance = object->optValue<std::string>("capture_instance", "");
  }
  const auto parsed = TableName::parse(name);
  if (!parsed) {
    refuse(place, "\"" + name +
                      "\" is not a table name. Write schema.table, such as dbo.Persons; "
                      "put a part with other characters in brackets.");
  }
  table.name = *parsed;
  table.poll_interval = intervals.poll;
  table.max_poll_interval = intervals.max;
  return table;
}

SnapshotMode snapshot_mode(const std::string& name) {
  return name == "never"      ? SnapshotMode::kNever
         : name == "only"     ? SnapshotMode::kOnly
         : name == "when_gap" ? SnapshotMode::kWhenGap
                              : SnapshotMode::kInitial;
}

Options read(const Object& object) {
  Options options;
  options.connection = object.getValue<std::string>("connection");
  options.page_rows = object.optValue<uint32_t>("page_rows", options.page_rows);
  options.read_ahead_bytes =
      object.optValue<Poco::UInt64>("read_ahead_bytes", options.read_ahead_bytes);
  options.value_bytes_max =
      object.optValue<Poco::UInt64>("value_bytes_max", options.value_bytes_max);
  options.clr_form = object.optValue<std::string>("clr_types", "bytes") == "text" ? ClrForm::kText
                                                                                  : ClrForm::kBytes;
  options.snapshot = snapshot_mode(object.optValue<std::string>("snapshot", "initial"));
  options.copies_gaps = options.snapshot == SnapshotMode::kWhenGap;
  options.poll = object.optValue<std::string>("poll", "interval") == "adaptive"
                     ? PollMode::kAdaptive
                     : PollMode::kInterval;
  options.instances = object.optValue<std::string>("capture_instances", "follow") == "manage"
                          ? InstanceMode::kManage
                          : InstanceMode::kFollow;
  options.connections = object.optValue<uint32_t>("connections", options.connections);
  options.login_timeout = seconds(object, "login_timeout", options.login_timeout);
  options.query_timeout = seconds(object, "query_timeout", options.query_timeout);

  const Millis default_interval(1000);
  Intervals intervals{default_interval, default_interval * kMaxIntervalFactor};
  intervals = read_intervals(object, "", intervals);

  const auto tables = object.getArray("tables");
  if (tables.isNull() || tables->empty()) {
    refuse("tables", "name at least one table.");
  }
  std::set<TableName> names;
  for (unsigned i = 0; i < tables->size(); ++i) {
    const std::string place = "tables/" + std::to_string(i);
    options.tables.push_back(read_table(tables->get(i), place, intervals));
    const TableName& name = options.tables.back().name;
    if (!names.insert(name).second) {
      refuse(place, name.text() + " is listed twice.");
    }
  }
  return options;
}

}  // namespace

void take_data_loss_policy(dstream_data_loss_policy policy, Options* options) {
  switch (policy) {
    case DSTREAM_DATA_LOSS_STOP:
      return;
    case DSTREAM_DATA_LOSS_CONTINUE:
      if (options->copies_gaps) {
        refuse("snapshot",
               "when_gap copies a table again whose changes are gone, and on_data_loss: continue "
               "goes on without them. Write snapshot: initial, or on_data_loss: resnapshot.");
      }
      return;
    case DSTREAM_DATA_LOSS_RESNAPSHOT:
      if (options->snapshot == SnapshotMode::kNever) {
        refuse("snapshot",
               "never copies no table, and on_data_loss: resnapshot copies those whose changes "
               "are gone. Write snapshot: initial, or on_data_loss: stop.");
      }
      options->copies_gaps = true;
      return;
    default:
      throw SourceError(DSTREAM_UNSUPPORTED, "on_data_loss: this version does not know policy " +
                                                 std::to_string(policy) + ".");
  }
}

Options parse_options(std::string_view json) {
  try {
    Poco::JSON::Parser parser;
    return read(*parser.parse(std::string(json)).extract<Object::Ptr>());
  } catch (const Poco::Exception& error) {
    // The text may hold the password: only the kind of the trouble is told (I11).
    throw SourceError(DSTREAM_CONFIG,
                      std::string("The configuration cannot be read: ") + error.name() + ".");
  }
}

}  // namespace dstream::sqlserver
