/* DStream plugin ABI, version 1.
 *
 * This header is the whole contract between the DStream host and a plugin. It is plain C99 and
 * depends on <stddef.h> and <stdint.h> only. A plugin is a shared library that exports exactly one
 * symbol, `dstream_plugin_v1`: constant data that describes its connectors. A connector is a source
 * (reads changes somewhere) or a sink (delivers them somewhere); the host makes instances of it,
 * one or more for each pipeline of its configuration.
 *
 *   create() -> open() -> read() ... commit() ...        -> close() -> [open() ...] -> destroy()
 *   create() -> open() -> write() ... poll() ... flush() -> close() -> [open() ...] -> destroy()
 *
 * C++ authors use dstream/plugin.hpp, which makes the tables below from an ordinary class.
 *
 * Compatibility
 *   The major version is part of the symbol name. Within major version 1:
 *     - function tables never change; new calls arrive as new extensions, by id;
 *     - dstream_value, dstream_bytes, dstream_field and dstream_error are frozen;
 *     - record, batch, message, delivery, column and schema may gain fields at the end. A reader
 *       walks arrays by the stride their writer gave (DSTREAM_RECORD_AT, DSTREAM_MESSAGE_AT) and
 *       checks the recorded size or stride before it reads a field newer than 1.0
 *       (DSTREAM_HAS_FIELD);
 *     - enumerators are never renumbered or reused. A reader treats a value it does not know as
 *       the documented default, never as undefined behaviour.
 *   Do not change any value or the order of any field: released plugins depend on them.
 *
 * Threads
 *   [worker]      The host calls one [worker] function of an instance at a time. The thread may
 *                 change between calls; the host orders the calls (happens-before). A plugin needs
 *                 no locks for them.
 *   [any-thread]  May be called from any thread, at any time between create() returning and
 *                 destroy() being called, also while a [worker] call runs.
 *   Different instances may be called at the same time: keep no mutable globals. Host callbacks are
 *   all [any-thread] and never call back into the plugin.
 *
 * Memory
 *   The side that allocates frees. Strings are UTF-8 and NUL-terminated where they are char*.
 *   Pointers received as arguments are borrowed for the call, except where a comment says longer.
 *
 * Errors
 *   A call returns a status and, when it is negative, fills the dstream_error it was given. No C++
 *   exception and no longjmp may cross this boundary. Any call may be given a NULL dstream_error.
 *
 * Manners
 *   A plugin lives in somebody else's process. It does not exit, abort on bad input, install signal
 *   handlers, write to stdout or stderr (unless that is what the connector is for), change the
 *   locale, the environment or the working directory, or leave a thread running after destroy().
 *   Nothing happens in constructors of the library. The library is never unloaded.
 *
 * What the host does about a breach
 *   It checks what comes back. A result it cannot use (a batch with a wrong stride, a record
 * settled twice, more accepted than offered) fails the pipeline with FATAL and names the plugin;
 * calls that overrun their time are counted and logged. Positions that were made durable stay
 * right.
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

/* True if a struct whose writer recorded `size` bytes for it carries `field`. */
#define DSTREAM_HAS_FIELD(type, size, field) \
  ((size) >= offsetof(type, field) + sizeof(((type*)0)->field))

/* ---- results ------------------------------------------------------------ */

/* What a call came to. Zero and positive values are no errors; each function says which of them it
 * may return. Negative values tell the host what to do; any call may return them, except REJECTED,
 * which is a result of settle() only. An unknown value counts as FATAL. */
typedef int32_t dstream_status;
enum {
  DSTREAM_OK = 0,
  DSTREAM_AGAIN = 1,     /* nothing to do within the time given, or full: call again */
  DSTREAM_END = 2,       /* source: no more records will ever come; the pipeline drains and stops */
  DSTREAM_CANCELLED = 3, /* request_stop() was seen */

  DSTREAM_RETRY = -1,     /* transient: the host waits, then makes the same call again */
  DSTREAM_REOPEN = -2,    /* connection lost: close(), wait, open() at the last checkpoint */
  DSTREAM_REJECTED = -3,  /* this item can never be delivered; dead letter or stop */
  DSTREAM_CONFIG = -4,    /* configuration is wrong; message starts with the key: "/topic: ..." */
  DSTREAM_DENIED = -5,    /* credentials refused: retried for minutes (keys rotate), then failed */
  DSTREAM_DATA_LOSS = -6, /* the position asked for no longer exists upstream; policy decides */
  DSTREAM_UNSUPPORTED = -7, /* the other side, or this build, cannot do it; the pipeline fails */
  DSTREAM_FATAL = -8        /* anything else; the pipeline fails */
};

/* Owned by the caller, filled by the callee with a negative status; nothing to free. Write only if
 * struct_size is at least what you know. 1024 bytes. */
typedef struct dstream_error {
  uint32_t struct_size;    /* set by the caller */
  int32_t vendor_code;     /* the other side's number: SQL Server error, rd_kafka_resp_err_t */
  uint32_t retry_after_ms; /* hint for RETRY and REOPEN; 0 = host's own back-off */
  char sqlstate[8];        /* "" if not applicable */
  char message[1004];      /* one sentence for an operator: what failed, where; no secrets */
} dstream_error;

/* Borrowed bytes; data may be NULL if size is 0. */
typedef struct dstream_bytes {
  const uint8_t* data;
  uint64_t size;
} dstream_bytes;

typedef struct dstream_field {
  const char* name; /* NUL-terminated, not empty */
  dstream_bytes value;
} dstream_field;

/* ---- values ------------------------------------------------------------- */

/* What a value is and which member of dstream_value carries it. A reader that does not know a type
 * treats the value as ABSENT. */
typedef uint8_t dstream_type;
enum {
  DSTREAM_NULL = 0,
  DSTREAM_ABSENT = 1,  /* not captured: unchanged LOB, column not tracked. Not the same as NULL */
  DSTREAM_BOOL = 2,    /* as.i64: 0 or 1 */
  DSTREAM_INT64 = 3,   /* as.i64 */
  DSTREAM_UINT64 = 4,  /* as.u64 */
  DSTREAM_FLOAT64 = 5, /* as.f64 */
  DSTREAM_DECIMAL = 6, /* as.data: ASCII "-?digits(.digits)?", exact, with the column's scale */
  DSTREAM_STRING = 7,  /* as.data: UTF-8 */
  DSTREAM_BYTES = 8,   /* as.data */
  DSTREAM_DATE = 9,    /* as.i64: days since 1970-01-01, may be negative */
  DSTREAM_TIME = 10,   /* as.i64: nanoseconds since midnight, below 24 hours */
  DSTREAM_TIMESTAMP = 11,    /* as.time: the source's wall clock, no zone */
  DSTREAM_TIMESTAMP_TZ = 12, /* as.time: UTC instant plus the offset it was written with */
  DSTREAM_UUID = 13,         /* as.uuid: RFC 4122 byte order, as its text reads */
  DSTREAM_JSON = 14,         /* as.data: UTF-8 JSON text */
  DSTREAM_XML = 15           /* as.data: UTF-8 XML text */
};

/* One column of one row. 24 bytes. Frozen: this struct never grows. */
typedef struct dstream_value {
  dstream_type type;
  uint8_t reserved[3]; /* zero */
  uint32_t size;       /* bytes behind as.data for DECIMAL, STRING, BYTES, JSON, XML */
  union {
    int64_t i64;
    uint64_t u64;
    double f64;
    const uint8_t* data; /* not NULL if size > 0; no NUL at the end */
    struct {
      int64_t seconds;    /* since 1970-01-01T00:00:00, may be negative: years 1 to 9999 fit */
      int32_t nanos;      /* 0 .. 999999999 */
      int32_t offset_min; /* TIMESTAMP_TZ only: minutes east of UTC */
    } time;
    uint8_t uuid[16];
  } as;
} dstream_value;

/* ---- schemas ------------------------------------------------------------ */

enum {
  DSTREAM_COLUMN_NULLABLE = 1u << 0,
  DSTREAM_COLUMN_KEY = 1u << 1,
  /* The database computes it, and changes do not hold it: ABSENT in each of them. */
  DSTREAM_COLUMN_COMPUTED = 1u << 2,
  /* The table no longer has it, though changes still do: what was written before it was dropped has
   * its value, what was written since has NULL. */
  DSTREAM_COLUMN_DROPPED = 1u << 3
};

typedef struct dstream_column {
  const char* name;        /* not empty */
  const char* source_type; /* as the source spells it: "decimal(18,4)"; may be "" */
  dstream_type type;       /* of its values, when they are neither NULL nor ABSENT */
  uint8_t reserved[3];     /* zero */
  uint32_t flags;          /* DSTREAM_COLUMN_*; unknown bits are ignored */
  int32_t precision;       /* of decimals and times; 0 if not applicable */
  int32_t scale;
} dstream_column;

/* A table as it was when a record was made. Shared by all records of that shape and immutable. The
 * source keeps it, and everything it points to, until every batch that refers to it is released. */
typedef struct dstream_schema {
  uint32_t struct_size;
  uint32_t column_stride; /* sizeof(dstream_column) where the plugin was built */
  /* Same id <=> same content, among all schemas of the plugin library, for the life of the process.
   * Readers cache by it what they derive from a schema. A changed table gets a new id. */
  uint64_t id;
  const char* database;   /* "" if there is none; never NULL */
  const char* name_space; /* SQL schema: "dbo"; "" if there is none */
  const char* name;       /* table: "Orders" */
  const dstream_column* columns;
  uint32_t column_count;       /* at most DSTREAM_MAX_COLUMNS */
  uint32_t key_count;          /* 0: no key is known */
  const uint32_t* key_columns; /* indexes into columns, in key order */
} dstream_schema;

/* ---- records and batches ------------------------------------------------ */

/* What happened, and which images the record carries. Those not named are NULL. */
typedef uint32_t dstream_op;
enum {
  DSTREAM_OP_SNAPSHOT = 1, /* row read by the initial copy: after */
  DSTREAM_OP_INSERT = 2,   /* after */
  DSTREAM_OP_UPDATE = 3,   /* after, and before if the source has it */
  DSTREAM_OP_DELETE = 4,   /* before */
  DSTREAM_OP_TRUNCATE = 5, /* neither */
  DSTREAM_OP_SCHEMA = 6,   /* neither; announces `schema` */
  DSTREAM_OP_WATERMARK = 7 /* neither, and schema may be NULL: a position without a change, so that
                              checkpoints advance on quiet tables; the host keeps it from sinks */
};

/* Flags of a record; unknown bits are ignored. */
enum {
  DSTREAM_RECORD_TX_END = 1u << 0,      /* last record of its transaction */
  DSTREAM_RECORD_SNAPSHOT_END = 1u << 1 /* last record of the snapshot */
};

/* One change. Order of records is order of changes at the source. */
typedef struct dstream_record {
  dstream_op op;
  uint32_t flags;
  const dstream_schema* schema;
  const dstream_value* before; /* schema->column_count values, or NULL */
  const dstream_value* after;  /* schema->column_count values, or NULL */
  /* Resume token: a source opened at this position continues after this record. Opaque to the host,
   * at most DSTREAM_MAX_POSITION bytes; best readable text with a version in it. It must be enough:
   * the host keeps nothing else. Empty where the source cannot resume (inside a transaction). */
  dstream_bytes position;
  dstream_bytes transaction_id; /* may be empty */
  uint64_t transaction_seq;     /* 1-based order inside the transaction; 0 unknown */
  int64_t commit_time_ns;       /* Unix time at the source; 0 unknown */
  int64_t read_time_ns;         /* Unix time when the plugin read it */
  /* Facts about the change that are not columns. Names the host's formats know, all UTF-8 text:
   * "commit_lsn", "change_lsn" (log positions as the source spells them), "sequence" (order of the
   * change among those that share both), "snapshot" ("true"), "ddl" (of SCHEMA: the statement that
   * changed the table). Others become message headers. */
  const dstream_field* headers;
  uint32_t header_count;
  uint32_t reserved; /* zero */
} dstream_record;

/* What read() returns: records in order, and everything they point to, except schemas. Immutable
 * once returned. Best at 1 MiB or 1000 records: larger ones fall out of the processor's caches. */
typedef struct dstream_batch {
  uint32_t struct_size;
  uint32_t record_stride; /* sizeof(dstream_record) where the plugin was built; a multiple of 8 */
  const dstream_record* records;
  uint32_t record_count;
  uint32_t reserved;  /* zero */
  uint64_t byte_size; /* memory held, for the host's byte budget */
  /* Called exactly once by the host, when it needs the batch no more: after its last record is
   * settled, or when the pipeline stops. May come after close(), never after destroy().
   * [any-thread] */
  void (*release)(struct dstream_batch* batch) DSTREAM_NOEXCEPT;
  void* plugin_data; /* for the plugin; the host does not touch it */
} dstream_batch;

/* Record `i` of a batch or of a delivery. */
#define DSTREAM_RECORD_AT(owner, i) \
  ((const dstream_record*)((const char*)(owner)->records + (size_t)(owner)->record_stride * (i)))

/* ---- deliveries: what a sink is handed ------------------------------------ */

/* One encoded message, for sinks that set DSTREAM_CONNECTOR_MESSAGES. The host has applied the
 * pipeline's transforms, format, topic template and key. */
typedef struct dstream_message {
  const char* topic;   /* NUL-terminated */
  uint32_t topic_id;   /* dense from 0; same id <=> same topic, per instance: index an array */
  int32_t partition;   /* -1: the sink chooses, from the key */
  dstream_bytes key;   /* data NULL: no key */
  dstream_bytes value; /* data NULL: no value, a tombstone. Not the same as an empty value */
  const dstream_field* headers;
  uint32_t header_count;
  uint32_t record;      /* index into delivery->records of the change it came from */
  int64_t timestamp_ns; /* commit time at the source; 0 unknown */
} dstream_message;

/* `count` items in order. Items are messages if the connector asked for them, else records;
 * write(), accepted and settle() count items. Everything behind the pointers, the struct itself
 * included, stays valid and unchanged until the last accepted item is settled or close() returns:
 * a sink keeps pointers and copies nothing. */
typedef struct dstream_delivery {
  uint32_t struct_size;
  uint32_t count;
  uint64_t id; /* for settle(); unique for the life of the instance */
  const dstream_record* records;
  uint32_t record_stride;
  uint32_t record_count;
  const dstream_message* messages; /* NULL if not asked for */
  uint32_t message_stride;
  uint32_t reserved; /* zero */
} dstream_delivery;

#define DSTREAM_MESSAGE_AT(delivery, i)                         \
  ((const dstream_message*)((const char*)(delivery)->messages + \
                            (size_t)(delivery)->message_stride * (i)))

/* ---- host --------------------------------------------------------------- */

/* ERROR only if an operator must act, WARN if something unexpected happened but nothing is lost,
 * INFO for start, stop and changes of state, DEBUG for the curious. Nothing per record. */
typedef int32_t dstream_log_level;
enum {
  DSTREAM_LOG_TRACE = 0,
  DSTREAM_LOG_DEBUG = 1,
  DSTREAM_LOG_INFO = 2,
  DSTREAM_LOG_WARN = 3,
  DSTREAM_LOG_ERROR = 4
};

/* The host as one instance sees it. Valid from create() until destroy() returns. Every function is
 * [any-thread]. */
typedef struct dstream_host {
  uint32_t struct_size;
  uint32_t abi_minor; /* newest minor version the host implements */
  void* host_data;    /* for the host */
  const char* name;   /* for logs and user agents: "dstream" */
  const char* version;
  /* Level below which log() does nothing; lets callers skip formatting. */
  dstream_log_level (*log_level)(const struct dstream_host* host) DSTREAM_NOEXCEPT;
  /* `message` is a sentence; what varies goes into fields. The host adds pipeline and plugin. */
  void (*log)(const struct dstream_host* host, dstream_log_level level, const char* message,
              const dstream_field* fields, uint32_t field_count) DSTREAM_NOEXCEPT;
  /* Sinks: settles items [first, first+count) of a delivery given to write(). Each accepted item is
   * settled exactly once, in any order, from any thread, also before write() has returned.
   *   OK        delivered, for good
   *   RETRY     not delivered, but may be: the host closes, opens and writes again from the lowest
   *             item that is not settled OK, so that the order per key is kept
   *   REJECTED  can never be delivered; `error` says why
   * `error` may be NULL with OK. After the last item the delivery may be gone when this returns.
   * Settling what was not given, or twice, is misbehaviour. */
  void (*settle)(const struct dstream_host* host, uint64_t delivery_id, uint32_t first,
                 uint32_t count, dstream_status result,
                 const dstream_error* error) DSTREAM_NOEXCEPT;
  /* A table of functions by exact id, DSTREAM_EXT_*. NULL if the host does not know it: do without.
   * Valid until destroy() returns. */
  const void* (*get_extension)(const struct dstream_host* host, const char* id)DSTREAM_NOEXCEPT;
} dstream_host;

/* ---- source ------------------------------------------------------------- */

typedef struct dstream_source dstream_source; /* defined by the plugin */

typedef struct dstream_source_api {
  uint32_t struct_size;
  uint32_t reserved; /* zero */
  /* Makes an instance. `config` is JSON text that satisfies config_schema, defaults filled in,
   * secrets resolved. No I/O, and no thread yet: it is also called to check a configuration.
   * OK and *out, or an error; CONFIG says which key is wrong and why. [worker] */
  dstream_status (*create)(const dstream_host* host, const char* config, dstream_source** out,
                           dstream_error* error) DSTREAM_NOEXCEPT;
  /* Connects, and goes on after `position`: one that a record of this source carried, in this
   * process or an earlier one. Empty means the beginning. A position that is too old to go on from
   * is DATA_LOSS, never a silent start from "now". OK, CANCELLED or an error; after anything but
   * OK the instance is closed, holds nothing, and close() is not called. [worker] */
  dstream_status (*open)(dstream_source* self, dstream_bytes position,
                         dstream_error* error) DSTREAM_NOEXCEPT;
  /* OK and *out, a batch of 1..max_records records; or AGAIN, END, CANCELLED or an error without
   * one. Returns within max_wait_ms plus a second, and never waits for a commit. After a stop
   * request it may first return what it holds. [worker] */
  dstream_status (*read)(dstream_source* self, uint32_t max_records, uint32_t max_wait_ms,
                         dstream_batch** out, dstream_error* error) DSTREAM_NOEXCEPT;
  /* `position` and everything before it is delivered *and* durably recorded by the host: the source
   * may tell its upstream to forget it. Positions arrive in emission order; the last settled one
   * always arrives before a clean close(). OK or an error. May be NULL. [worker] */
  dstream_status (*commit)(dstream_source* self, dstream_bytes position,
                           dstream_error* error) DSTREAM_NOEXCEPT;
  /* Makes a running or later open() or read() return CANCELLED soon. Sticky until close(). Only
   * signals, does not wait. [any-thread] */
  void (*request_stop)(dstream_source* self) DSTREAM_NOEXCEPT;
  /* Disconnects; open() may follow. Unreleased batches stay valid. Called after every open() that
   * returned OK, and after no other. [worker] */
  void (*close)(dstream_source* self) DSTREAM_NOEXCEPT;
  /* The end. The instance is closed and its batches are released. [worker] */
  void (*destroy)(dstream_source* self) DSTREAM_NOEXCEPT;
  /* What the plugin offers beyond this table, by exact id; NULL for ids it does not know. May be
   * NULL. [worker] */
  const void* (*get_extension)(dstream_source* self, const char* id)DSTREAM_NOEXCEPT;
} dstream_source_api;

/* ---- sink --------------------------------------------------------------- */

typedef struct dstream_sink dstream_sink; /* defined by the plugin */

typedef struct dstream_sink_api {
  uint32_t struct_size;
  uint32_t reserved; /* zero */
  /* As for a source. [worker] */
  dstream_status (*create)(const dstream_host* host, const char* config, dstream_sink** out,
                           dstream_error* error) DSTREAM_NOEXCEPT;
  /* Connects. OK, CANCELLED or an error; after anything but OK the instance is closed. [worker] */
  dstream_status (*open)(dstream_sink* self, dstream_error* error) DSTREAM_NOEXCEPT;
  /* Takes items [first, delivery->count) for delivery, as many as it has room for, and sets
   * *accepted to how many. Does not wait for them to arrive.
   *   OK     every item was accepted
   *   AGAIN  *accepted items were, maybe none, then it was full: the host calls poll() and comes
   *          back with the same delivery and `first` moved on
   *   error  *accepted items were accepted before it; they are settled as usual
   * An item that can never be delivered is accepted and settled as REJECTED. [worker] */
  dstream_status (*write)(dstream_sink* self, const dstream_delivery* delivery, uint32_t first,
                          uint32_t* accepted, dstream_error* error) DSTREAM_NOEXCEPT;
  /* Serves delivery reports for at most max_wait_ms: this is where a client library's callbacks run
   * and settle(). OK if something happened, else AGAIN. May be NULL if the sink settles from its
   * own threads. [worker] */
  dstream_status (*poll)(dstream_sink* self, uint32_t max_wait_ms,
                         dstream_error* error) DSTREAM_NOEXCEPT;
  /* Sends whatever is held back by batching; settles what it can within max_wait_ms. OK if nothing
   * is in flight any more, else AGAIN. [worker] */
  dstream_status (*flush)(dstream_sink* self, uint32_t max_wait_ms,
                          dstream_error* error) DSTREAM_NOEXCEPT;
  /* Makes a running or later open(), poll() or flush() return soon, with CANCELLED or AGAIN. Sticky
   * until close(). [any-thread] */
  void (*request_stop)(dstream_sink* self) DSTREAM_NOEXCEPT;
  /* Disconnects. It may still settle; no settle() for earlier writes may follow its return. Items
   * that are not settled by then are written again after the next open(). [worker] */
  void (*close)(dstream_sink* self) DSTREAM_NOEXCEPT;
  void (*destroy)(dstream_sink* self) DSTREAM_NOEXCEPT; /* [worker] */
  const void* (*get_extension)(dstream_sink* self,
                               const char* id)DSTREAM_NOEXCEPT; /* may be NULL; [worker] */
} dstream_sink_api;

/* ---- plugin ------------------------------------------------------------- */

enum {
  DSTREAM_CONNECTOR_MESSAGES = 1u << 0 /* sink: items are encoded messages */
};

/* All strings are UTF-8, bounded (id 64 bytes, version 256, summary 1024, config_schema 1 MiB) and
 * not empty. */
typedef struct dstream_connector {
  uint32_t struct_size;
  uint32_t flags;            /* DSTREAM_CONNECTOR_*; unknown bits are ignored */
  const char* id;            /* "sqlserver-cdc": [a-z0-9.-], unique among sources or among sinks */
  const char* version;       /* of the connector, semantic version */
  const char* summary;       /* one sentence */
  const char* config_schema; /* JSON Schema (draft-07) text for `config`, an object */
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
  const char* license; /* SPDX identifier */
  const char* build;   /* free text for support: compiler, SDK version; may be "" */
  const dstream_connector* const* connectors;
  uint32_t connector_count; /* 1 .. 64 */
  uint32_t reserved;        /* zero */
} dstream_plugin;

/* The one exported symbol: constant data, so that the host can check magic, size and version in the
 * file itself, before it runs any code of the plugin. */
DSTREAM_EXPORT extern const dstream_plugin dstream_plugin_v1;

/* ---- extensions known to 1.0 -------------------------------------------- */

/* Host side: instruments, exported with the labels pipeline and plugin. */
#define DSTREAM_EXT_METRICS "dstream.metrics/1"
typedef struct dstream_metrics {
  /* Kind 0 counter, 1 gauge, 2 histogram of seconds. Exported as
   * dstream_<connector id>_<name>[_<unit>][_total]; name and unit are [a-z0-9_], units are base
   * units ("bytes", "seconds"), unit may be "" or NULL. Defining a name again gives the same
   * number. 0 if refused (bad name, other kind, more than 256): record() then does nothing. */
  uint64_t (*define)(const dstream_host* host, const char* name, uint32_t kind, const char* unit,
                     const char* help) DSTREAM_NOEXCEPT;
  /* Adds to a counter (value >= 0), sets a gauge, or lets a histogram observe. Lock-free. */
  void (*record)(const dstream_host* host, uint64_t metric, double value) DSTREAM_NOEXCEPT;
} dstream_metrics;

/* Host side: the instance's configuration without a JSON parser. */
#define DSTREAM_EXT_CONFIG "dstream.config/1"
typedef struct dstream_config {
  /* Looks up a scalar by JSON Pointer, "/tables/0/name". OK: *out is NULL, BOOL, INT64, UINT64
   * (only above the range of INT64), FLOAT64 or STRING, valid until destroy() returns. UNSUPPORTED:
   * there is an object or an array. CONFIG: there is nothing. */
  dstream_status (*get)(const dstream_host* host, const char* json_pointer,
                        dstream_value* out) DSTREAM_NOEXCEPT;
} dstream_config;

/* Plugin side: can the other side be reached, with these credentials? For `dstream check`, on an
 * instance that is created but not open. OK or an error. [worker] */
#define DSTREAM_EXT_PROBE "dstream.probe/1"
typedef struct dstream_probe {
  dstream_status (*probe)(void* self, dstream_error* error) DSTREAM_NOEXCEPT;
} dstream_probe;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* DSTREAM_ABI_H */
