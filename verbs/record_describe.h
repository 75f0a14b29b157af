/* What `tapedeck ctl status`, `ctl top` and /status show of a running recorder: what it records, at
 * which rate, and what may soon be lost. The members are listed in docs/json.md. */
#ifndef TD_VERBS_RECORD_DESCRIBE_H
#define TD_VERBS_RECORD_DESCRIBE_H

#include "base/cli/result.h"
#include "recorder/supervisor.h"

/* Counts of an earlier moment, which rates begin at. All zero: the beginning of the session. */
typedef struct record_counts {
    uint64_t mono_ns;
    uint64_t frames, bytes;
    const char *feeds[LIMIT_FEEDS]; /* names, as in supervisor_feed */
    uint64_t feed_frames[LIMIT_FEEDS];
    size_t feed_count;
} record_counts;

/* A recorder at one moment. Texts are borrowed. */
typedef struct record_moment {
    const char *session, *archive; /* archive: a path */
    supervisor_status status;
    supervisor_feed feeds[LIMIT_FEEDS];
    size_t feed_count;
    uint64_t reloads;         /* that succeeded */
    uint64_t reload_ns;       /* wall clock of the last one, successful or not; 0: none */
    const char *reload_error; /* of the last one; NULL: it succeeded */
} record_moment;

/* Describe it, with the rates since `before`. */
void record_describe(const record_moment *now, const record_counts *before, result_writer *r);

/* The counts of a moment. Names of feeds are borrowed from it. */
void record_counts_take(record_counts *self, const record_moment *now);

#endif
