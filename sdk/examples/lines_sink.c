/* A sink in plain C: appends the value of each message to a file, one a line. */
#include <dstream/abi.h>
#include <stdio.h>
#include <stdlib.h>

struct dstream_sink {
  const dstream_host* host;
  dstream_value path; /* its text is the host's, as long as the instance lives */
  FILE* file;
};
static dstream_status failed(dstream_error* error, dstream_status status, const char* message) {
  if (error != NULL) snprintf(error->message, sizeof error->message, "%s", message);
  return status;
}
static dstream_status create(const dstream_host* host, const char* json, dstream_sink** out,
                             dstream_error* error) {
  const dstream_config* config = host->get_extension(host, DSTREAM_EXT_CONFIG);
  dstream_sink self = {host, {0}, NULL};
  (void)json; /* one key needs no JSON parser */
  if (config->get(host, "/path", &self.path) != DSTREAM_OK || !(*out = malloc(sizeof self)))
    return failed(error, DSTREAM_CONFIG, "/path: missing, or no memory.");
  **out = self;
  return DSTREAM_OK;
}
static dstream_status open(dstream_sink* self, dstream_error* error) {
  self->file = fopen((const char*)self->path.as.data, "a");
  return self->file ? DSTREAM_OK : failed(error, DSTREAM_RETRY, "/path: cannot be opened.");
}
static dstream_status write(dstream_sink* self, const dstream_delivery* delivery, uint32_t first,
                            uint32_t* accepted, dstream_error* error) {
  for (uint32_t i = first; i < delivery->count; i++) {
    dstream_bytes value = DSTREAM_MESSAGE_AT(delivery, i)->value;
    fprintf(self->file, "%.*s\n", (int)value.size, value.data ? (const char*)value.data : "");
  }
  if (fflush(self->file) != 0) return failed(error, DSTREAM_REOPEN, "/path: cannot be written.");
  *accepted = delivery->count - first; /* all of it is in the file, so all of it is settled */
  self->host->settle(self->host, delivery->id, first, *accepted, DSTREAM_OK, NULL);
  return DSTREAM_OK;
}
static dstream_status flush(dstream_sink* self, uint32_t wait_ms, dstream_error* error) {
  return (void)self, (void)wait_ms, (void)error, DSTREAM_OK; /* nothing is ever in flight */
}
static void request_stop(dstream_sink* self) { (void)self; }
static void close(dstream_sink* self) { fclose(self->file); }
static void destroy(dstream_sink* self) { free(self); }
static const dstream_sink_api api = {sizeof api,   0,     create,  open, write, NULL, flush,
                                     request_stop, close, destroy, NULL};
static const dstream_connector lines = {
    sizeof lines,
    DSTREAM_CONNECTOR_MESSAGES,
    "example-lines",
    "1.0.0",
    "Appends to a file.",
    "{\"required\": [\"path\"], \"properties\": {\"path\": {\"type\": \"string\"}}}",
    NULL,
    &api};
static const dstream_connector* const list[] = {&lines};
const dstream_plugin dstream_plugin_v1 = {
    DSTREAM_MAGIC, sizeof(dstream_plugin), 0, 0, "lines", "DStream", "MIT", "C99", list, 1, 0};
