#include "plugins/sqlserver_cdc/source_status.h"

#include <algorithm>
#include <utility>

#include "plugins/sqlserver_cdc/position.h"
#include "plugins/sqlserver_cdc/source_error.h"

namespace dstream::sqlserver {
namespace {

using State = TableProgress::State;

const char* name_of(State state) { return state == State::kRunning ? "running" : "done"; }

std::string lags_json(const Lags& lags, SourceStatus::Clock::time_point now) {
  const auto at = std::chrono::duration_cast<Millis>(now.time_since_epoch());
  std::string out;
  if (const auto lag = lags.of_source(at)) {
    out += "\"lag_ms\":" + std::to_string(lag->value.count()) + ',';
  }
  if (const auto lag = lags.of_capture(at)) {
    out += "\"capture_lag_ms\":" + std::to_string(lag->value.count()) +
           ",\"capture_lag_is_bound\":" + (lag->is_bound ? "true," : "false,");
  }
  return out;
}

// Nothing where there are none; as many as fit.
std::string superseded_json(const std::vector<std::pair<TableName, std::string>>& instances,
                            size_t bytes_max) {
  std::string out;
  for (const auto& [table, instance] : instances) {
    const std::string item = std::string(out.empty() ? "\"superseded_instances\":[" : ",") +
                             "{\"table\":" + json_string(table.text()) +
                             ",\"instance\":" + json_string(instance) + '}';
    if (out.size() + item.size() + 2 < bytes_max) {
      out += item;
    }
  }
  return out.empty() ? out : out + "],";
}

}  // namespace

void SourceStatus::set_tables(std::vector<TableName> tables) {
  const std::lock_guard lock(mutex_);
  tables_ = std::move(tables);
}

void SourceStatus::set_superseded(std::vector<std::pair<TableName, std::string>> instances) {
  const std::lock_guard lock(mutex_);
  superseded_ = std::move(instances);
}

bool SourceStatus::request_copy(std::string_view text) {
  const auto name = TableName::parse(text);
  const std::lock_guard lock(mutex_);
  if (tables_.empty()) {
    throw SourceError(DSTREAM_RETRY, "The source has not connected yet.");
  }
  const auto at = !name ? tables_.end()
                        : std::find_if(tables_.begin(), tables_.end(), [&](const TableName& table) {
                            return same_name(table, *name);
                          });
  if (at == tables_.end()) {
    throw SourceError(DSTREAM_CONFIG, "This source does not read a table " + std::string(text) +
                                          ". Its first one is " + tables_.front().text() + '.');
  }
  const bool asked = std::find(requests_.begin(), requests_.end(), *at) != requests_.end();
  const bool runs = std::any_of(copies_.begin(), copies_.end(), [&](const TableProgress& copy) {
    return copy.table == *at && copy.state != State::kDone;
  });
  if (asked || runs) {
    return false;
  }
  requests_.push_back(*at);
  return true;
}

std::vector<TableName> SourceStatus::take_requests() {
  const std::lock_guard lock(mutex_);
  return std::exchange(requests_, {});
}

void SourceStatus::publish(const Lags& lags) {
  const std::lock_guard lock(mutex_);
  lags_ = lags;
}

void SourceStatus::publish(std::vector<TableProgress> copies, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  for (const TableProgress& copy : copies) {
    if (copy.state != State::kRunning) {
      started_.erase(copy.table);
    } else {
      started_.try_emplace(copy.table, Started{now, copy.rows});
    }
  }
  copies_ = std::move(copies);
  now_ = now;
}

std::string SourceStatus::json(size_t bytes_max, Clock::time_point now) const {
  const std::lock_guard lock(mutex_);
  std::string out =
      '{' + lags_json(lags_, now) + superseded_json(superseded_, bytes_max / 2) + "\"snapshots\":[";
  size_t waiting = 0;
  for (const State state : {State::kRunning, State::kDone}) {
    for (const TableProgress& copy : copies_) {
      if (copy.state != state) {
        continue;
      }
      std::string item = (out.back() == '[' ? "" : ",") + std::string("{\"table\":") +
                         json_string(copy.table.text()) + ",\"state\":\"" + name_of(state) +
                         "\",\"rows\":" + std::to_string(copy.rows);
      if (const auto began = started_.find(copy.table);
          began != started_.end() && copy.rows_estimate > 0) {
        item += ",\"rows_estimate\":" + std::to_string(copy.rows_estimate);
        const uint64_t rows = copy.rows - std::min(copy.rows, began->second.rows);
        const auto spent =
            std::chrono::duration_cast<std::chrono::milliseconds>(now_ - began->second.at).count();
        if (rows > 0) {
          const double left = static_cast<double>(copy.rows_estimate - copy.rows) /
                              static_cast<double>(rows) * static_cast<double>(spent);
          item += ",\"left_ms\":" + std::to_string(static_cast<int64_t>(left));
        }
      }
      item += '}';
      if (out.size() + item.size() + 64 < bytes_max) {
        out += item;
      }
    }
  }
  for (const TableProgress& copy : copies_) {
    waiting += copy.state == State::kWaiting ? 1 : 0;
  }
  return out + "],\"snapshots_waiting\":" + std::to_string(waiting) + '}';
}

}  // namespace dstream::sqlserver
