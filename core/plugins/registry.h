// Finds plugin libraries, checks their descriptors before any of their code runs, and keeps the
// connectors they offer. A library is never unloaded.
//
// Thread rule: load calls from one thread at start; afterwards const and [any-thread].
#pragma once

#include <deque>
#include <span>
#include <string>
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
  // Loads every *.so of `folder`, in name order. Errors: DS-PLUGIN-FOLDER if it cannot be read.
  // What is wrong with single files goes to refusals().
  Result<void> load_folder(const std::string& folder);
  // Loads one file; the error says which check failed.
  Result<void> load_file(const std::string& file);
  // Adds a descriptor that is linked in, after the same checks. For tests and simulations.
  Result<void> add(const dstream_plugin& plugin, const std::string& file = "(built in)");

  // nullptr if no plugin offers it.
  const LoadedConnector* find_source(const std::string& id) const;
  const LoadedConnector* find_sink(const std::string& id) const;
  const std::deque<LoadedConnector>& connectors() const { return connectors_; }
  const std::vector<Refusal>& refusals() const { return refusals_; }

 private:
  std::deque<LoadedConnector> connectors_;
  std::vector<Refusal> refusals_;
};

// The checks a descriptor passes before any of its functions is called. Errors: DS-PLUGIN-*.
Result<void> check_descriptor(const dstream_plugin& plugin);

}  // namespace dstream::core
