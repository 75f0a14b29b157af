/* Which segments, channels and chunks a selection needs. A segment's data comes from the catalog if
 * its row matches the file, otherwise from the segment itself (no catalog, an old or unusable one,
 * a segment that is being written, a single file), with the same result. A plan describes the
 * archive at the time when it was made; an open segment may have grown since. Also with which
 * checkpoint reading begins.
 *
 * One thread at a time. */
#ifndef TD_ARCHIVE_READ_PLAN_H
#define TD_ARCHIVE_READ_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/time_span.h"
#include "archive/archive.h"
#include "archive/archive_view.h"
#include "archive/gap.h"
#include "format/segment_index.h"

/* The selection. */
typedef struct read_query {
    time_span time;
    /* 1 if frames of this channel are wanted. NULL: all channels. */
    int (*wants_channel)(void *user, const channel_info *info);
    /* 1 if segments of this feed are wanted. Called before a segment is opened; not for a single
     * file whose name names no feed. NULL: all feeds. */
    int (*wants_feed)(void *user, const char *feed);
    /* 1 if the segment with this name is wanted. NULL: all segments. */
    int (*wants_segment)(void *user, const segment_name *name);
    uint8_t is_lasting; /* 1: the plan is kept for long, so it closes the catalog. If a segment is
                           in the catalog, its channels exist only after read_plan_load_chunks, and
                           is_wanted is NULL */
    uint8_t is_for_channels; /* 1: include only one of several segments with the same channels;
                                ignore the time */
    uint8_t is_quiet;        /* 1: do not log unreadable segments: another plan does */
    void *user;
    archive_view *view; /* to plan from, borrowed for the call; NULL: open a new one */
} read_query;

/* State of a segment. */
typedef enum segment_life {
    SEGMENT_IS_FINISHED,
    SEGMENT_IS_RECORDED,  /* unfinished, and its session is live */
    SEGMENT_IS_CRASHED,   /* unfinished, and its session is not live: recover finishes it */
    SEGMENT_IS_TRUNCATED, /* its end was cut off after it was finished */
} segment_life;
const char *segment_life_name(segment_life life);

typedef struct planned_segment {
    const char *path; /* to open with archive_io */
    /* The content of the segment; index->path is the name in messages. The chunks of the index are
     * loaded by read_plan_load_chunks. */
    const segment_index *index;
    const uint8_t *is_wanted; /* for each channel of the index */
    segment_life life;
    size_t wanted_count; /* if 0, damage may hide wanted channels */
} planned_segment;

typedef struct read_plan read_plan;

/* Plan the segments with frames of wanted channels that overlap the time, sorted by
 * (first_ns, session start, session id, feed, number). An unreadable segment is logged with the
 * archive's log, counted, and left out. query is borrowed for the call. */
TD_MUST_USE td_result read_plan_open(archive *archive, const read_query *query, read_plan **out,
                                     td_err *err);
void read_plan_close(read_plan *plan);

/* Plan the segments around a moment that show what was open then: of each session of a wanted feed,
 * the one that it was writing, and if it continued the next one. Unreadable segments are not
 * logged. TD_E_IO. */
TD_MUST_USE td_result read_plan_open_at(archive_view *view,
                                        int (*wants_feed)(void *user, const char *feed), void *user,
                                        uint64_t at_ns, read_plan **out, td_err *err);

/* The checkpoint with which reading a session begins, instead of with its earlier frames. Borrows
 * from the session's rows, and from the plan. */
typedef struct read_start {
    const segment_rows *session; /* of the segment that the session was writing */
    segment_checkpoint checkpoint;
    const char *path; /* of the checkpoint's segment, below the archive; NULL: no checkpoint */
} read_start;

/* The session's last checkpoint before at_ns, by the plan of that moment (read_plan_open_at). None
 * if sessions of the feed overlap: one session's states are not the feed's. */
read_start read_plan_start(const read_plan *plan, const segment_rows *session, uint64_t at_ns);

/* The segment's first checkpoint, for a feed whose earlier segments are missing. None if it is
 * later than the first message. */
read_start read_start_of_segment(const segment_rows *rows);

/* Number of segments in the plan. */
size_t read_plan_count(const read_plan *plan);

/* Number of segments and folders that the plan may lack: segments that cannot be read, have lost
 * their end, or are in the journal but not on disk; folders that cannot be listed. A damaged
 * journal counts as one. */
size_t read_plan_unreadable_count(const read_plan *plan);

/* Gaps: for each unreadable segment that is on disk, the time that it may have covered. The ledger
 * (archive_gaps) has the gaps of missing segments. Valid until the plan closes. */
const gap_list *read_plan_damage(const read_plan *plan);

/* Segment i < count; valid until the plan closes or read_plan_drop(i). */
const planned_segment *read_plan_segment(const read_plan *plan, size_t i);

/* The plan's next feed, by name, after the feed `after`; the first feed if `after` is NULL. NULL at
 * the end. */
const char *read_plan_next_feed(const read_plan *plan, const char *after);

/* Load all chunks of segment i into its index, in file order. Returns the error of a segment that
 * can no longer be read. */
TD_MUST_USE td_result read_plan_load_chunks(read_plan *plan, size_t i, td_err *err);

/* 1 if a chunk of segment i overlaps the time and may hold frames of wanted channels. Channels that
 * the index lacks because of damage count as wanted. */
int read_plan_wants_chunk(const read_plan *plan, size_t i, const segment_chunk *chunk);

/* Free the data of segment i. The segment must not be used any more. */
void read_plan_drop(read_plan *plan, size_t i);

#endif
