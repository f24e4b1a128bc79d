// Where the schemas of messages get their ids, as a format sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/error.h"

namespace dstream::core {

// How to reach a schema registry that speaks Confluent's REST API.
struct RegistrySettings {
  std::string url;       // http:// or https://, without a path at the end; empty: none
  std::string username;  // empty: no login
  std::string password;  // (I11)
  std::string ca_file;   // PEM of the CAs to trust; empty: the system's
  // A schema that is not there yet is registered; else the pipeline stops at it.
  bool register_schemas = true;

  bool operator==(const RegistrySettings&) const = default;
};

// Thread rule: [worker] of the sink.
class SchemaRegistry {
 public:
  virtual ~SchemaRegistry() = default;

  // The id of `schema` under `subject`. Never waits: nullopt means that it has been asked for, and
  // that the owner of the registry will be told when there is more to say. What was answered once
  // stays known.
  // Errors: DS-REGISTRY-INCOMPATIBLE, DS-REGISTRY-UNKNOWN, DS-REGISTRY-REFUSED, DS-REGISTRY-DENIED:
  // asking again changes nothing, the pipeline must stop (I5).
  virtual Result<std::optional<int32_t>> find(const std::string& subject,
                                              const std::string& schema) = 0;
  // Why answers are late: DS-REGISTRY-AWAY; nullopt if they are not.
  virtual std::optional<Error> trouble() const = 0;
};

}  // namespace dstream::core
