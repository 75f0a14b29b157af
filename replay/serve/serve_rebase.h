/* Recorded frames with the times of another day: every time that the topic's row names is shifted
 * by one number of seconds. Its digits stay as many, so nothing else in the frame moves. One
 * thread. */
#ifndef TD_SERVE_SERVE_REBASE_H
#define TD_SERVE_SERVE_REBASE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/json/json.h"
#include "schema/topic.h"

typedef struct serve_rebase serve_rebase;

/* log gets the shifted members of each topic, once; may be NULL. */
TD_NEVER_NULL serve_rebase *serve_rebase_open(const td_log *log);
void serve_rebase_close(serve_rebase *self);

/* The frame with its times shifted; what is no JSON (a compressed frame) as it is. Numbers are
 * seconds, milli-, micro- or nanoseconds by their digits (10, 13, 16, 19); others, such as 0, stay.
 * Valid until the next call. */
td_bytes serve_rebase_frame(serve_rebase *self, const topic_row *row, int64_t shift_s,
                            td_bytes frame);

/* The row of HTTP replies: their members that are the server's time. */
extern const topic_row SERVE_REPLY_ROW;

#endif
