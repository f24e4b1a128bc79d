// The format of records that are messages already: each is passed on as it is.
//
// A record's row, or for a deletion the row before, has the columns topic (text), key and value
// (bytes or null) and partition (a number, -1: the sink chooses). The message's headers are those
// of the record, its time is the record's commit time. `dstream replay` reads dead letters so; no
// configuration names it.
//
// Thread rule: as Encoder.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/messages/encoder.h"

namespace dstream::core {

inline constexpr const char* kPassedMessageFormat = "passed-message";

class PassedMessageEncoder final : public Encoder {
 public:
  enum Column { kTopic, kKey, kValue, kPartition, kColumns };

  // Errors: DS-ENCODE-ROW for a record that has other columns.
  Result<void> encode(const dstream_record& record, uint32_t record_index, Arena& arena,
                      std::vector<dstream_message>& out) override;

 private:
  std::map<std::string, uint32_t, std::less<>> topic_ids_;  // its keys are the topic names
};

}  // namespace dstream::core
