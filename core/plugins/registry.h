// Finds plugin libraries, checks their descriptors before any of their code runs, and keeps the
// connectors they offer. A library is never unloaded.
//
// The order of the checks is the point of this class:
//   1. file and folder may be written by the running user only (DS-PLUGIN-PERMISSIONS);
//   2. the file's own bytes: a whole ELF library for this machine that defines dstream_plugin_v1
//      with the right magic, size and minor version (plugin_image.h). Nothing of it has run;
//   3. dlopen(), which runs its constructors (DS-PLUGIN-LOAD);
//   4. the descriptor's texts and tables (check_descriptor());
//   5. no connector of the same kind and id is there already (DS-PLUGIN-DUPLICATE).
// A file that fails a check is turned away as a whole; the others load all the same.
//
// Thread rule: load calls from one thread at start; afterwards const and [any-thread].
#pragma once

#include <deque>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "dstream/abi.h"

namespace dstream::core {

struct LoadedConnector {
  const dstream_connector* connector = nullptr;
  const dstream_plugin* plugin = nullptr;
  std::string file;  // the library it came from; "(built in)" for one given by a test

  bool is_source() const { return connector->source != nullptr; }
  bool wants_messages() const { return (connector->flags & DSTREAM_CONNECTOR_MESSAGES) != 0; }
};

// A file that was not loaded, and why. The other files are loaded all the same.
struct Refusal {
  std::string file;
  Error error;  // DS-PLUGIN-*
};

class PluginRegistry {
 public:
  // Loads every *.so of `folder`, in name order. Errors: DS-PLUGIN-FOLDER if it cannot be read,
  // DS-PLUGIN-PERMISSIONS if others may write to it. What is wrong with single files goes to
  // refusals().
  Result<void> load_folder(const std::string& folder);
  // Loads one file; the error says which check failed, its place names the file. A file that is
  // loaded already is done: no error.
  Result<void> load_file(const std::string& file);
  // Adds a descriptor that is linked in, after the same checks. For tests and simulations.
  Result<void> add(const dstream_plugin& plugin, const std::string& file = "(built in)");

  // nullptr if no plugin offers it. A source and a sink may share an id.
  const LoadedConnector* find_source(const std::string& id) const;
  const LoadedConnector* find_sink(const std::string& id) const;
  const std::deque<LoadedConnector>& connectors() const { return connectors_; }
  const std::vector<Refusal>& refusals() const { return refusals_; }

 private:
  Result<void> load_checked(const std::string& file);

  std::deque<LoadedConnector> connectors_;
  std::vector<Refusal> refusals_;
  std::set<std::pair<uint64_t, uint64_t>> loaded_files_;  // device and inode
};

// The checks a descriptor passes before any of its functions is called. Errors: DS-PLUGIN-MAGIC,
// DS-PLUGIN-STRUCT-SIZE, DS-PLUGIN-ABI-MINOR, DS-PLUGIN-DESCRIPTOR (a text or a table),
// DS-PLUGIN-SCHEMA (config_schema is not a JSON object), DS-PLUGIN-DUPLICATE.
Result<void> check_descriptor(const dstream_plugin& plugin);

// True for two sources, or two sinks, of the same id. REQUIRES: both passed check_descriptor().
bool same_kind_and_id(const dstream_connector& a, const dstream_connector& b);

}  // namespace dstream::core
