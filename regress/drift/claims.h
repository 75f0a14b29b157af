/* Measures what the documents of families claim about the topics of a selection: how many frames
 * are decoded, how many break a rule, and how many losses of a frame the rules of the topic notice.
 * An observer of drift_run.
 *
 * Losses are tried, of one frame after another (book/loss_trial.h). The loss is noticed if a later
 * frame then breaks a rule. Rules across topics take no part.
 *
 * The rule conn_dense is no track's: the number of a frame rises by as much as its ordinal, so
 * without one of the frames in between, the next frame would show it. */
#ifndef TD_DRIFT_CLAIMS_H
#define TD_DRIFT_CLAIMS_H

#include <stdint.h>

#include "replay/play/observe.h"
#include "schema/topic.h"

enum {
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

typedef struct claims claims;

/* Nothing is counted at first. */
claims *claims_open(void);
void claims_close(claims *self); /* NULL is fine */

/* Counts every frame that has a topic, on any thread. The counts do not depend on the number of
 * threads. */
observer claims_observer(claims *self);

/* After the frames. The topics, sorted by feed and topic; borrowed. */
const claims_topic *const *claims_topics(const claims *self, size_t *count);

/* 1 if a feed of the family has a frame of a topic with this pattern; of any topic,
 * if pattern is NULL. */
int claims_has(const claims *self, const char *name, const char *pattern);

#endif
