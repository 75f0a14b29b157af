/* Passes what the live check finds from its thread to the network thread, as events: a broken book
 * opens a `sequence` gap, the next snapshot closes it; an `aggregate` gap has both its ends.
 * Bounded: findings that do not fit are logged. */
#ifndef TD_RECORDER_FINDINGS_H
#define TD_RECORDER_FINDINGS_H

#include "base/err.h"
#include "base/log.h"
#include "archive/event.h"
#include "recorder/live_check.h"

typedef struct findings findings;

#define FINDINGS_RING_BYTES ((size_t)1 << 20)

/* log may be NULL. */
TD_MUST_USE td_result findings_open(const td_log *log, findings **out, td_err *err);
void findings_close(findings *self);

/* Live check's thread: log a finding, and put its event. */
void findings_put(findings *self, const live_check_finding *finding);

/* Network thread: take the oldest event; 0 if absent. Its texts are valid until the next call. */
int findings_take(findings *self, uint16_t *feed_index, event *out);

#endif
