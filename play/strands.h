/* Workers for streams: frames go in, in order, and each stream takes its own in that order, on some
 * thread. A strand is a queue whose batches run one after another; there are more strands than
 * threads, so that a busy symbol leaves the others alone. Backpressure: adding waits while a strand
 * still works on the batch before. */
#ifndef TD_PLAY_STRANDS_H
#define TD_PLAY_STRANDS_H

#include "base/err.h"
#include "play/stream.h"
#include "tape/tape.h"

typedef struct strands strands;

/* threads 1: no thread, frames are taken inline. TD_E_NOMEM, TD_E_IO. */
TD_MUST_USE td_result strands_open(unsigned threads, strands **out, td_err *err);
void strands_close(strands *strands);

/* Number of strands; a stream's strand is below it. */
uint32_t strands_count(const strands *strands);

/* Hand a frame to its stream. block keeps the frame's bytes and content; it may be NULL if they
 * outlive the strands. The first failure of any stream so far, TD_OK else. */
TD_MUST_USE td_result strands_add(strands *strands, stream *stream, const stream_frame *frame,
                                  tape_block *block, td_err *err);

/* Wait until every frame has been taken. As strands_add. */
TD_MUST_USE td_result strands_drain(strands *strands, td_err *err);

/* The most threads that were busy at one moment. */
unsigned strands_busy_max(const strands *strands);

#endif
