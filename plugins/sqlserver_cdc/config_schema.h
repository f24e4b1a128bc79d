// The configuration of sqlserver-cdc as JSON Schema: what the host checks, documents and prints.
#pragma once

namespace dstream::sqlserver {

inline constexpr char kConfigSchema[] = R"json({
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
      "description": "sqlserver://user:password@host:port?database=db, or an ODBC connection string. Special characters in a URL are percent-encoded. Options of the URL: encrypt (yes, no, strict; default yes), trust_server_certificate (yes, no; default no), application_intent (ReadWrite, ReadOnly), packet_size (512 to 32767), driver (name of an installed ODBC driver; default msodbcsql18, else FreeTDS).",
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
                "description": "The capture instance to read, if the table has two. Default: the newest one that still has everything from the position on."
              }
            }
          }
        ]
      }
    },
    "poll_interval": {
      "$ref": "#/definitions/duration",
      "default": "1s",
      "description": "Time between two looks at a group of tables while changes keep coming. Tables with the same intervals form a group and are delivered in commit order. SQL Server's capture job itself looks at the log every 5 seconds unless set otherwise."
    },
    "max_poll_interval": {
      "$ref": "#/definitions/duration",
      "description": "The interval doubles up to this while nothing changes, and is back at poll_interval with the first change. Default: five times poll_interval."
    },
    "start": {
      "type": "string",
      "enum": ["oldest"],
      "default": "oldest",
      "description": "Where a table without a stored position begins: at its oldest captured change."
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
    "login_timeout": {
      "$ref": "#/definitions/duration",
      "default": "10s",
      "description": "How long connecting may take. Whole seconds."
    },
    "query_timeout": {
      "$ref": "#/definitions/duration",
      "default": "30s",
      "description": "How long one statement may take until its first row, and between rows. Whole seconds."
    }
  }
})json";

}  // namespace dstream::sqlserver
