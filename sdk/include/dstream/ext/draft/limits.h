/* Draft extension of a sink that takes messages: how large one may be.
 *
 * With it the host can cut, split or refuse a message that is too large before the sink has to
 * reject it (`on_oversize` of a pipeline).
 */
#ifndef DSTREAM_EXT_DRAFT_LIMITS_H
#define DSTREAM_EXT_DRAFT_LIMITS_H

#include "dstream/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DSTREAM_EXT_LIMITS "dstream.limits/1"

typedef struct dstream_limits {
  /* The most that one message may have: key, value, names and values of headers, and what the
   * protocol adds to them. 0: no limit is known. A message that the host takes to be within it may
   * still be rejected, for example by a topic with a limit of its own.
   *
   * No I/O. Asked for after each open(), so that it may change with the configuration. [worker] */
  uint64_t (*message_bytes_max)(void* self) DSTREAM_NOEXCEPT;
} dstream_limits;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* DSTREAM_EXT_DRAFT_LIMITS_H */
