/* Drift while it is recorded (schema/drift.h): what the frames of a feed have that the schema does
 * not know is reported once, when it first comes. To look at a frame takes some ten times as long
 * as to decode it, so few are looked at:
 *
 *   - strange frames: of a topic without row, not decoded, or with members that the row does not
 *     name;
 *   - samples: of each topic of a feed, frames of the symbol that came first. They show types and
 *     values that change.
 *
 * After a look that gave nothing new the channel's next one of the same sort is a while later: 1 ms
 * for strange frames, 1 s for samples, each time twice as long, up to a minute.
 *
 * So a frame that is strange in a way of its own may pass; `tapedeck drift` looks at all of them.
 * Reported at most once for each feed, topic, path, kind and detail,
 * LIMIT_LIVE_DRIFT_TOPIC_FINDINGS times for each row of a feed (all frames without a row count
 * together), so that a flood in one topic hides no change of another, and LIMIT_LIVE_DRIFT_FINDINGS
 * times at all; what is beyond is counted. The live check's thread only, but for the counts. */
#ifndef TD_RECORDER_LIVE_DRIFT_H
#define TD_RECORDER_LIVE_DRIFT_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "format/channel.h"
#include "schema/drift.h"

#define LIVE_DRIFT_STRANGE_NS (1 * TD_NS_PER_MS)
#define LIVE_DRIFT_SAMPLE_NS  (1 * TD_NS_PER_S)
#define LIVE_DRIFT_WAIT_NS    (60 * TD_NS_PER_S)

typedef struct live_drift live_drift;

typedef enum live_drift_sort {
    LIVE_DRIFT_SAMPLE,
    LIVE_DRIFT_STRANGE,
    LIVE_DRIFT_SORTS
} live_drift_sort;

/* When the frames of a channel are looked at next, by receive time. Zeros to begin with. */
typedef struct live_drift_times {
    uint64_t next_ns[LIVE_DRIFT_SORTS]; /* UINT64_MAX: never */
    uint64_t wait_ns[LIVE_DRIFT_SORTS]; /* that began with the last look */
} live_drift_times;

/* A frame of a channel. */
typedef struct live_drift_frame {
    uint16_t feed_index;
    const char *feed;
    const family *of;
    const topic_match *topic;   /* row NULL: none is known */
    const char *exchange_topic; /* of the channel */
    uint64_t recv_ns;
    td_bytes bytes; /* with DECODE_PADDING_BYTES readable after them */
} live_drift_frame;

/* Something new. Texts are valid during the call. */
typedef struct live_drift_finding {
    const char *topic;
    const char *path;
    const char *what; /* drift_kind_name() */
    const char *detail;
    const char *example; /* the beginning of the frame's text, in which bytes that are no UTF-8, and
                            NUL, end it */
} live_drift_finding;

typedef void live_drift_found(void *user, const live_drift_finding *finding);

/* Any thread. */
typedef struct live_drift_stats {
    uint64_t findings; /* reported */
    uint64_t left_out; /* frames with something beyond LIMIT_LIVE_DRIFT_FINDINGS,
                          LIMIT_LIVE_DRIFT_TOPIC_FINDINGS or LIMIT_DRIFT_NOTES */
} live_drift_stats;

TD_MUST_USE td_result live_drift_open(live_drift **out, td_err *err);
void live_drift_close(live_drift *self);

/* 1 if a frame of the channel is to be looked at. */
static inline int live_drift_is_due(const live_drift_times *times, uint64_t recv_ns,
                                    live_drift_sort sort)
{
    return recv_ns >= times->next_ns[sort];
}

/* Look at a frame that is due; found is called for all that is new. Without memory nothing is. */
void live_drift_look(live_drift *self, live_drift_times *times, const live_drift_frame *frame,
                     live_drift_sort sort, live_drift_found *found, void *user);

live_drift_stats live_drift_get_stats(const live_drift *self);

#endif
