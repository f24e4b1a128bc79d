/* A plugin whose descriptor is wrong in one way, chosen by BAD_... when it is compiled. Its
 * functions must never be called. */
#include <stddef.h>

#include "dstream/abi.h"

#ifndef BAD_MAGIC
#define BAD_MAGIC DSTREAM_MAGIC
#endif
#ifndef BAD_STRUCT_SIZE
#define BAD_STRUCT_SIZE sizeof(dstream_plugin)
#endif
#ifndef BAD_MINOR_NEEDED
#define BAD_MINOR_NEEDED 0
#endif
#ifndef BAD_ID
#define BAD_ID "zoo-good"
#endif
#ifndef BAD_NAME
#define BAD_NAME "zoo"
#endif
#ifdef BAD_UTF8
#define BAD_SUMMARY "\377\376"
#endif
#ifndef BAD_SUMMARY
#define BAD_SUMMARY "An animal."
#endif
#ifndef BAD_SCHEMA
#define BAD_SCHEMA "{}"
#endif
#ifndef BAD_SOURCE
#define BAD_SOURCE &api
#endif
#ifndef BAD_CREATE
#define BAD_CREATE create
#endif
#ifndef BAD_SYMBOL
#define BAD_SYMBOL dstream_plugin_v1
#endif

__attribute__((visibility("hidden"))) dstream_status create(const dstream_host* host,
                                                            const char* config,
                                                            dstream_source** out,
                                                            dstream_error* error);
dstream_status create(const dstream_host* host, const char* config, dstream_source** out,
                      dstream_error* error) {
  (void)host, (void)config, (void)out, (void)error;
  return DSTREAM_UNSUPPORTED;
}
static dstream_status open(dstream_source* self, dstream_bytes position, dstream_error* error) {
  (void)self, (void)position, (void)error;
  return DSTREAM_UNSUPPORTED;
}
static dstream_status read(dstream_source* self, uint32_t max_records, uint32_t max_wait_ms,
                           dstream_batch** out, dstream_error* error) {
  (void)self, (void)max_records, (void)max_wait_ms, (void)out, (void)error;
  return DSTREAM_UNSUPPORTED;
}
static void nothing(dstream_source* self) { (void)self; }

/* Not static: a variant that leaves one out must not be warned about. */
#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN extern const dstream_source_api api;
const dstream_source_api api = {
    sizeof(dstream_source_api), 0, BAD_CREATE, open, read, NULL, nothing, nothing, nothing, NULL};
HIDDEN extern const dstream_connector connector;
const dstream_connector connector = {
    sizeof(dstream_connector), 0, BAD_ID, "1.0.0", BAD_SUMMARY, BAD_SCHEMA, BAD_SOURCE, NULL};
static const dstream_connector* const list[] = {&connector};

DSTREAM_EXPORT extern const dstream_plugin BAD_SYMBOL;
const dstream_plugin BAD_SYMBOL = {
    BAD_MAGIC, BAD_STRUCT_SIZE, 0, BAD_MINOR_NEEDED, BAD_NAME, "DStream", "MIT", "", list, 1, 0};
