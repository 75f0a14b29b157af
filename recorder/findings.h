/* Passes findings of the live check from its thread to the network thread, which records them as
 * events: a broken book opens a `sequence` gap, the next snapshot closes it; an `aggregate` gap has
 * both its ends. Bounded: findings that do not fit are counted and reported. */
#ifndef TD_RECORDER_FINDINGS_H
#define TD_RECORDER_FINDINGS_H

#include "base/err.h"
#include "base/log.h"
#include "recorder/intake.h"
#include "recorder/live_check.h"

typedef struct findings findings;

enum { FINDINGS_MAX = 1024 };

findings *findings_open(void);
void findings_close(findings *self);

/* Live check's thread: put one; its strings are copied. */
void findings_put(findings *self, const live_check_finding *finding);

/* Network thread: take the oldest; 0 if absent. out->channel is valid until the next call.
 */
int findings_take(findings *self, live_check_finding *out);

/* Findings lost since the last call because the network thread was late. Network thread. */
uint64_t findings_take_lost(findings *self);

/* Record a finding as an event, and log it. Network thread. */
void findings_report(const live_check_finding *finding, intake *into, const td_log *log);

#endif
