#include "file_sink.h"

namespace {

constexpr char kSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "additionalProperties": false,
  "required": ["path"],
  "properties": {
    "path": {
      "type": "string", "minLength": 1, "maxLength": 4096,
      "description": "The file, one JSON object a line. With {topic} in it every )json"
                           R"json(topic has its own. Folders are made."
    },
    "rotate_size": {
      "type": "string", "format": "size", "x-minimum": "0B", "x-maximum": )json"
                           R"json("1024GiB", "default": "256MiB",
      "description": "A file of this size gets its time into its name and a new one )json"
                           R"json(is begun. 0B: not by size."
    },
    "rotate_age": {
      "type": "string", "format": "duration", "x-minimum": "0s", "x-maximum": )json"
                           R"json("8760h", "default": "24h",
      "description": "The same for a file of this age. 0s: not by age."
    }
  }
})json";

}  // namespace

DSTREAM_PLUGIN("file", "DStream", "MIT",
               dstream::message_sink<file_sink::FileSink>(
                   "file", "1.0.0", "Writes messages to files, one JSON object a line.", kSchema));
