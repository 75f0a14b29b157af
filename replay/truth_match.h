/* Which of a simulated exchange's connections a recorded one is. The truth does not know the
 * recorder's connection numbers, and connections with the same subscriptions begin alike, with the
 * very same frames. So every connection of the family's paths is a candidate, and each recorded
 * frame leaves those that fit best: that sent these bytes at this ordinal. The result is that of
 * the best. Those that fit to the end all sent the same, and it does not matter which it
 * was. One thread. */
#ifndef TD_REPLAY_TRUTH_MATCH_H
#define TD_REPLAY_TRUTH_MATCH_H

#include <stdint.h>

#include "base/err.h"
#include "replay/truth_table.h"

typedef struct truth_match truth_match;

/* How the recorded frames so far and the best candidate differ. */
typedef struct truth_counts {
    uint64_t matched;
    uint64_t missing;    /* sent before the last recorded frame, and not recorded */
    uint64_t unexpected; /* recorded, and not sent */
} truth_counts;

/* No frame yet; of: the recorded family, NULL: unknown, nothing fits. The table is borrowed until
 * close. TD_E_NOMEM. */
TD_MUST_USE td_result truth_match_open(const truth_table *table, const family *of,
                                       truth_match **out, td_err *err);
void truth_match_close(truth_match *match);

/* What the next recorded data frame shows. */
typedef enum truth_finding {
    TRUTH_FITS,
    TRUTH_MISSED,   /* more frames before it are missing than before */
    TRUTH_NOT_SENT, /* no candidate sent it so */
} truth_finding;

/* The next recorded data frame: its ordinal, greater than the last one's, and its hash. */
truth_finding truth_match_take(truth_match *match, uint64_t n, uint64_t xxh64);

truth_counts truth_match_counts(const truth_match *match);

#endif
