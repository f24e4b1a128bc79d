// The configuration of sqlserver-cdc as JSON Schema: what the host checks, documents and prints.
#pragma once

namespace dstream::sqlserver {

inline constexpr char kConfigSchema[] =
    R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "title": "sqlserver-cdc",
  "description": "Reads the changes that SQL Server Change Data Capture has recorded.",
  "type": "object",
  "required": ["connection", "tables"],
  "additionalProperties": false,
  "definitions": {
    "duration": {
      "type": "string",
      "pattern": "^[0-9]{1,9}(ms|s|m|h|d)$",
      "examples": ["250ms", "5s", "2m"]
    },
    "table_name": {
      "type": "string",
      "minLength": 3,
      "maxLength": 1030,
      "description": "schema.table; a part with other characters in brackets: [my schema].[a.b].",
      "examples": ["dbo.Persons"]
    }
  },
  "properties": {
    "connection": {
      "type": "string",
      "minLength": 1,
      "x-secret": true,
      "description": "sqlserver://user:password@host:port?database=db, or an ODBC )json"
    R"json(connection string. Special characters in a URL are percent-encoded. )json"
    R"json(Options of the URL: )json"
    R"json(encrypt (yes, no, strict; default yes), trust_server_certificate )json"
    R"json((yes, no; default no), failover_partner (host:port of the other servers of an )json"
    R"json(availability group, with commas), )json"
    R"json(application_intent (ReadWrite, ReadOnly), packet_size (512 to )json"
    R"json(32767), driver (name of )json"
    R"json(an installed ODBC driver; default msodbcsql18, else FreeTDS).",
      "examples": ["sqlserver://cdc_reader:secret@db.example.com:1433?database=shop"]
    },
    "tables": {
      "type": "array",
      "minItems": 1,
      "maxItems": 1000,
      "description": "The tables to read. Each must be captured (sys.sp_cdc_enable_table).",
      "items": {
        "oneOf": [
          {"$ref": "#/definitions/table_name"},
          {
            "type": "object",
            "required": ["name"],
            "additionalProperties": false,
            "properties": {
              "name": {"$ref": "#/definitions/table_name"},
              "poll_interval": {
                "$ref": "#/definitions/duration",
                "description": "As poll_interval above, for this table."
              },
              "max_poll_interval": {
                "$ref": "#/definitions/duration",
                "description": "As max_poll_interval above, for this table."
              },
              "capture_instance": {
                "type": "string",
                "minLength": 1,
                "maxLength": 400,
                "description": "The capture instance to read, if the table has two. )json"
    R"json(Default: the newest one that still has everything from the position on."
              }
            }
          }
        ]
      }
    },
    "poll_interval": {
      "$ref": "#/definitions/duration",
      "default": "1s",
      "description": "Time between two looks at a group of tables while changes keep )json"
    R"json(coming. Tables with the same intervals form a group and are )json"
    R"json(delivered in commit order. )json"
    R"json(SQL Server's capture job itself looks at the log every 5 seconds unless set otherwise."
    },
    "max_poll_interval": {
      "$ref": "#/definitions/duration",
      "description": "The interval doubles up to this while nothing changes, and is )json"
    R"json(back at poll_interval with the first change. Default: five times poll_interval."
    },
    "poll": {
      "type": "string",
      "enum": ["interval", "adaptive"],
      "default": "interval",
      "description": "When to look. adaptive: just after the next scan of the capture )json"
    R"json(job, where scans have a rhythm and the login may see it (VIEW DATABASE STATE); )json"
    R"json(never more looks than with interval."
    },
    "snapshot": {
      "type": "string",
      "enum": ["initial", "never", "only", "when_gap"],
      "default": "initial",
      "description": "Which tables are copied, beside their changes. initial: those without a )json"
    R"json(stored position. never: none; a table without a position begins at its oldest )json"
    R"json(captured change. only: as initial, and the pipeline ends when the copies are )json"
    R"json(consistent. when_gap: as initial, and a table whose changes were cleaned up )json"
    R"json(before they were read is truncated and copied anew instead of being data loss, )json"
    R"json(as on_data_loss: resnapshot of the pipeline says, too."
    },
    "capture_instances": {
      "type": "string",
      "enum": ["follow", "manage"],
      "default": "follow",
      "description": "follow: of several capture instances the newest is read, each )json"
    R"json(from where it begins. manage: also creates one when the columns of a table have )json"
    R"json(changed, and drops the old one when all of it is delivered; needs db_owner."
    },
    "connections": {
      "type": "integer",
      "minimum": 1,
      "maximum": 32,
      "default": 4,
      "description": "Connections to the server at most. The first one does everything while )json"
    R"json(it keeps up; further ones are open only while several tables have much to read or )json"
    R"json(tables are copied. With 1 a copy has a second one all the same."
    },
    "page_rows": {
      "type": "integer",
      "minimum": 1,
      "maximum": 1000000,
      "default": 10000,
      "description": "Rows asked for by one statement, at most."
    },
    "read_ahead_bytes": {
      "type": "integer",
      "minimum": 1048576,
      "maximum": 1073741824,
      "default": 16777216,
      "description": "Memory for pages that were read but not handed on yet, in bytes."
    },
    "value_bytes_max": {
      "type": "integer",
      "minimum": 1024,
      "maximum": 1073741824,
      "default": 16777216,
      "description": "Largest value of a (max) type, text, ntext, image or xml, in bytes as )json"
    R"json(the server sends it (text: two a character). A larger one stops the pipeline."
    },
    "clr_types": {
      "type": "string",
      "enum": ["bytes", "text"],
      "default": "bytes",
      "description": "How hierarchyid, geography and geometry come: as the bytes SQL Server )json"
    R"json(stores, or as the text of their ToString(): /1/2/, POINT (1 2)."
    },
    "login_timeout": {
      "$ref": "#/definitions/duration",
      "default": "10s",
      "description": "How long connecting may take. Whole seconds."
    },
    "query_timeout": {
      "$ref": "#/definitions/duration",
      "default": "30s",
      "description": "How long one statement may take until its first row, and between )json"
    R"json(rows. Whole seconds."
    }
  }
})json";

}  // namespace dstream::sqlserver
