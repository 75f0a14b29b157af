/* Measures on a selection what the documents of families claim about its topics (the verb `family
 * check` without its command line): how many frames are decoded, how many break a rule, and how
 * many losses of a frame the rules of the topic notice.
 *
 * Losses are tried: for one frame after another, a second track (book/continuity.h) judges the next
 * CLAIMS_TRIAL_FRAMES frames as if the frame had not come. The loss is noticed if one of them then
 * breaks a rule. A trial that meets a frame that broke a rule or was not decoded as recorded, or
 * the end of the connection, does not count. Rules across topics take no part.
 *
 * The rule conn_dense is no track's: the number of a frame rises by as much as its ordinal, so
 * without one of the frames in between, the next frame would show it. */
#ifndef TD_CLAIMS_CLAIMS_RUN_H
#define TD_CLAIMS_CLAIMS_RUN_H

#include <stdint.h>

#include "base/err.h"
#include "replay/play/observe.h"
#include "schema/topic.h"
#include "tape/cursor.h"

struct family;

enum {
    CLAIMS_TRIAL_FRAMES = 16, /* frames that follow the left-out one and can show its loss */
    CLAIMS_TRIALS_MAX = 1000, /* per topic, symbol and feed */
};

/* One topic of a feed, over all symbols. Copies and frames before the selection do not count. */
typedef struct claims_topic {
    char *feed, *topic;  /* owned */
    char *family;        /* owned */
    const char *pattern; /* of its row; NULL: no row fits */
    uint64_t frames;
    uint64_t undecoded;      /* frames; all if no row fits */
    uint64_t unknown_fields; /* members that the row does not name, in all frames */
    uint64_t broken;         /* frames that broke a rule of strength error, as recorded */
    uint64_t trials;         /* frames that were left out */
    uint64_t noticed;        /* trials in which a later frame broke a rule */
    uint64_t broken_by[RULE_COUNT], noticed_by[RULE_COUNT]; /* each frame, or trial, once */
    uint64_t noted_by[RULE_COUNT];      /* frames that broke a rule of another strength */
    uint64_t checksums, checksums_zero; /* frames with a checksum, and with 0 as one */
    uint64_t pause_ns; /* the longest between two frames of a symbol on one connection */
} claims_topic;

typedef struct claims_result {
    claims_topic **topics; /* sorted by feed and topic; owned */
    size_t count;
    uint64_t frames; /* of all topics */
    cursor_stats tape;
} claims_result;

/* Measure every frame of a selection that has a topic. The result does not depend on the number of
 * threads. TD_E_IO: a signal stopped it, or I/O failed; TD_E_NOTFOUND: nothing is selected. */
TD_MUST_USE td_result claims_run(const observe_options *how, const selection *wanted,
                                 claims_result *out, td_err *err);
void claims_result_fini(claims_result *result);

/* 1 if the selection has a frame of a topic with this pattern, in the feeds of the family with this
 * name. */
int claims_has_pattern(const claims_result *result, const char *name, const char *pattern);

#endif
