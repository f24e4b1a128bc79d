// Looks at what a source returned before the engine does.
//
// Thread rule: [worker] of the source.
#pragma once

#include <array>
#include <cstdint>

#include "dstream/abi.h"

namespace dstream::core {

class BatchCheck {
 public:
  explicit BatchCheck(bool check_values) : check_values_(check_values) {}

  // nullptr if the batch keeps the contract, else the rest of a sentence that starts with "it":
  // "returned a record without a schema.". A few nanoseconds a record. REQUIRES: batch != nullptr.
  const char* find_breach(const dstream_batch* batch, uint32_t max_records);

 private:
  const char* find_record_breach(const dstream_record& record);
  const char* find_schema_breach(const dstream_schema* schema);

  // Schemas that have passed, so that a record costs one comparison: same id, same content.
  struct Passed {
    const dstream_schema* schema = nullptr;
    uint64_t id = 0;
    const dstream_column* columns = nullptr;
  };
  const bool check_values_;
  std::array<Passed, 64> passed_{};
};

}  // namespace dstream::core
