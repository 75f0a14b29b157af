/* The screen of `tapedeck top`, which the recorder makes: what it records, at which rate, and what
 * may soon be lost. */
#ifndef TD_VERBS_RECORD_TOP_H
#define TD_VERBS_RECORD_TOP_H

#include "base/cli/result.h"
#include "recorder/supervisor.h"

/* The counts of the latest screen. All zero: none yet, and rates are 0. */
typedef struct record_top {
    uint64_t mono_ns;
    uint64_t frames, bytes;
    const char *feeds[LIMIT_FEEDS]; /* names, as in supervisor_feed */
    uint64_t feed_frames[LIMIT_FEEDS];
    size_t feed_count;
} record_top;

/* Describe a screen of `status` and `feeds`, with rates since the latest one. path: the archive's.
 */
void record_top_describe(record_top *self, const char *path, const supervisor_status *status,
                         const supervisor_feed *feeds, size_t feed_count, result_writer *r);

#endif
