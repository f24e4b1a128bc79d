// The state of a host for people: one line a pipeline, what it copies, and what is wrong.
//
// Thread rule: plain functions.
#pragma once

#include <cstdint>
#include <string>

#include "core/config/json_text.h"

namespace dstream::host {

// "340 ms", "12 s", "5 min", "3 h 20 min", "2 d 4 h".
std::string duration_text(int64_t ms);
// "512 B", "1.5 KiB", "64.0 MiB".
std::string size_text(uint64_t bytes);
// "1,234,567"
std::string count_text(uint64_t count);

// `status` is the answer of GET /status. Texts have no control characters.
std::string status_text(const core::JsonObject& status);

}  // namespace dstream::host
