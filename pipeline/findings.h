/* Passes events of the live check from its thread to the network thread, which writes them.
 * Bounded: what does not fit is logged. */
#ifndef TD_PIPELINE_FINDINGS_H
#define TD_PIPELINE_FINDINGS_H

#include "base/err.h"
#include "base/log.h"
#include "archive/event.h"

typedef struct findings findings;

#define FINDINGS_RING_BYTES ((size_t)1 << 20)

/* log may be NULL. */
TD_MUST_USE td_result findings_open(const td_log *log, findings **out, td_err *err);
void findings_close(findings *self);

/* Live check's thread: put an event of a feed. */
void findings_put(findings *self, uint16_t feed_index, const event *what);

/* Network thread: remove the oldest event; 0 if absent. Its texts are valid until the next call. */
int findings_next(findings *self, uint16_t *feed_index, event *out);

#endif
