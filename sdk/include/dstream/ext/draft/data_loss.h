/* Draft extension of a source: what it is to do about changes that are gone upstream.
 *
 * A source whose changes were removed before it read them returns DATA_LOSS, and the host stops or
 * goes on with what is left, as `on_data_loss` says. A source that can copy its tables anew may
 * mend the gap instead: RESNAPSHOT. That is the source's work alone, record by record through
 * read(), so a source without this extension is refused where a pipeline asks for it.
 */
#ifndef DSTREAM_EXT_DRAFT_DATA_LOSS_H
#define DSTREAM_EXT_DRAFT_DATA_LOSS_H

#include "dstream/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DSTREAM_EXT_DATA_LOSS "dstream.data_loss/1"

typedef int32_t dstream_data_loss_policy;
enum {
  DSTREAM_DATA_LOSS_STOP = 0,      /* DATA_LOSS is returned, and the pipeline stops */
  DSTREAM_DATA_LOSS_CONTINUE = 1,  /* DATA_LOSS is returned, and open() with no position follows */
  DSTREAM_DATA_LOSS_RESNAPSHOT = 2 /* what was lost from is truncated and copied anew, beside the
                                      other changes; DATA_LOSS only where that is impossible */
};

typedef struct dstream_data_loss {
  /* Called once after create(), before the first open() and before checks; it outlasts open(),
   * close() and a changed configuration. No I/O.
   *
   *   OK           taken
   *   CONFIG       the source's own settings say otherwise; the message names the key
   *   UNSUPPORTED  a policy that it does not know
   *
   * [worker] */
  dstream_status (*set_policy)(void* self, dstream_data_loss_policy policy,
                               dstream_error* error) DSTREAM_NOEXCEPT;
} dstream_data_loss;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* DSTREAM_EXT_DRAFT_DATA_LOSS_H */
