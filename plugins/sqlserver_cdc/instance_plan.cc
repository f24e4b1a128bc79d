#include "plugins/sqlserver_cdc/instance_plan.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace dstream::sqlserver {
namespace {

constexpr size_t kNameBytesMax = 100;
constexpr std::string_view kMark = "_dstream";

// The number behind the mark; nullopt if the name has none.
std::optional<uint32_t> number_of(std::string_view instance) {
  const size_t at = instance.rfind(kMark);
  if (at == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view digits = instance.substr(at + kMark.size());
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number < 2) {
    return std::nullopt;
  }
  return number;
}

std::string hash_text(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  }
  std::string out = "_";
  for (int shift = 28; shift >= 0; shift -= 4) {
    out += "0123456789abcdef"[hash >> shift & 15];
  }
  return out;
}

// At most `bytes` of it, and no half character.
std::string cut(const std::string& text, size_t bytes) {
  while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0) == 0x80) {
    --bytes;
  }
  return text.substr(0, bytes);
}

int32_t newest_captured(const ManagedInstance& instance) {
  return instance.column_ids.empty()
             ? 0
             : *std::max_element(instance.column_ids.begin(), instance.column_ids.end());
}

bool captures(const ManagedInstance& instance, int32_t column) {
  return std::find(instance.column_ids.begin(), instance.column_ids.end(), column) !=
         instance.column_ids.end();
}

// Column ids only grow: what lies behind all that is captured was added since. What lies between
// was left out when the instance was made, and stays so.
bool is_wanted(const ManagedInstance& instance, int32_t column) {
  return captures(instance, column) || column > newest_captured(instance);
}

bool has_changed(const ManagedTable& table, const ManagedInstance& instance) {
  const bool is_added =
      std::any_of(table.columns.begin(), table.columns.end(), [&instance](const auto& column) {
        return is_wanted(instance, column.first) && !captures(instance, column.first);
      });
  return is_added ||
         std::any_of(instance.column_ids.begin(), instance.column_ids.end(), [&table](int32_t id) {
           return std::none_of(table.columns.begin(), table.columns.end(),
                               [id](const auto& column) { return column.first == id; });
         });
}

std::string literal_or_null(const std::string& text) {
  return text.empty() ? "NULL" : quote_literal(text);
}

// Empty: all columns.
std::string column_list(const ManagedTable& table, const ManagedInstance& older) {
  std::string list;
  bool is_all = true;
  for (const auto& [id, name] : table.columns) {
    if (is_wanted(older, id)) {
      list += (list.empty() ? "" : ", ") + quote_identifier(name);
    } else {
      is_all = false;
    }
  }
  return is_all ? std::string() : list;
}

InstanceAction create(const ManagedTable& table, const ManagedInstance& older) {
  InstanceAction action{table.name, successor_name(table.name, older.name), true, {}};
  action.sql = "EXEC sys.sp_cdc_enable_table @source_schema = " + quote_literal(table.name.schema) +
               ", @source_name = " + quote_literal(table.name.table) +
               ", @role_name = " + literal_or_null(older.role) +
               ", @capture_instance = " + quote_literal(action.instance) +
               ", @supports_net_changes = " + (older.has_net_changes ? "1" : "0") +
               ", @index_name = " + literal_or_null(older.index) +
               ", @captured_column_list = " + literal_or_null(column_list(table, older)) +
               ", @filegroup_name = " + literal_or_null(older.filegroup) +
               ", @allow_partition_switch = " + (older.allows_partition_switch ? "1" : "0") + ";";
  return action;
}

InstanceAction drop(const TableName& table, const std::string& instance) {
  return {table, instance, false,
          "EXEC sys.sp_cdc_disable_table @source_schema = " + quote_literal(table.schema) +
              ", @source_name = " + quote_literal(table.table) +
              ", @capture_instance = " + quote_literal(instance) + ";"};
}

}  // namespace

std::optional<InstanceAction> plan_instances(const ManagedTable& table,
                                             const DroppableInstances& droppable) {
  if (table.instances.empty()) {
    return std::nullopt;
  }
  const ManagedInstance& newest = table.instances.back();
  if (table.instances.size() > 1) {
    // A second instance that somebody else made has its reasons.
    const ManagedInstance& older = table.instances.front();
    const bool may_go =
        is_own_name(newest.name) && droppable.contains(std::pair(table.name, older.name));
    return may_go ? std::optional(drop(table.name, older.name)) : std::nullopt;
  }
  const bool has_met_ddl = !newest.start.is_zero() && newest.definition > newest.start;
  return has_met_ddl && has_changed(table, newest) ? std::optional(create(table, newest))
                                                   : std::nullopt;
}

std::string successor_name(const TableName& table, const std::string& older) {
  const uint32_t number = number_of(older).value_or(1) + 1;
  const std::string suffix = std::string(kMark) + std::to_string(number);
  const std::string base = table.schema + '_' + table.table;
  if (base.size() + suffix.size() <= kNameBytesMax) {
    return base + suffix;
  }
  const std::string hash = hash_text(base);
  return cut(base, kNameBytesMax - suffix.size() - hash.size()) + hash + suffix;
}

bool is_own_name(const std::string& instance) { return number_of(instance).has_value(); }

}  // namespace dstream::sqlserver
