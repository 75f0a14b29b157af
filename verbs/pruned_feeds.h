/* What was pruned from an archive, from its journal, so that pruned ranges are not mistaken for
 * losses. A file that is still there (prune was killed) counts as
 * pruned. */
#ifndef TD_VERBS_PRUNED_FEEDS_H
#define TD_VERBS_PRUNED_FEEDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"
#include "cli/result.h"
#include "archive/archive.h"

typedef struct pruned_feed {
    char feed[LIMIT_NAME_BYTES];
    uint64_t segments;
    uint64_t bytes;
    uint64_t first_ns, last_ns; /* of their messages; 0: unknown */
} pruned_feed;

typedef struct pruned_feeds {
    pruned_feed *rows; /* by feed */
    size_t count;
} pruned_feeds;

/* Read the journal. *out is the caller's, for pruned_feeds_fini, also after a failure. TD_OK (a
 * single file has none), TD_E_IO. */
TD_MUST_USE td_result pruned_feeds_read(archive *archive, pruned_feeds *out, td_err *err);
void pruned_feeds_fini(pruned_feeds *pruned);

/* The list "pruned" of a result: an array, empty if nothing was; in text a line for each feed. */
void pruned_feeds_describe(result_writer *r, const pruned_feeds *pruned);

#endif
