#include "core/messages/schema_plan.h"

#include <algorithm>
#include <utility>

#include "core/base/assert.h"
#include "core/messages/partition_template.h"

namespace dstream::core {
namespace {

const char* or_empty(const char* text) { return text != nullptr ? text : ""; }

// SQL identifiers are compared without case by most people who write a configuration.
bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return lower(x) == lower(y);
  });
}

Result<void> check_schema(const dstream_schema& schema) {
  if (schema.column_count > DSTREAM_MAX_COLUMNS ||
      (schema.column_count > 0 && schema.columns == nullptr) ||
      (schema.key_count > 0 && schema.key_columns == nullptr)) {
    return fail("DS-ENCODE-SCHEMA", "A table's schema from the source plugin is malformed.");
  }
  for (uint32_t i = 0; i < schema.key_count; ++i) {
    if (schema.key_columns[i] >= schema.column_count) {
      return fail("DS-ENCODE-SCHEMA",
                  "A table's schema from the source plugin names a key column it does not have.");
    }
  }
  return {};
}

void plan_columns(const dstream_schema& schema, SchemaPlan* plan) {
  for (uint32_t i = 0; i < schema.column_count; ++i) {
    const auto& column = *reinterpret_cast<const dstream_column*>(
        reinterpret_cast<const char*>(schema.columns) + size_t{schema.column_stride} * i);
    ColumnFacts facts;
    facts.name = or_empty(column.name);
    facts.declared_type = or_empty(column.source_type);
    facts.source_type = parse_source_type(facts.declared_type);
    facts.precision = column.precision;
    facts.scale = column.scale;
    facts.nullable = (column.flags & DSTREAM_COLUMN_NULLABLE) != 0;
    ColumnPlan writer;
    writer.label = plan->fragments.add("," + json_string(facts.name) + ":");
    writer.type = column.type;
    writer.single_precision =
        facts.source_type.name == "real" ||
        (facts.source_type.name == "float" && facts.source_type.argument_or(0, 53) <= 24);
    plan->columns.push_back(writer);
    plan->facts.push_back(std::move(facts));
  }
}

// The columns the configuration names for this table, or nullptr.
const std::vector<std::string>* configured_key(const MessageSettings& settings,
                                               const SchemaPlan& plan) {
  const std::string name = plan.full_name();
  const std::string with_database = plan.database + "." + name;
  for (const auto& [table, columns] : settings.key_columns) {
    if (same_name(table, name) || same_name(table, with_database)) {
      return &columns;
    }
  }
  return nullptr;
}

Result<void> plan_key(const dstream_schema& schema, const MessageSettings& settings,
                      SchemaPlan* plan) {
  const std::vector<std::string>* names = configured_key(settings, *plan);
  if (names == nullptr) {
    plan->key.assign(schema.key_columns, schema.key_columns + schema.key_count);
  } else {
    for (const std::string& name : *names) {
      const std::optional<uint32_t> found = find_column(*plan, name);
      if (!found) {
        return fail("DS-KEY-COLUMN",
                    "The key of " + plan->full_name() + " names the column \"" + name +
                        "\", which is not among the columns read from it.",
                    "Correct the name under key.columns, or capture the column.");
      }
      plan->key.push_back(*found);
    }
  }
  if (plan->key.empty() && !settings.allow_no_key) {
    return fail(
        "DS-KEY-MISSING",
        "The table " + plan->full_name() +
            " has no primary key, so its messages would have no key and no order.",
        "Name the columns that identify a row under key.columns, or set key.allow_none: true.");
  }
  return {};
}

Result<void> plan_partition(const MessageSettings& settings, SchemaPlan* plan) {
  if (settings.partition.empty()) {
    return {};
  }
  const auto text = PartitionTemplate::parse(settings.partition);
  DSTREAM_ASSERT(text.has_value());
  auto parts = text->plan(*plan);
  if (!parts) {
    return fail(std::move(parts.error()));
  }
  plan->partition = std::move(*parts);
  return {};
}

}  // namespace

std::optional<uint32_t> find_column(const SchemaPlan& plan, std::string_view name) {
  const auto index_if = [&](auto&& matches) -> std::optional<uint32_t> {
    const auto found = std::find_if(plan.facts.begin(), plan.facts.end(), matches);
    return found == plan.facts.end()
               ? std::nullopt
               : std::optional(static_cast<uint32_t>(found - plan.facts.begin()));
  };
  const auto exact = index_if([&](const ColumnFacts& facts) { return facts.name == name; });
  return exact ? exact
               : index_if([&](const ColumnFacts& facts) { return same_name(facts.name, name); });
}

Fragment FragmentStore::add(std::string text) {
  const auto size = static_cast<uint32_t>(text.size());
  text.resize(std::max<size_t>(text.size(), 16));
  texts_.push_back(std::move(text));
  return {texts_.back().data(), size};
}

Result<void> plan_schema(const dstream_schema& schema, const MessageSettings& settings,
                         SchemaPlan* plan) {
  if (auto checked = check_schema(schema); !checked) {
    return checked;
  }
  plan->database = or_empty(schema.database);
  plan->name_space = or_empty(schema.name_space);
  plan->table = or_empty(schema.name);
  plan_columns(schema, plan);
  if (auto planned = plan_key(schema, settings, plan); !planned) {
    return planned;
  }
  return plan_partition(settings, plan);
}

}  // namespace dstream::core
