/* Queues of frames for streams, drained by a pool of threads. The batches of one queue run one
 * after another, so that each stream gets its frames in order. There are more queues than threads,
 * so that a busy symbol does not delay the others. Backpressure: work_queues_add waits while the
 * queue's previous batch runs. */
#ifndef TD_PLAY_WORK_QUEUES_H
#define TD_PLAY_WORK_QUEUES_H

#include "base/err.h"
#include "base/workers.h"
#include "replay/play/stream.h"

typedef struct work_queues work_queues;

/* workers (borrowed) and the caller's thread apply the frames; NULL: they are applied inline. */
TD_NEVER_NULL work_queues *work_queues_open(td_workers *workers);

/* Waits for batches that run. */
void work_queues_close(work_queues *queues);

/* Number of queues; a stream's queue number is less. */
uint32_t work_queues_count(const work_queues *queues);

/* Queue a frame for its stream; a frame without a block must outlive the queues. Returns the first
 * failure of any stream so far, or TD_OK. */
TD_MUST_USE td_result work_queues_add(work_queues *queues, stream *stream, const frame_ref *frame,
                                      td_err *err);

/* Wait until every frame has been applied. Returns the same as work_queues_add. */
TD_MUST_USE td_result work_queues_drain(work_queues *queues, td_err *err);

/* The greatest number of threads that were busy at the same time. */
unsigned work_queues_busy_max(const work_queues *queues);

#endif
