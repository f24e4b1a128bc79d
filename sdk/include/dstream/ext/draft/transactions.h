/* Draft extension of a sink: what it writes, and the position of the source that belongs to it,
 * become visible together or not at all.
 *
 * With it a pipeline delivers exactly once (`delivery: exactly_once`): the sink is the store of the
 * position, so that no crash can come between the two. The host asks for the last one committed at
 * every open() and goes on from there.
 *
 *   use(pipeline) -> open -> committed -> begin -> write... -> commit -> begin -> ... -> close
 *
 * A session has at most one transaction at a time. Items are offered inside of one only; those that
 * wait for nothing but the commit take no room: write() accepts others all the same. There is no
 * call that aborts: close() does, and so does the end of the process, and a new session starts from
 * what is committed. One way back is walked after every failure, and so it is a known one.
 */
#ifndef DSTREAM_EXT_DRAFT_TRANSACTIONS_H
#define DSTREAM_EXT_DRAFT_TRANSACTIONS_H

#include "dstream/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define DSTREAM_EXT_TRANSACTIONS "dstream.transactions/1"
#define DSTREAM_MAX_CHECKPOINT 262144u /* bytes: a position and what goes with it */

typedef struct dstream_transactions {
  /* The sessions to come write in transactions, on behalf of `pipeline`. Its name is the owner's:
   * whoever opens a session under it ends those of others, whose next call is to come back FATAL
   * with a sentence that says that another host runs the pipeline.
   *
   *   OK           taken down
   *   CONFIG       not with this configuration; the message names the key
   *   UNSUPPORTED  not on this other side
   *
   * No I/O. Without it an instance knows no transactions. Called before an open(), always with the
   * same name. [worker] */
  dstream_status (*use)(void* self, const char* pipeline, dstream_error* error) DSTREAM_NOEXCEPT;

  /* Writes the checkpoint of the last committed transaction into `buffer` and its length into
   * *size: 0 if there was none yet. By then the fate of everything that an earlier session began,
   * here or elsewhere, is decided; what was not committed never will be.
   *
   * Once, after open() and before begin(). May take what it needs. [worker] */
  dstream_status (*committed)(void* self, uint8_t* buffer, uint32_t capacity, uint32_t* size,
                              dstream_error* error) DSTREAM_NOEXCEPT;

  /* Items written from now on belong to a new transaction. [worker] */
  dstream_status (*begin)(void* self, dstream_error* error) DSTREAM_NOEXCEPT;

  /* Commits what was accepted since begin(), and with it `checkpoint`: opaque, up to
   * DSTREAM_MAX_CHECKPOINT bytes. May be called with no item accepted.
   *
   *   OK      committed; every item of the transaction has been settled, within this call
   *   AGAIN   not yet; the same call follows, and nothing else but poll() before it
   *   error   whether it was committed is found out after the next open()
   *
   * Items are settled OK here and nowhere else, for only now they are safe. RETRY and REJECTED may
   * be settled at any time: the first ends the session; the second takes the item out of the
   * transaction, and the host keeps it elsewhere first. So a call in which an item was rejected
   * does not commit and returns AGAIN.
   *
   * Waits for at most max_wait_ms plus a second. [worker] */
  dstream_status (*commit)(void* self, dstream_bytes checkpoint, uint32_t max_wait_ms,
                           dstream_error* error) DSTREAM_NOEXCEPT;
} dstream_transactions;

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* DSTREAM_EXT_DRAFT_TRANSACTIONS_H */
