/* Shifts the times in recorded frames to another day: every time that the topic's row names moves
 * by the same number of seconds. The number of digits stays, so nothing else in the frame moves.
 * One thread. */
#ifndef TD_SERVE_SERVE_REBASE_H
#define TD_SERVE_SERVE_REBASE_H

#include "base/bytes.h"
#include "base/log.h"
#include "schema/topic.h"

typedef struct serve_rebase serve_rebase;

/* Open. log (may be NULL) gets the shifted members of each topic, once. */
TD_NEVER_NULL serve_rebase *serve_rebase_open(const td_log *log);
void serve_rebase_close(serve_rebase *self);

/* Shift the times in a frame. A frame that is not JSON (a compressed frame) is unchanged, as is any
 * frame if self or row is NULL. The number of digits determines the unit: seconds, milli-, micro-
 * or nanoseconds (10, 13, 16, 19); other numbers, such as 0, stay. The result is valid until the
 * next call. */
td_bytes serve_rebase_frame(serve_rebase *self, const topic_row *row, int64_t shift_s,
                            td_bytes frame);

#endif
