// What change tables have to hold, worked out without any SQL: the model of random_work_test.cc.
//
// A table is a map from id to values, a transaction a list of changes, the log a list of committed
// transactions and of instances that begin; a scan moves some of it into instances.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dstream::standin::cdc {

using ModelRow = std::map<std::string, std::string>;  // column -> value; absent is NULL

struct ModelChange {
  std::string table;
  int32_t command = 0;
  std::optional<ModelRow> before, after;
  bool key_changed = false;
};

struct ModelInstance {
  std::string name, table;
  std::vector<std::string> columns;
  bool is_active = false;
  int64_t low_water = 0;                // number of the commit it starts from
  std::map<int64_t, std::string> rows;  // by commit: operation|mask|command|values, a line each
};
using ModelInstancePtr = std::shared_ptr<ModelInstance>;

class ChangeModel {
 public:
  void commit(std::vector<ModelChange> changes) {
    if (!changes.empty()) {
      log_.push_back({++commits_, std::move(changes), nullptr});
    }
  }
  void enable(ModelInstancePtr instance) {
    instances_.push_back(instance);
    log_.push_back({++commits_, {}, std::move(instance)});
  }
  // A definition: a record of its own, with a row in lsn_time_mapping.
  void define() { log_.push_back({++commits_, {}, nullptr}); }
  // A row of a quiet time in lsn_time_mapping. REQUIRES: nothing waits.
  void add_dummy() { captured_.push_back(++commits_); }
  // As it is now, whatever becomes of this one. REQUIRES: nothing waits.
  ChangeModel copy() const {
    ChangeModel result = *this;
    for (ModelInstancePtr& instance : result.instances_) {
      instance = std::make_shared<ModelInstance>(*instance);
    }
    return result;
  }
  void disable(const ModelInstancePtr& instance) { std::erase(instances_, instance); }
  // As DatabaseCapture::scan(): notes cost nothing, and end it once it has its transactions.
  int64_t scan(int64_t transactions_max) {
    int64_t transactions = 0;
    while (!log_.empty() && transactions < transactions_max) {
      const Entry entry = std::move(log_.front());
      log_.pop_front();
      if (entry.changes.empty()) {
        if (entry.begins != nullptr) {
          entry.begins->is_active = true;
          entry.begins->low_water = entry.number;
        }
        captured_.push_back(entry.number);
        continue;
      }
      ++transactions;
      bool has_rows = false;
      for (const ModelInstancePtr& instance : instances_) {
        const std::string rows = instance->is_active ? rows_of(*instance, entry.changes) : "";
        if (!rows.empty()) {
          instance->rows[entry.number] = rows;
          has_rows = true;
        }
      }
      if (has_rows) {
        captured_.push_back(entry.number);
      }
    }
    return transactions;
  }
  // Everything below the place-th entry of lsn_time_mapping goes from the instance.
  void clean_up(ModelInstance* instance, size_t place) {
    const int64_t mark = captured_[place];
    instance->low_water = std::max(instance->low_water, mark);
    instance->rows.erase(instance->rows.begin(), instance->rows.lower_bound(mark));
    int64_t lowest = INT64_MAX;
    for (const ModelInstancePtr& other : instances_) {
      lowest = other->is_active ? std::min(lowest, other->low_water) : lowest;
    }
    std::erase_if(captured_, [lowest](int64_t number) { return number < lowest; });
  }
  // A commit's rows are led by its rank among those of the instance.
  static std::string text(const ModelInstance& instance) {
    std::string all;
    int64_t rank = 0;
    for (const auto& [number, rows] : instance.rows) {
      ++rank;
      for (size_t from = 0; from < rows.size();) {
        const size_t end = rows.find('\n', from) + 1;
        all += std::to_string(rank) + "|" + rows.substr(from, end - from);
        from = end;
      }
    }
    return all;
  }
  const std::vector<ModelInstancePtr>& instances() const { return instances_; }
  size_t time_mapping_rows() const { return captured_.size(); }
  bool has_waiting() const { return !log_.empty(); }

 private:
  struct Entry {
    int64_t number = 0;
    std::vector<ModelChange> changes;
    ModelInstancePtr begins;
  };

  static std::string line(const ModelInstance& instance, int operation, int32_t command,
                          uint32_t mask, const ModelRow& row) {
    const char* const digits = "0123456789ABCDEF";
    std::string text = std::to_string(operation) + "|0x" + digits[mask >> 4] + digits[mask & 15] +
                       "|" + std::to_string(command);
    for (const std::string& column : instance.columns) {
      const auto it = row.find(column);
      text += "|" + (it == row.end() ? std::string("NULL") : it->second);
    }
    return text + "\n";
  }
  static std::string rows_of(const ModelInstance& instance,
                             const std::vector<ModelChange>& changes) {
    const uint32_t all = (1U << instance.columns.size()) - 1;
    std::map<int32_t, std::string> by_command;
    for (const ModelChange& change : changes) {
      if (change.table != instance.table) {
        continue;
      }
      std::string* const now = &by_command[change.command];
      if (!change.before) {
        *now += line(instance, 2, change.command, all, *change.after);
      } else if (!change.after) {
        *now += line(instance, 1, change.command, all, *change.before);
      } else if (change.key_changed) {
        *now += line(instance, 1, change.command, all, *change.before);
        by_command[change.command + 1] += line(instance, 2, change.command + 1, all, *change.after);
      } else if (const uint32_t mask = changed(instance, change); mask != 0) {
        *now += line(instance, 3, change.command, mask, *change.before);
        *now += line(instance, 4, change.command, mask, *change.after);
      }
    }
    std::string rows;
    for (const auto& [command, lines] : by_command) {
      rows += lines;
    }
    return rows;
  }
  static uint32_t changed(const ModelInstance& instance, const ModelChange& change) {
    uint32_t mask = 0;
    for (size_t i = 0; i < instance.columns.size(); ++i) {
      const auto value = [&](const ModelRow& row) {
        const auto it = row.find(instance.columns[i]);
        return it == row.end() ? std::string("NULL") : it->second;
      };
      mask |= value(*change.before) != value(*change.after) ? 1U << i : 0U;
    }
    return mask;
  }

  int64_t commits_ = 0;
  std::deque<Entry> log_;
  std::vector<int64_t> captured_;  // numbers of the rows of lsn_time_mapping
  std::vector<ModelInstancePtr> instances_;
};

}  // namespace dstream::standin::cdc
