// A message as one line of text, for sinks that people read.
//
// Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dstream/abi.h"

namespace message_lines {

// Appends the message as one JSON object and a line feed:
//
//   {"topic":"shop.dbo.Persons","key":{"Id":1},"headers":{"ce_id":"..."},
//    "timestamp":"2026-11-23T07:40:00.123Z","value":{...}}
//
// A key or value that is JSON stands there as it is; other text is a string named "key_text" or
// "value_text", other bytes are base64, named "key_base64" or "value_base64". No key, a tombstone
// and an unknown time are null; headers, and a partition that
// is not the sink's choice ("partition":3), are left out where there are none.
void append_json_line(const dstream_message& message, std::string* out);

// "insert", "update", ..., "tombstone" for a message without a value.
std::string_view op_word(dstream_op op, const dstream_message& message);

// "2026-11-23T07:40:00.123Z"; milliseconds.
void append_time(int64_t unix_ns, std::string* out);

// The inside of a JSON string. REQUIRES: valid UTF-8.
void append_escaped(std::string_view text, std::string* out);

}  // namespace message_lines
