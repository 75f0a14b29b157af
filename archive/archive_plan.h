/* What to read for a selection: segments, their channels, their chunks. Each segment comes out of
 * the catalog if that has it as it is on disk, and out of the segment itself if not (no catalog,
 * one that is behind or unusable, a segment being written, a single file); the caller cannot tell
 * and need not. What a plan says is as of its making; an open segment may have grown since.
 *
 * One thread at a time. */
#ifndef TD_ARCHIVE_ARCHIVE_PLAN_H
#define TD_ARCHIVE_ARCHIVE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "format/segment_index.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What is wanted. */
typedef struct plan_query {
    uint64_t from_ns; /* inclusive */
    uint64_t to_ns;   /* exclusive; UINT64_MAX: no end */
    /* 1 if frames of this channel are wanted. NULL: all are. */
    int (*wants_channel)(void *user, const channel_info *info);
    /* 1 if segments of this feed are of interest at all (asked before a segment is opened; a single
     * file of another name is not asked). NULL: all are. */
    int (*wants_feed)(void *user, const char *feed);
    uint8_t is_quiet; /* 1: what cannot be read is counted, not logged: another plan does that */
    void *user;
    uint8_t is_from_files; /* 1: read every segment itself, for who must not err */
} plan_query;

typedef struct plan_segment {
    const char *path; /* to open with archive_io */
    /* What it holds; its path is the name for messages. Chunks: archive_plan_load_chunks. */
    const segment_index *index;
    const uint8_t *is_wanted; /* of each channel of the index */
    size_t wanted_count;      /* 0: wanted ones may be hidden by damage */
} plan_segment;

typedef struct archive_plan archive_plan;

/* Make a plan: the segments that have frames of wanted channels and overlap [from_ns, to_ns), by
 * (first_ns, session start, session id, feed, number). A segment that cannot be read is said by the
 * archive's log, counted, and left out. query is borrowed for the call. */
TD_MUST_USE td_result archive_plan_open(archive *archive, const plan_query *query,
                                        archive_plan **out, td_err *err);
void archive_plan_close(archive_plan *plan);

size_t archive_plan_count(const archive_plan *plan);

/* Segments that could not be read, or that catalog and journal know and the disk lacks, and folders
 * that could not be listed: what the plan may want and does not have. */
size_t archive_plan_unreadable_count(const archive_plan *plan);

/* Segment i < count; valid until the plan closes or archive_plan_drop(i). */
const plan_segment *archive_plan_segment(const archive_plan *plan, size_t i);

/* Load the chunks of segment i into its index, all of them, in file order. A segment that could be
 * planned and cannot be read any more: its td_result. */
TD_MUST_USE td_result archive_plan_load_chunks(archive_plan *plan, size_t i, td_err *err);

/* 1 if a chunk of segment i overlaps the time and may hold frames of wanted channels: also of one
 * that damage has hidden. */
int archive_plan_wants_chunk(const archive_plan *plan, size_t i, const segment_chunk *chunk);

/* Segment i is not used any more: free what it holds. */
void archive_plan_drop(archive_plan *plan, size_t i);

#ifdef __cplusplus
}
#endif

#endif
