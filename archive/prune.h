/* Retention: removes segments that are no longer wanted, oldest first, and journals each.
 *
 * Steps, each durable before the next, so that the archive stays sound if a prune is killed:
 *   1. gaps of the removed segments that reach beyond them are copied to the journal
 *   2. for each segment: journal `pruned` or `moved`, then its file is removed and the folder
 *      synced, and removed if empty
 *   3. the catalog is updated
 * A segment that the journal has as pruned, but whose file exists (after a kill or a power cut),
 * counts as removed; the next prune removes the file. One that the journal has as moved counts as
 * present while its file exists. The journal keeps the last chain value of both, so that the next
 * segment's chain can still be proved.
 *
 * Removal cannot be undone, so it relies on the summaries of the files, not on the catalog.
 *
 * Never touched: open segments, live or left by a crash; segments whose recovery is not in the
 * journal yet; unreadable files (the age of their frames is unknown). Safe while a recorder runs:
 * only finished segments are removed. A running reader may miss removed segments, and reports it.
 */
#ifndef TD_ARCHIVE_PRUNE_H
#define TD_ARCHIVE_PRUNE_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "format/segment_index.h"

/* Why a segment is removed: the first reason that applies. */
typedef enum prune_reason {
    PRUNE_OLD,       /* all of its frames are older than the limits by date and age */
    PRUNE_TOO_LARGE, /* the wanted feeds have more than keep_bytes, and it is among the oldest */
    PRUNE_SPACE,     /* less than free_bytes is free, and it is among the oldest */
    PRUNE_FEED,      /* neither limit was given: all segments of the wanted feeds are removed */
    PRUNE_LEFTOVER,  /* it was pruned before, but its file still exists */
} prune_reason;

/* Stable name: "age", "size", "space", "feed", "leftover". */
const char *prune_reason_name(prune_reason reason);

typedef struct prune_options {
    uint8_t is_dry_run; /* 1: only report what would be removed; 0: maintainers only */
    uint8_t is_all;     /* 1: all segments may be removed */
    uint64_t before_ns; /* 0: no limit by date */
    /* 0: no limit by age. Ages are counted from the archive's newest frame (of any feed) that is
     * not later than the wall clock: neither a clock that jumped ahead nor a frame dated in the
     * future makes everything else old. */
    uint64_t older_than_ns;
    uint64_t keep_bytes; /* of all segments of the wanted feeds; UINT64_MAX: no limit by size */
    uint64_t free_bytes; /* remove until so much is free on the file system; 0: no limit by that */
    uint8_t also_kept;   /* 1: also segments that a note keeps (notes.h) */
    /* 1 if segments of this feed may be removed. NULL: of all feeds. */
    int (*wants_feed)(void *user, const char *feed);
    /* Decides about each segment that the limits choose, oldest first, before any is removed; one
     * that it refuses is kept and counted. A failure removes nothing. May be NULL. */
    td_result (*confirm)(void *user, const segment_index *segment, int *may_be_removed,
                         td_err *err);
    /* URL of a store that has the segments: they are journaled as moved to it. NULL: as pruned. */
    const char *moved_to;
    /* Called with each segment that was, or would be, removed, oldest first. May be NULL. */
    void (*removing)(void *user, const segment_index *segment, prune_reason reason);
    void *user;
} prune_options;

typedef struct prune_report {
    uint64_t segments; /* removed, or to be removed */
    uint64_t bytes;
    uint64_t frames;
    uint64_t segments_kept; /* of the wanted feeds, open ones included */
    uint64_t bytes_kept;
    uint64_t segments_unreadable; /* not removed, and logged */
    uint64_t segments_noted;      /* not removed, because a note keeps them */
    uint64_t segments_refused;    /* not removed, because confirm refused */
    uint64_t gaps_kept;           /* copied to the journal */
    uint64_t folders;             /* empty folders that were removed */
    uint64_t catalog_updated;     /* segments, besides the removed ones, for which the catalog was
                                     behind, as after a prune that was killed */
    uint64_t counted_from_ns;     /* where ages count from; 0 without a limit by age */
} prune_report;

/* Remove the segments that are too old, and then the oldest until the sizes fit. TD_E_IO,
 * TD_E_NOSPACE (some may be removed), TD_E_BUSY. Two errors remove nothing. TD_E_INVALID: all
 * segments would be removed, and is_all is not set. TD_E_LIMIT: between the segments that are too
 * old and the others, there are no frames for longer than the age and than LIMIT_PRUNE_HOLE_NS. A
 * clock that jumped before it stamped the newest frames leaves such a hole. */
TD_MUST_USE td_result archive_prune(archive *archive, const prune_options *options,
                                    prune_report *report, td_err *err);

#endif
