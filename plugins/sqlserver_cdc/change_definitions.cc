// The part of ChangeStream that follows tables that do not stay what they are: DDL, and capture
// instances that take over from others. Why it is right: docs/design/005-schema-change.md.
#include <algorithm>

#include "plugins/sqlserver_cdc/change_stream.h"

namespace dstream::sqlserver {
namespace {

constexpr uint32_t kLooksUnnamedMax = 16;
constexpr Millis kNamesAgeMax{10'000};

}  // namespace

Lsn ChangeStream::told(const TableName& table) const {
  const auto at = std::find_if(tables_.begin(), tables_.end(),
                               [&table](const Table& each) { return each.facts.name == table; });
  return at == tables_.end() ? Lsn{} : at->told;
}

// A position just before the beginning of an instance is one that an instance before it left: the
// record that tells of the new one may not have been delivered.
void ChangeStream::announce_schemas() {
  for (uint32_t i = 0; i < tables_.size(); ++i) {
    Table& table = tables_[i];
    const ChangeKey& complete = table.complete;
    table.told = table.facts.told.value_or(complete.commit);
    const bool begins = !complete.is_beginning() && complete.first_needed() == table.facts.start;
    if (table.facts.announces_schema || begins) {
      announcements_.push_back({i, {complete.first_needed(), 0, {}}, false});
    }
  }
}

// What the stream knows of a table is older than what the server says: a change table may have been
// altered in place, and nothing more can be read from it by what is known. Or a newer instance has
// everything that is needed next.
bool ChangeStream::is_outdated_by(const ProbeAnswer& answer) const {
  for (size_t i = 0; i < answer.tables.size(); ++i) {
    const TableProbe& probe = answer.tables[i];
    const Table& table = tables_[groups_[current_].tables[i]];
    const bool succeeded = !probe.successor.is_zero() && !table.complete.is_beginning() &&
                           probe.successor <= table.complete.first_needed();
    if (succeeded || probe.newest_definition > table.facts.definition) {
      return true;
    }
  }
  return false;
}

// Names are for an operator: they need not be those of this look, and looking them up costs more
// than the rest of it. A slow poll asks with every look.
bool ChangeStream::wants_names(Millis now) const {
  const Group& asked = groups_[current_];
  return asked.named == Lags::kNever || asked.looks_unnamed >= kLooksUnnamedMax ||
         now - asked.named >= kNamesAgeMax;
}

// What changes nothing for the stream, but for an operator: a table has another name, which the
// next start will want; an old instance was dropped.
void ChangeStream::note_catalog(const ProbeAnswer& answer) {
  for (size_t i = 0; i < answer.tables.size(); ++i) {
    Table& table = tables_[groups_[current_].tables[i]];
    if (table.facts.has_older && answer.tables[i].older_gone) {
      table.facts.has_older = false;
      without_older_.push_back(table.facts.name);
    }
  }
  ++group().looks_unnamed;
  if (answer.has_names) {
    note_names(answer);
  }
}

void ChangeStream::note_names(const ProbeAnswer& answer) {
  group().named = probed_;
  group().looks_unnamed = 0;
  for (size_t i = 0; i < answer.tables.size(); ++i) {
    const std::string& renamed_to = answer.tables[i].renamed_to;
    Table& table = tables_[group().tables[i]];
    if (renamed_to == table.renamed_to) {
      continue;
    }
    table.renamed_to = renamed_to;
    if (!renamed_to.empty()) {
      warnings_.push_back(table.facts.name.text() + " was renamed to " + renamed_to +
                          ". Capture instance " + table.facts.instance +
                          " goes on capturing it, and it is delivered under its old name until "
                          "the source is opened again: that needs the new name in tables.");
    }
  }
}

// Everything up to the committed maximum, but nothing from the next change of a definition on: what
// tells of it goes first.
Lsn ChangeStream::bound_for(ProbeAnswer& answer) {
  Lsn next = Lsn::max();
  for (const TableProbe& probe : answer.tables) {
    if (!probe.successor.is_zero()) {
      next = std::min(next, probe.successor);
    }
    if (!probe.definitions.empty()) {
      next = std::min(next, probe.definitions.front().lsn);
    }
  }
  if (next > answer.max.next() || next.is_zero()) {
    return answer.max;
  }
  for (size_t i = 0; i < answer.tables.size(); ++i) {
    TableProbe& probe = answer.tables[i];
    successor_begins_ = successor_begins_ || probe.successor == next;
    for (Definition& definition : probe.definitions) {
      if (definition.lsn == next) {
        announcements_.push_back({group().tables[i], std::move(definition), true});
      }
    }
  }
  return next.previous();
}

// Before the changes of the transaction that changed the definition, so that a position at them
// says that this record has left. The position here says that it may not have.
dstream_batch* ChangeStream::next_announcement(int64_t now_unix_ns, size_t records_max,
                                               const std::shared_ptr<SlabPool>& pool) {
  ChangeBatch batch(pool, std::min(records_max, announcements_.size()), now_unix_ns);
  while (!announcements_.empty() && batch.has_room()) {
    const Announcement& next = announcements_.front();
    Table& table = tables_[next.table];
    batch.add_schema(table.facts.schema, table.facts.instance, next.definition);
    if (next.is_ddl) {
      table.told = std::max(table.told, next.definition.lsn);
    }
    announcements_.pop_front();
  }
  end_of_definitions();
  return batch.finish_at(position());
}

// All that had to leave before the definition that comes next has left.
void ChangeStream::end_of_definitions() {
  if (announcements_.empty() && successor_begins_) {
    successor_begins_ = false;
    // New tables whose beginning is not durable yet come first; the next look finds it again.
    is_outdated_ = announced_.empty();
  }
}

}  // namespace dstream::sqlserver
