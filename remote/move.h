/* Frees the disk of what a store has: removes old finished segments from an archive's folder once
 * the store's newest manifest lists them and their objects are still there. The rules of retention
 * are the ones of archive/prune.h, which journals each segment as moved before its file is removed.
 */
#ifndef TD_REMOTE_MOVE_H
#define TD_REMOTE_MOVE_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "remote/s3_store.h"

typedef struct move_report {
    uint64_t segments; /* removed, with these bytes */
    uint64_t bytes;
    uint64_t segments_unproven; /* old enough, but kept: the store lacks them, or has another
                                   content */
    uint64_t segments_noted;    /* likewise: a note keeps them */
} move_report;

/* Remove the segments whose last frame is older than this (prune_options.older_than_ns) from an
 * archive that is open for maintaining, if the store at url has them: the newest manifest lists
 * each with the size, the last chain value and the SHA-256 of the file, and the object is still
 * there and ends as the file. A segment that the store lost is logged. Errors of archive_prune,
 * remote/manifest.h and remote/s3_store.h; none of them loses a segment. */
TD_MUST_USE td_result remote_move(archive *from, s3_store *to, const char *url,
                                  uint64_t older_than_ns, move_report *report, td_err *err);

#endif
