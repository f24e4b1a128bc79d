/* Draft extension of a source or a sink: what the instance itself has to say about its state.
 *
 * For what only the connector knows: the progress of a snapshot, how far the other side is ahead,
 * which partition is throttled. `dstream status` and the admin interface show it beside what the
 * engine counts. Not for what is a number over time: that is a metric.
 */
#ifndef DSTREAM_EXT_DRAFT_STATUS_H
#define DSTREAM_EXT_DRAFT_STATUS_H

#include "dstream/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DSTREAM_EXT_STATUS "dstream.status/1"
#define DSTREAM_MAX_STATUS 65536u /* bytes in one status; the host's buffer has as many */

typedef struct dstream_instance_status {
  /* Writes one JSON object, UTF-8 without a NUL, into `buffer` and its length into *size.
   *
   *   OK     *size bytes are written, at most `capacity`
   *   AGAIN  it cannot tell without waiting; what was shown before stands
   *   error  why it cannot tell; the pipeline goes on
   *
   * The buffer is the caller's: no memory changes hands, and no code of the host runs while the
   * plugin holds a lock, as it would with a write callback. Never waits for I/O or for a [worker]
   * call: copy what the worker last published. An object that would not fit leaves details out;
   * it is never cut. No secrets.
   *
   * Keys that the host knows, all optional; others are shown as they are:
   *   "lag_ms"     how far the instance is behind the other side, as a number
   *   "snapshots"  an array of {"table", "state": "waiting" | "running" | "done", "rows",
   *                "rows_estimate", "left_ms"}: rows of this copy, how many there will be, and how
   *                long it will still take; what is not known is left out
   *
   * [any-thread]: from create()'s return until destroy() is called, whatever the worker is in, and
   * at the same time as itself. */
  dstream_status (*get)(void* self, char* buffer, uint32_t capacity, uint32_t* size,
                        dstream_error* error) DSTREAM_NOEXCEPT;
} dstream_instance_status;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* DSTREAM_EXT_DRAFT_STATUS_H */
