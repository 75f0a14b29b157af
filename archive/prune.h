/* Retention: remove segments that are no longer wanted, oldest first, and journal each.
 *
 * Steps, each durable before the next, so that a prune that is killed leaves a sound archive:
 *   1. gaps of the removed segments that reach beyond them are copied to the journal
 *   2. for each segment: journal `pruned`, then its file is removed, then the folder is synced, and
 *      removed if it is empty
 *   3. the catalog follows
 * A segment that is in the journal as pruned and whose file is still there (killed between, or the
 * power failed) counts as removed; the next prune removes its file. The journal keeps its last
 * chain value, so the segment after it is still provable.
 *
 * Removal cannot be undone, so the summaries of the files decide, not the catalog.
 *
 * Never touched: open segments, live or left by a crash; segments whose recovery is not in the
 * journal yet; files that cannot be read (the age of their frames is unknown). Beside a recorder
 * it is safe: only finished segments go. A reader that is at work may miss what is removed, and
 * reports it.
 */
#ifndef TD_ARCHIVE_PRUNE_H
#define TD_ARCHIVE_PRUNE_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "format/segment_index.h"

/* Why a segment goes: the first of these that holds. */
typedef enum prune_reason {
    PRUNE_OLD,       /* all of its frames are older than the bounds by date and age */
    PRUNE_TOO_LARGE, /* the wanted feeds have more than keep_bytes, and it is among the oldest */
    PRUNE_FEED,      /* neither bound was given: all of the wanted feeds goes */
    PRUNE_LEFTOVER,  /* it was pruned before, and its file is still there */
} prune_reason;

/* Stable name: "age", "size", "feed", "leftover". */
const char *prune_reason_name(prune_reason reason);

typedef struct prune_options {
    uint8_t is_dry_run; /* 1: report what would be removed, write nothing; else a maintainer */
    uint8_t is_all;     /* 1: all segments may go */
    uint64_t before_ns; /* 0: no bound by date */
    /* 0: no bound by age. Ages are counted from the archive's newest frame (of any feed), or from
     * the wall clock if that is earlier: neither a clock that jumped ahead nor a frame that lies in
     * the future makes everything else old. */
    uint64_t older_than_ns;
    uint64_t keep_bytes; /* of all segments of the wanted feeds; UINT64_MAX: no bound by size */
    /* 1 if segments of this feed may go. NULL: all may. */
    int (*wants_feed)(void *user, const char *feed);
    /* Called with each segment that was, or would be, removed, oldest first. May be NULL. */
    void (*removing)(void *user, const segment_index *segment, prune_reason reason);
    void *user;
} prune_options;

typedef struct prune_report {
    uint64_t segments; /* gone, or that would go */
    uint64_t bytes;
    uint64_t frames;
    uint64_t segments_kept; /* of the wanted feeds, open ones included */
    uint64_t bytes_kept;
    uint64_t segments_unreadable; /* left alone: logged */
    uint64_t gaps_kept;           /* copied to the journal */
    uint64_t folders;             /* empty ones that were removed */
    uint64_t counted_from_ns;     /* where ages count from; 0: there was no bound by age */
} prune_report;

/* Bounds are combined: segments that are too old are removed, and of the rest the oldest until the
 * size fits. TD_E_IO, TD_E_NOSPACE (some may be gone), TD_E_BUSY;
 * TD_E_INVALID, and nothing is removed: all segments would go, without is_all;
 * TD_E_LIMIT, and nothing is removed: between what is too old and what is not lies a stretch
 * without any frame that is longer than the age and than LIMIT_PRUNE_HOLE_NS, as it does when the
 * newest frames were stamped by a clock that had jumped. */
TD_MUST_USE td_result archive_prune(archive *archive, const prune_options *options,
                                    prune_report *report, td_err *err);

#endif
