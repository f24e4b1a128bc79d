/* Draft extension of a source or a sink: does everything it needs on the other side stand?
 *
 * For `dstream doctor`, which makes an instance, does not open it, and prints each check as it
 * comes. It says more than dstream.probe/1, which an instance may offer as well: the host uses it
 * where there are no checks.
 */
#ifndef DSTREAM_EXT_DRAFT_CHECKS_H
#define DSTREAM_EXT_DRAFT_CHECKS_H

#include "dstream/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DSTREAM_EXT_CHECKS "dstream.checks/1"
#define DSTREAM_EXT_CHECKS_2 "dstream.checks/2"
#define DSTREAM_MAX_CHECKS 100000u    /* checks of one run */
#define DSTREAM_MAX_CHECK_TEXT 16384u /* bytes in a sentence and in a mending text */

/* An unknown value counts as FAILED. */
typedef int32_t dstream_check_result;
enum {
  DSTREAM_CHECK_OK = 0,
  DSTREAM_CHECK_WARNING = 1, /* it works, but not for ever, or not as well as it could */
  DSTREAM_CHECK_FAILED = 2,  /* the pipeline will not run */
  DSTREAM_CHECK_SKIPPED = 3  /* could not be looked at; the sentence says why */
};

/* Borrowed for the call of emit. */
typedef struct dstream_check {
  uint32_t struct_size;
  dstream_check_result result;
  const char* id;       /* what was looked at: [a-z0-9._-], 1 .. 64 bytes; stable over versions */
  const char* subject;  /* of which thing there are several: a table, a topic; "" or NULL if none */
  const char* sentence; /* what was found, for an operator; no secrets; not empty */
  const char* mend;     /* what to do or to run about it, as it can be pasted: T-SQL, a command, a
                           key of the configuration; may have several lines; "" or NULL with OK */
} dstream_check;

/* Throws nothing; C++ before 17 has no way to say so here. */
typedef void (*dstream_check_emit)(void* context, const dstream_check* check);

typedef struct dstream_checks {
  /* Makes the checks one by one and calls `emit` for each as soon as it is known, from the calling
   * thread and not after the return. Changes nothing on the other side. Takes max_wait_ms plus a
   * second at most; what was not reached by then is emitted as SKIPPED.
   *
   *   OK         all were made, however they came out
   *   CANCELLED  request_stop() was seen
   *   error      the checks themselves could not be made; those emitted before count
   *
   * Called on an instance that is created and not open; the instance is as before afterwards.
   * [worker] */
  dstream_status (*run)(void* self, uint32_t max_wait_ms, dstream_check_emit emit, void* context,
                        dstream_error* error) DSTREAM_NOEXCEPT;
} dstream_checks;

/* Sources only: what the checks are asked for, borrowed for the call of run(). */
typedef struct dstream_checks_request {
  uint32_t struct_size;
  uint32_t max_wait_ms;
  /* The position that the pipeline's checkpoint holds, as the source has written it; size 0: there
   * is none, or it cannot be read. A running pipeline may store a newer one meanwhile. */
  dstream_bytes position;
} dstream_checks_request;

/* As dstream_checks, with the stored position: whether a source can go on from there. A host that
 * knows this table asks no instance for dstream.checks/1 that offers both. */
typedef struct dstream_checks_2 {
  dstream_status (*run)(void* self, const dstream_checks_request* request, dstream_check_emit emit,
                        void* context, dstream_error* error) DSTREAM_NOEXCEPT;
} dstream_checks_2;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* DSTREAM_EXT_DRAFT_CHECKS_H */
