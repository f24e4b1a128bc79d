/* Draft extension of a source or a sink: a changed configuration without a new instance.
 *
 * For secrets that rotate: the host reads the files that the configuration refers to
 * (`${file:...}`) once more when the other side refuses the login, or when an operator asks for it,
 * and hands over what changed. Without this extension an instance keeps what create() was given,
 * and a new secret needs a restart.
 */
#ifndef DSTREAM_EXT_DRAFT_RECONFIGURE_H
#define DSTREAM_EXT_DRAFT_RECONFIGURE_H

#include "dstream/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DSTREAM_EXT_RECONFIGURE "dstream.reconfigure/1"

typedef struct dstream_reconfigure {
  /* `config` takes the place of the one that create() was given: JSON text that satisfies the same
   * config_schema, defaults filled in; borrowed for the call. It counts from the next open() on.
   *
   *   OK      taken
   *   CONFIG  it cannot be used; the message starts with the key, as create()'s does. The instance
   *           keeps what it had, as if it had not been called
   *
   * No I/O. What the extension dstream.config/1 answers stays that of create(): read `config`.
   * Never called while the instance is open. [worker] */
  dstream_status (*reconfigure)(void* self, const char* config,
                                dstream_error* error) DSTREAM_NOEXCEPT;
} dstream_reconfigure;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* DSTREAM_EXT_DRAFT_RECONFIGURE_H */
