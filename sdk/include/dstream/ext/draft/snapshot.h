/* Draft extension of a source: copy one table again while the pipeline runs. */
#ifndef DSTREAM_EXT_DRAFT_SNAPSHOT_H
#define DSTREAM_EXT_DRAFT_SNAPSHOT_H

#include "dstream/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DSTREAM_EXT_SNAPSHOT "dstream.snapshot/1"
#define DSTREAM_MAX_TABLE_NAME 1024u /* bytes in the name of a table, without the NUL */

typedef struct dstream_snapshot {
  /* Asks for a copy of `table`, named as the source's configuration names its tables
   * ("dbo.Orders"). Its rows come from read() as DSTREAM_OP_SNAPSHOT, among the changes.
   *
   *   OK           taken down; it begins at one of the next read(), after the next open() if the
   *                instance is closed
   *   AGAIN        a copy of this table is asked for or under way already; nothing is added
   *   CONFIG       this source reads no such table; the message says which it reads
   *   UNSUPPORTED  this table, or this source as it is configured, cannot be copied
   *   RETRY        it cannot tell yet which tables there are: it has not been connected
   *
   * Returns at once: no I/O, no waiting for a [worker] call. Once the copy has begun, the positions
   * of the records carry it, so that a restart goes on with it; a request that has not begun when
   * the process ends is forgotten, and the operator sees in the status that it is not there.
   *
   * [any-thread]: from create()'s return until destroy() is called, whatever the worker is in. */
  dstream_status (*request)(void* self, const char* table, dstream_error* error) DSTREAM_NOEXCEPT;
} dstream_snapshot;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* DSTREAM_EXT_DRAFT_SNAPSHOT_H */
