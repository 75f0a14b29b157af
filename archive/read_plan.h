/* What to read for a selection: segments, their channels, their chunks. Each segment's data comes
 * from the catalog if its row matches the file, and from the segment itself if not (no catalog, an
 * old or unusable one, a segment being written, a single file); results are the same. A plan
 * describes the archive when it was made; an open segment may have grown since.
 *
 * One thread at a time. */
#ifndef TD_ARCHIVE_READ_PLAN_H
#define TD_ARCHIVE_READ_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/gap.h"
#include "format/segment_index.h"

/* What is wanted. */
typedef struct read_query {
    uint64_t from_ns; /* inclusive */
    uint64_t to_ns;   /* exclusive; UINT64_MAX: no end */
    /* 1 if frames of this channel are wanted. NULL: all are. */
    int (*wants_channel)(void *user, const channel_info *info);
    /* 1 if segments of this feed are of interest at all (called before a segment is opened; a
     * single file of another name is not asked). NULL: all are. */
    int (*wants_feed)(void *user, const char *feed);
    int (*wants_segment)(void *user, const segment_name *name); /* likewise, by its name */
    uint8_t is_lasting; /* 1: the plan is kept for long: channels of a segment, and is_wanted, are
                         * there after read_plan_load_chunks only, and the catalog is closed */
    uint8_t is_for_channels; /* 1: of segments with the same channels one is enough; of all time */
    uint8_t is_quiet; /* 1: what cannot be read is counted, not logged: another plan does that */
    void *user;
    archive_view *view; /* to plan from, borrowed for the call; NULL: a new one */
} read_query;

/* State of a segment. */
typedef enum segment_life {
    SEGMENT_IS_FINISHED,
    SEGMENT_IS_RECORDED,  /* unfinished, and its session is live */
    SEGMENT_IS_CRASHED,   /* unfinished, and its session is not: recover finishes it */
    SEGMENT_IS_TRUNCATED, /* its end was cut off after it was finished */
} segment_life;
const char *segment_life_name(segment_life life);

typedef struct planned_segment {
    const char *path; /* to open with archive_io */
    /* What it holds; its path is the name for messages. Chunks: read_plan_load_chunks. */
    const segment_index *index;
    const uint8_t *is_wanted; /* of each channel of the index */
    segment_life life;
    size_t wanted_count; /* 0: wanted ones may be hidden by damage */
} planned_segment;

typedef struct read_plan read_plan;

/* Make a plan: the segments with frames of wanted channels that overlap [from_ns, to_ns), by
 * (first_ns, session start, session id, feed, number). A segment that cannot be read is logged by
 * the archive's log, counted, and left out. query is borrowed for the call. */
TD_MUST_USE td_result read_plan_open(archive *archive, const read_query *query, read_plan **out,
                                     td_err *err);
void read_plan_close(read_plan *plan);

size_t read_plan_count(const read_plan *plan);

/* Segments that could not be read, or not to the end that they once had, or that the journal knows
 * and the disk lacks, and folders that could not be listed: what the plan may lack. A damaged
 * journal counts as one. */
size_t read_plan_unreadable_count(const read_plan *plan);

/* The time that those segments of these may have covered which are on the disk, a row each; the
 * ledger (archive_gaps) has the missing ones. Valid until the plan closes. */
const gap_list *read_plan_damage(const read_plan *plan);

/* Segment i < count; valid until the plan closes or read_plan_drop(i). */
const planned_segment *read_plan_segment(const read_plan *plan, size_t i);

/* The feed of the plan's segments that comes after this one by name, or with NULL the first one;
 * NULL: there are no more. */
const char *read_plan_next_feed(const read_plan *plan, const char *after);

/* Load the chunks of segment i into its index, all of them, in file order. A segment that could be
 * planned and cannot be read any more: its td_result. */
TD_MUST_USE td_result read_plan_load_chunks(read_plan *plan, size_t i, td_err *err);

/* 1 if a chunk of segment i overlaps the time and may hold frames of wanted channels: also of one
 * that damage has hidden. */
int read_plan_wants_chunk(const read_plan *plan, size_t i, const segment_chunk *chunk);

/* Segment i is not used any more: free what it holds. */
void read_plan_drop(read_plan *plan, size_t i);

#endif
