/* How many bytes of an archive a topic takes in a day, measured by what the archive has: a feed's
 * files, divided among its topics by their frames and the mean size of these frames in a sample,
 * over the time in which each topic was received (tape/timeline.h). One thread. */
#ifndef TD_VERBS_DAY_ESTIMATE_H
#define TD_VERBS_DAY_ESTIMATE_H

#include <stdint.h>

#include "archive/archive.h"
#include "base/bytes.h"
#include "base/err.h"

typedef struct day_estimate day_estimate;

/* Measure an archive, which is borrowed until close. TD_E_*. */
TD_MUST_USE td_result day_estimate_open(archive *from, day_estimate **out, td_err *err);
void day_estimate_close(day_estimate *self);

typedef struct day_size {
    uint64_t bytes;       /* in 24 hours */
    uint64_t measured_ns; /* how long the archive received the topic; 0: unknown, and bytes is 0 */
} day_size;

/* The size of a feed's topic for a symbol ("" without one). "*": for all symbols that were recorded
 * together. For a symbol that was not recorded, the mean of the topic's other symbols. */
day_size day_estimate_find(const day_estimate *self, const char *feed, td_bytes topic,
                           td_bytes symbol);

#endif
