/* A source built against a header of a later minor version: its structs are longer than the host's,
 * and it fills what the host does not know with bits that no code may look at. */
#include <stdlib.h>

#include "dstream/abi.h"

#if DSTREAM_ABI_MINOR != 1
#error "This is not the newer header."
#endif

enum { COLUMNS = 2, RECORDS = 5 };
#define UNKNOWN 0xa5a5a5a5a5a5a5a5u

struct dstream_source {
  int read;
};

static const uint32_t key[] = {0};
static const dstream_column columns[COLUMNS] = {
    {.name = "id", .source_type = "bigint", .type = DSTREAM_INT64, .since_1_1 = UNKNOWN},
    {.name = "twice", .source_type = "bigint", .type = DSTREAM_INT64, .since_1_1 = UNKNOWN}};
static const dstream_schema schema = {.struct_size = sizeof schema,
                                      .column_stride = sizeof(dstream_column),
                                      .id = 1,
                                      .database = "db",
                                      .name_space = "dbo",
                                      .name = "newer",
                                      .columns = columns,
                                      .column_count = COLUMNS,
                                      .key_count = 1,
                                      .key_columns = key,
                                      .since_1_1 = UNKNOWN};
static dstream_value values[RECORDS][COLUMNS];
static dstream_record records[RECORDS];

static void release(dstream_batch* batch) { free(batch); }

static dstream_status create(const dstream_host* host, const char* config, dstream_source** out,
                             dstream_error* error) {
  (void)host, (void)config, (void)error;
  *out = calloc(1, sizeof **out);
  return *out ? DSTREAM_OK : DSTREAM_RETRY;
}
static dstream_status open(dstream_source* self, dstream_bytes position, dstream_error* error) {
  (void)position, (void)error;
  self->read = 0;
  return DSTREAM_OK;
}
static dstream_status read(dstream_source* self, uint32_t max_records, uint32_t max_wait_ms,
                           dstream_batch** out, dstream_error* error) {
  (void)max_records, (void)max_wait_ms, (void)error;
  if (self->read++ > 0) return DSTREAM_END;
  dstream_batch* batch = calloc(1, sizeof *batch);
  if (batch == NULL) return DSTREAM_RETRY;
  for (uint32_t i = 0; i < RECORDS; i++) {
    values[i][0].type = values[i][1].type = DSTREAM_INT64;
    values[i][0].as.i64 = i;
    values[i][1].as.i64 = 2 * (int64_t)i;
    records[i].op = DSTREAM_OP_INSERT;
    records[i].schema = &schema;
    records[i].after = values[i];
    records[i].since_1_1 = UNKNOWN;
  }
  batch->struct_size = sizeof *batch;
  batch->record_stride = sizeof(dstream_record);
  batch->records = records;
  batch->record_count = RECORDS;
  batch->release = release;
  batch->since_1_1 = UNKNOWN;
  *out = batch;
  return DSTREAM_OK;
}
static void request_stop(dstream_source* self) { (void)self; }
static void close(dstream_source* self) { (void)self; }
static void destroy(dstream_source* self) { free(self); }

static const dstream_source_api api = {sizeof api,   0,     create,  open, read, NULL,
                                       request_stop, close, destroy, NULL};
static const dstream_connector newer = {sizeof newer,           0,    "newer", "1.0.0",
                                        "Newer than its host.", "{}", &api,    NULL};
static const dstream_connector* const list[] = {&newer};
const dstream_plugin dstream_plugin_v1 = {DSTREAM_MAGIC,
                                          sizeof(dstream_plugin),
                                          DSTREAM_ABI_MINOR,
                                          0,
                                          "newer",
                                          "DStream",
                                          "MIT",
                                          "C99",
                                          list,
                                          1,
                                          0};
