/* A plugin whose descriptor is right and whose library misbehaves while it is loaded, in the way
 * chosen when it is compiled. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dstream/abi.h"

__attribute__((constructor)) static void misbehave(void) {
#if defined(ZOO_CRASHES)
  abort();
#elif defined(ZOO_HANGS)
  for (;;) pause();
#elif defined(ZOO_EXITS)
  _exit(0);
#elif defined(ZOO_PRINTS)
  /* Into standard output, where a description is expected: must not be taken for one. */
  puts("{\"connectors\": \"forged\"}");
  fflush(stdout);
#elif defined(ZOO_FORKS)
  /* A child of its own that keeps the pipes open and never ends. */
  if (fork() == 0) {
    for (;;) pause();
  }
#endif
}

static dstream_status create(const dstream_host* host, const char* config, dstream_sink** out,
                             dstream_error* error) {
  (void)host, (void)config, (void)out, (void)error;
  return DSTREAM_UNSUPPORTED;
}
static dstream_status open(dstream_sink* self, dstream_error* error) {
  (void)self, (void)error;
  return DSTREAM_UNSUPPORTED;
}
static dstream_status write_items(dstream_sink* self, const dstream_delivery* delivery,
                                  uint32_t first, uint32_t* accepted, dstream_error* error) {
  (void)self, (void)delivery, (void)first, (void)accepted, (void)error;
  return DSTREAM_UNSUPPORTED;
}
static dstream_status flush(dstream_sink* self, uint32_t max_wait_ms, dstream_error* error) {
  (void)self, (void)max_wait_ms, (void)error;
  return DSTREAM_OK;
}
static void nothing(dstream_sink* self) { (void)self; }

static const dstream_sink_api api = {sizeof api, 0,       create,  open,    write_items, NULL,
                                     flush,      nothing, nothing, nothing, NULL};
static const dstream_connector connector = {
    sizeof connector, 0, "zoo-constructor", "1.0.0", "An animal.", "{}", NULL, &api};
static const dstream_connector* const list[] = {&connector};
const dstream_plugin dstream_plugin_v1 = {
    DSTREAM_MAGIC, sizeof(dstream_plugin), 0, 0, "constructor", "DStream", "MIT", "", list, 1, 0};
