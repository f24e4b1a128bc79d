#include "console_sink.h"

namespace {

constexpr char kSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "output": {
      "type": "string", "enum": ["text", "json"], "default": "text",
      "description": "text: time, topic, operation, key and value on a line, for )json"
                           R"json(people. json: one JSON object a line, for programs."
    },
    "color": {
      "type": "string", "enum": ["auto", "always", "never"], "default": "auto",
      "description": "auto: only on a terminal, and not if NO_COLOR is set."
    },
    "value_bytes_max": {
      "type": "integer", "minimum": 0, "maximum": 1073741824, "default": 0,
      "description": "text only: longer values are cut there. 0: never."
    }
  }
})json";

}  // namespace

DSTREAM_PLUGIN("console", "DStream", "MIT",
               dstream::message_sink<console::ConsoleSink>("console", "1.0.0",
                                                           "Prints messages on standard output.",
                                                           kSchema));
