/* Merges the archives of two machines that recorded the same feeds into a new one. Each keeps its
 * connections, on lines of its own, so that readers make one stream of both (tape/lines.h): what
 * one machine lost is there if the other one has it.
 *
 * Frames and events are written as they were recorded, in the order of their receive times, each by
 * its machine's clock; a frame with the time of the one before it is 1 ns later. The rows of both
 * ledgers are kept. A row is covered if the other archive has a part of it (tape/gap_cover.h); the
 * other parts are rows of their own, and so is the time between the two recordings. There are
 * no checkpoints. One thread. */
#ifndef TD_MERGE_MERGE_ARCHIVES_H
#define TD_MERGE_MERGE_ARCHIVES_H

#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"

enum {
    MERGE_SOURCES = 2,
    MERGE_LINES = LIMIT_FEED_LINE_NUMBERS / MERGE_SOURCES, /* line numbers of each */
};

typedef struct merge_options {
    archive *sources[MERGE_SOURCES]; /* open for reading; borrowed, like the other pointers */
    archive *target;                 /* open for appending; without segments */
    const char *version;             /* of the program */
    /* Called after each chunk of a feed; 1: stop. */
    int (*progress)(void *user, uint64_t frames, uint64_t recv_ns);
    void *user;
} merge_options;

typedef struct merge_report {
    uint64_t frames[MERGE_SOURCES];
    uint64_t damaged_chunks[MERGE_SOURCES];      /* that could not be read */
    uint64_t segments_unreadable[MERGE_SOURCES]; /* the missing ones included */
    uint64_t feeds;
    uint64_t gaps, gaps_covered; /* rows that were written; covered by the other archive */
} merge_report;

/* Merge. TD_E_INVALID: a feed has different families, or more lines than MERGE_LINES; nothing else
 * is wrong with the archives. TD_E_UNSUPPORTED: a family that this version does not know.
 * TD_E_LIMIT: too many feeds or connections. TD_E_BUSY: progress returned 1. TD_E_IO, TD_E_NOSPACE.
 * After a failure the new archive is incomplete, and left for recovery. */
TD_MUST_USE td_result merge_archives(const merge_options *options, merge_report *report,
                                     td_err *err);

#endif
