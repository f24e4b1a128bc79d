/* DStream plugin ABI, version 1.
 *
 * This header is the whole contract between the DStream host and a plugin. It
 * is plain C99 and depends on <stddef.h> and <stdint.h> only. A plugin is a
 * shared library that exports exactly one symbol, `dstream_plugin_v1`.
 *
 * Compatibility
 *   The major version is part of the symbol name. Within major version 1:
 *     - function tables never change; new calls arrive as new extensions;
 *     - dstream_value, dstream_bytes, dstream_field and dstream_error are
 *       frozen;
 *     - record, batch, message, delivery, column and schema may gain fields at the end. A reader
 *       checks the size or stride that the writer put in the struct before it
 *       reads a field newer than 1.0 (DSTREAM_HAS_FIELD);
 *     - enumerators are never renumbered. A reader treats a value it does not
 *       know as the documented default, never as undefined behaviour.
 *
 * Threads
 *   [worker]      The host calls one [worker] function of an instance at a
 *                 time. The OS thread may change between calls; the host
 *                 orders the calls (happens-before). No locks are needed.
 *   [any-thread]  May be called from any thread, at any time between create()
 *                 returning and destroy() being called, also while a [worker]
 *                 call runs.
 *   Different instances may be called at the same time. Host callbacks are
 *   all [any-thread] and never call back into the plugin.
 *
 * Memory
 *   The side that allocates frees. Strings are UTF-8. Pointers received as
 *   arguments are borrowed for the call, except where a comment says longer.
 *
 * Errors
 *   No C++ exception and no longjmp may cross this boundary.
 *
 * Manners
 *   A plugin lives in somebody else's process. It does not exit, abort on bad
 *   input, install signal handlers, write to stdout or stderr, change the
 *   locale, the environment or the working directory, or leave a thread
 *   running after destroy(). The library is never unloaded.
 */
#ifndef DSTREAM_ABI_H
#define DSTREAM_ABI_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#define DSTREAM_EXPORT __attribute__((visibility("default")))
#else
#define DSTREAM_EXPORT
#endif

#if defined(__cplusplus)
#define DSTREAM_NOEXCEPT noexcept
extern "C" {
#else
#define DSTREAM_NOEXCEPT
#endif

#define DSTREAM_ABI_MAJOR 1u
#define DSTREAM_ABI_MINOR 0u
#define DSTREAM_MAGIC 0x31525453u /* "STR1" */

/* Limits the host enforces; a plugin that exceeds one is misbehaving. */
#define DSTREAM_MAX_POSITION 65536u   /* bytes in one position */
#define DSTREAM_MAX_COLUMNS 4096u     /* columns in one schema */
#define DSTREAM_MAX_VALUE 0x40000000u /* bytes in one value: 1 GiB */

/* True if `ptr`, whose writer recorded `size` bytes, carries `field`. */
#define DSTREAM_HAS_FIELD(type, size, field) \
  ((size) >= offsetof(type, field) + sizeof(((type*)0)->field))

/* ---- results ------------------------------------------------------------ */

typedef int32_t dstream_status;
enum {
  DSTREAM_OK = 0,
  DSTREAM_AGAIN = 1,     /* nothing to do within the time given; not an error */
  DSTREAM_END = 2,       /* source: no more records will ever come */
  DSTREAM_CANCELLED = 3, /* request_stop() was seen */

  DSTREAM_RETRY = -1,     /* transient; the same call may be repeated */
  DSTREAM_REOPEN = -2,    /* connection lost; host calls close() then open() */
  DSTREAM_REJECTED = -3,  /* this record can never be delivered */
  DSTREAM_CONFIG = -4,    /* configuration is wrong; message names the field */
  DSTREAM_DENIED = -5,    /* authentication or authorisation failed */
  DSTREAM_DATA_LOSS = -6, /* the position asked for no longer exists upstream */
  DSTREAM_UNSUPPORTED = -7,
  DSTREAM_FATAL = -8 /* anything else; also the default for unknown codes */
};

/* Owned by the caller, filled by the callee; nothing to free. 1024 bytes. */
typedef struct dstream_error {
  uint32_t struct_size;    /* set by the caller */
  int32_t vendor_code;     /* e.g. SQL Server error number, rd_kafka_resp_err_t */
  uint32_t retry_after_ms; /* hint for RETRY and REOPEN; 0 = host's own back-off */
  char sqlstate[8];        /* "" if not applicable */
  char message[1004];      /* NUL-terminated, for an operator to read */
} dstream_error;

typedef struct dstream_bytes {
  const uint8_t* data;
  uint64_t size;
} dstream_bytes;

typedef struct dstream_field {
  const char* name; /* NUL-terminated */
  dstream_bytes value;
} dstream_field;

/* ---- values ------------------------------------------------------------- */

typedef uint8_t dstream_type;
enum {
  DSTREAM_NULL = 0,
  DSTREAM_ABSENT = 1, /* not captured (unchanged LOB, column not tracked) */
  DSTREAM_BOOL = 2,   /* as.i64 0 or 1 */
  DSTREAM_INT64 = 3,
  DSTREAM_UINT64 = 4,
  DSTREAM_FLOAT64 = 5,
  DSTREAM_DECIMAL = 6, /* ASCII "-?digits(.digits)?", exact */
  DSTREAM_STRING = 7,  /* UTF-8 */
  DSTREAM_BYTES = 8,
  DSTREAM_DATE = 9,          /* as.i64 days since 1970-01-01 */
  DSTREAM_TIME = 10,         /* as.i64 nanoseconds since midnight */
  DSTREAM_TIMESTAMP = 11,    /* as.time, no zone */
  DSTREAM_TIMESTAMP_TZ = 12, /* as.time, UTC instant plus original offset */
  DSTREAM_UUID = 13,         /* as.uuid, RFC 4122 byte order */
  DSTREAM_JSON = 14,         /* UTF-8 JSON text */
  DSTREAM_XML = 15           /* UTF-8 XML text */
};

/* 24 bytes. Frozen: this struct never grows. */
typedef struct dstream_value {
  dstream_type type;
  uint8_t reserved[3]; /* zero */
  uint32_t size;       /* bytes behind as.data for DECIMAL..BYTES, JSON, XML */
  union {
    int64_t i64;
    uint64_t u64;
    double f64;
    const uint8_t* data;
    struct {
      int64_t seconds;    /* since 1970-01-01T00:00:00, may be negative */
      int32_t nanos;      /* 0 .. 999999999 */
      int32_t offset_min; /* TIMESTAMP_TZ only */
    } time;
    uint8_t uuid[16];
  } as;
} dstream_value;

/* ---- schemas ------------------------------------------------------------ */

enum { DSTREAM_COLUMN_NULLABLE = 1u << 0, DSTREAM_COLUMN_KEY = 1u << 1 };

typedef struct dstream_column {
  const char* name;
  const char* source_type; /* as the source spells it: "decimal(18,4)" */
  dstream_type type;
  uint8_t reserved[3];
  uint32_t flags;
  int32_t precision; /* 0 if not applicable */
  int32_t scale;
} dstream_column;

typedef struct dstream_schema {
  uint32_t struct_size;
  uint32_t column_stride;
  uint64_t id; /* same id <=> same content, for the life of the process */
  const char* database;
  const char* name_space; /* SQL schema: "dbo" */
  const char* name;       /* table: "Orders" */
  const dstream_column* columns;
  uint32_t column_count;
  uint32_t key_count;
  const uint32_t* key_columns; /* indexes into columns, in key order */
} dstream_schema;

/* ---- records and batches ------------------------------------------------ */

typedef uint32_t dstream_op;
enum {
  DSTREAM_OP_SNAPSHOT = 1, /* row read by the initial copy: after */
  DSTREAM_OP_INSERT = 2,   /* after */
  DSTREAM_OP_UPDATE = 3,   /* after, and before if the source has it */
  DSTREAM_OP_DELETE = 4,   /* before */
  DSTREAM_OP_TRUNCATE = 5, /* neither */
  DSTREAM_OP_SCHEMA = 6,   /* neither; announces `schema` */
  DSTREAM_OP_WATERMARK = 7 /* position only; the host keeps it from sinks */
};

enum {
  DSTREAM_RECORD_TX_END = 1u << 0,      /* last record of its transaction */
  DSTREAM_RECORD_SNAPSHOT_END = 1u << 1 /* last record of the snapshot */
};

typedef struct dstream_record {
  dstream_op op;
  uint32_t flags;
  const dstream_schema* schema;
  const dstream_value* before; /* schema->column_count values, or NULL */
  const dstream_value* after;  /* schema->column_count values, or NULL */
  /* Resume token: a source opened at this position continues after this
   * record. Empty where the source cannot resume (inside a transaction). */
  dstream_bytes position;
  dstream_bytes transaction_id; /* may be empty */
  uint64_t transaction_seq;     /* 1-based order inside the transaction; 0 unknown */
  int64_t commit_time_ns;       /* Unix time at the source; 0 unknown */
  int64_t read_time_ns;         /* Unix time when the plugin read it */
  /* Facts about the change that are not columns. Names the host's formats know, all UTF-8 text:
   * "commit_lsn", "change_lsn" (log positions as the source spells them), "sequence" (order of the
   * change among those that share both), "snapshot" ("true"). Others become message headers. */
  const dstream_field* headers;
  uint32_t header_count;
  uint32_t reserved;
} dstream_record;

/* Immutable once returned by read(). */
typedef struct dstream_batch {
  uint32_t struct_size;
  uint32_t record_stride; /* sizeof(dstream_record) where the plugin was built */
  const dstream_record* records;
  uint32_t record_count;
  uint32_t reserved;
  uint64_t byte_size; /* memory held, for the host's queue limit */
  /* Called exactly once by the host when every record is settled. [any-thread] */
  void (*release)(struct dstream_batch* batch) DSTREAM_NOEXCEPT;
  void* plugin_data;
} dstream_batch;

/* Works on a batch and on a delivery. */
#define DSTREAM_RECORD_AT(owner, i) \
  ((const dstream_record*)((const char*)(owner)->records + (size_t)(owner)->record_stride * (i)))

/* ---- deliveries: what a sink is handed ------------------------------------ */

/* One encoded message, for sinks that set DSTREAM_CONNECTOR_MESSAGES. The host
 * has applied the pipeline's transforms, format and topic template. */
typedef struct dstream_message {
  const char* topic;   /* NUL-terminated */
  uint32_t topic_id;   /* dense from 0; same id <=> same topic, per instance */
  int32_t partition;   /* -1: the sink chooses, from the key */
  dstream_bytes key;   /* data NULL: no key */
  dstream_bytes value; /* data NULL: no value, a tombstone */
  const dstream_field* headers;
  uint32_t header_count;
  uint32_t record;      /* index into delivery->records */
  int64_t timestamp_ns; /* commit time at the source; 0 unknown */
} dstream_message;

/* `count` items in order. Items are messages if the connector asked for them,
 * else records; write(), accepted and settle() count items. Everything behind
 * the pointers stays valid until the last accepted item is settled. */
typedef struct dstream_delivery {
  uint32_t struct_size;
  uint32_t count;
  uint64_t id;
  const dstream_record* records;
  uint32_t record_stride;
  uint32_t record_count;
  const dstream_message* messages; /* NULL if not asked for */
  uint32_t message_stride;
  uint32_t reserved;
} dstream_delivery;

#define DSTREAM_MESSAGE_AT(delivery, i)                         \
  ((const dstream_message*)((const char*)(delivery)->messages + \
                            (size_t)(delivery)->message_stride * (i)))

/* ---- host --------------------------------------------------------------- */

typedef int32_t dstream_log_level;
enum {
  DSTREAM_LOG_TRACE = 0,
  DSTREAM_LOG_DEBUG = 1,
  DSTREAM_LOG_INFO = 2,
  DSTREAM_LOG_WARN = 3,
  DSTREAM_LOG_ERROR = 4
};

/* One per instance; valid until destroy() returns. */
typedef struct dstream_host {
  uint32_t struct_size;
  uint32_t abi_minor; /* newest minor version the host implements */
  void* host_data;
  const char* name;
  const char* version;
  /* Level below which log() does nothing; lets callers skip formatting. */
  dstream_log_level (*log_level)(const struct dstream_host* host) DSTREAM_NOEXCEPT;
  void (*log)(const struct dstream_host* host, dstream_log_level level, const char* message,
              const dstream_field* fields, uint32_t field_count) DSTREAM_NOEXCEPT;
  /* Sinks: settles items [first, first+count) of a delivery given to write().
   * result is OK, RETRY or REJECTED. Each item is settled exactly once, in any
   * order. After the last one the delivery may be gone when this returns. */
  void (*settle)(const struct dstream_host* host, uint64_t delivery_id, uint32_t first,
                 uint32_t count, dstream_status result,
                 const dstream_error* error) DSTREAM_NOEXCEPT;
  /* NULL if the host does not know `id`. Valid until destroy() returns. */
  const void* (*get_extension)(const struct dstream_host* host, const char* id)DSTREAM_NOEXCEPT;
} dstream_host;

/* ---- source ------------------------------------------------------------- */

typedef struct dstream_source dstream_source; /* defined by the plugin */

typedef struct dstream_source_api {
  uint32_t struct_size;
  uint32_t reserved;
  /* `config` is JSON text that satisfies config_schema, defaults filled in.
   * Must not do I/O. [worker] */
  dstream_status (*create)(const dstream_host* host, const char* config, dstream_source** out,
                           dstream_error* error) DSTREAM_NOEXCEPT;
  /* Connects. An empty position means the beginning. [worker] */
  dstream_status (*open)(dstream_source* self, dstream_bytes position,
                         dstream_error* error) DSTREAM_NOEXCEPT;
  /* Returns a batch of 1..max_records records with OK, or AGAIN, END,
   * CANCELLED or an error without one. Returns within max_wait_ms plus a
   * second, and never waits for a commit. [worker] */
  dstream_status (*read)(dstream_source* self, uint32_t max_records, uint32_t max_wait_ms,
                         dstream_batch** out, dstream_error* error) DSTREAM_NOEXCEPT;
  /* `position` and everything before it is delivered *and* durably recorded
   * by the host: the source may tell its upstream. Positions arrive in
   * emission order; the last settled one always arrives before a clean
   * close(). May be NULL. [worker] */
  dstream_status (*commit)(dstream_source* self, dstream_bytes position,
                           dstream_error* error) DSTREAM_NOEXCEPT;
  /* Makes a running or later open()/read() return CANCELLED soon. Sticky
   * until close(). [any-thread] */
  void (*request_stop)(dstream_source* self) DSTREAM_NOEXCEPT;
  /* Disconnects; open() may follow. Unreleased batches stay valid. [worker] */
  void (*close)(dstream_source* self) DSTREAM_NOEXCEPT;
  void (*destroy)(dstream_source* self) DSTREAM_NOEXCEPT; /* [worker] */
  const void* (*get_extension)(dstream_source* self,
                               const char* id)DSTREAM_NOEXCEPT; /* may be NULL; [worker] */
} dstream_source_api;

/* ---- sink --------------------------------------------------------------- */

typedef struct dstream_sink dstream_sink; /* defined by the plugin */

typedef struct dstream_sink_api {
  uint32_t struct_size;
  uint32_t reserved;
  dstream_status (*create)(const dstream_host* host, const char* config, dstream_sink** out,
                           dstream_error* error) DSTREAM_NOEXCEPT;
  dstream_status (*open)(dstream_sink* self, dstream_error* error) DSTREAM_NOEXCEPT;
  /* Takes items [first, delivery->count) for delivery, as many as it has room
   * for, and sets *accepted. Does not wait for delivery. AGAIN with *accepted
   * short of the end means: full, call poll() and try again. [worker] */
  dstream_status (*write)(dstream_sink* self, const dstream_delivery* delivery, uint32_t first,
                          uint32_t* accepted, dstream_error* error) DSTREAM_NOEXCEPT;
  /* Serves delivery reports for at most max_wait_ms. May be NULL if the sink
   * settles from its own threads. [worker] */
  dstream_status (*poll)(dstream_sink* self, uint32_t max_wait_ms,
                         dstream_error* error) DSTREAM_NOEXCEPT;
  /* Sends whatever is held back by batching; settles what it can within
   * max_wait_ms. OK if nothing is in flight any more, else AGAIN. [worker] */
  dstream_status (*flush)(dstream_sink* self, uint32_t max_wait_ms,
                          dstream_error* error) DSTREAM_NOEXCEPT;
  void (*request_stop)(dstream_sink* self) DSTREAM_NOEXCEPT; /* [any-thread] */
  /* Disconnects. No settle() for earlier writes may follow. [worker] */
  void (*close)(dstream_sink* self) DSTREAM_NOEXCEPT;
  void (*destroy)(dstream_sink* self) DSTREAM_NOEXCEPT; /* [worker] */
  const void* (*get_extension)(dstream_sink* self,
                               const char* id)DSTREAM_NOEXCEPT; /* may be NULL; [worker] */
} dstream_sink_api;

/* ---- plugin ------------------------------------------------------------- */

enum {
  DSTREAM_CONNECTOR_MESSAGES = 1u << 0 /* sink: items are encoded messages */
};

typedef struct dstream_connector {
  uint32_t struct_size;
  uint32_t flags;
  const char* id;                   /* "sqlserver-cdc": unique, [a-z0-9-.] */
  const char* version;              /* of the connector, semantic version */
  const char* summary;              /* one sentence */
  const char* config_schema;        /* JSON Schema (draft-07) text for `config` */
  const dstream_source_api* source; /* exactly one of source and sink is set */
  const dstream_sink_api* sink;
} dstream_connector;

typedef struct dstream_plugin {
  uint32_t magic; /* DSTREAM_MAGIC */
  uint32_t struct_size;
  uint32_t abi_minor;        /* DSTREAM_ABI_MINOR where the plugin was built */
  uint32_t abi_minor_needed; /* oldest host minor version that will do */
  const char* name;
  const char* vendor;
  const char* license;
  const char* build; /* free text for support: compiler, SDK version */
  const dstream_connector* const* connectors;
  uint32_t connector_count;
  uint32_t reserved;
} dstream_plugin;

/* The one exported symbol: constant data, so the host can check magic, size
 * and version before it runs any code of the plugin. */
DSTREAM_EXPORT extern const dstream_plugin dstream_plugin_v1;

/* ---- extensions known to 1.0 -------------------------------------------- */

#define DSTREAM_EXT_METRICS "dstream.metrics/1"
typedef struct dstream_metrics {
  /* Registers once; kind 0 counter, 1 gauge, 2 histogram. 0 if refused. */
  uint64_t (*define)(const dstream_host* host, const char* name, uint32_t kind, const char* unit,
                     const char* help) DSTREAM_NOEXCEPT;
  void (*record)(const dstream_host* host, uint64_t metric,
                 double value) DSTREAM_NOEXCEPT; /* lock-free */
} dstream_metrics;

#define DSTREAM_EXT_CONFIG "dstream.config/1"
typedef struct dstream_config {
  /* Looks up a scalar of the instance's config by JSON Pointer; DECIMAL is
   * never returned. The value is valid until destroy() returns. */
  dstream_status (*get)(const dstream_host* host, const char* json_pointer,
                        dstream_value* out) DSTREAM_NOEXCEPT;
} dstream_config;

#define DSTREAM_EXT_PROBE "dstream.probe/1"
typedef struct dstream_probe { /* plugin side: `dstream check` */
  dstream_status (*probe)(void* self, dstream_error* error) DSTREAM_NOEXCEPT;
} dstream_probe;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* DSTREAM_ABI_H */
