/* What the live check finds: gaps of topics that begin or end. They are logged on its thread, and
 * pass through a ring to the thread that records them: the network thread, or import's. If the ring
 * is full, a finding is not recorded, and a warning is logged each minute. */
#ifndef TD_PIPELINE_LIVE_FINDINGS_H
#define TD_PIPELINE_LIVE_FINDINGS_H

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "base/log_rate.h"
#include "archive/gap.h"
#include "book/continuity.h"
#include "schema/topic.h"

typedef struct live_findings live_findings;

/* Cause of a finding that is no gap and is not recorded: a book is right, but needs another fetched
 * snapshot (track_needs_levels). It has an end when the book no longer needs it. */
#define LIVE_FINDINGS_NARROW "narrow"

/* The topic of a connection that a finding is about. Its texts outlive the finding. */
typedef struct found_topic {
    uint16_t feed_index;
    channel_info info;
    topic_match match;
    td_log_rate log;
} found_topic;

/* *out must be closed even after a failure. TD_E_LIMIT. */
TD_MUST_USE td_result live_findings_open(size_t ring_bytes, const td_log *log, live_findings **out,
                                         td_err *err);
/* NULL is fine. */
void live_findings_close(live_findings *self);

/* A gap of the topic, from or to a finding's time, on its connection conn. Its other members are
 * gap_row_of's. */
gap_row live_findings_gap(const found_topic *topic, time_reason reason, uint64_t from_ns,
                          uint64_t to_ns, const char *cause, uint32_t conn);

/* Live check's thread. report: log a gap that begins or ends, with the rule or comparison that
 * showed it, and pass it on. pass: only pass it on. The gap gets the topic's names and line; its
 * cause is a constant. now_ns: receive time of the feed's last frame. */
void live_findings_report(live_findings *self, found_topic *topic, const gap_row *gap,
                          const verdict_item *why, uint64_t now_ns);
void live_findings_pass(live_findings *self, const found_topic *topic, const gap_row *gap,
                        uint64_t now_ns);

/* As live_check_next_finding. */
int live_findings_next(live_findings *self, uint16_t *feed_index, gap_row *out);

#endif
