/* What an archive has over time, without reading a frame: which topics were received when, about
 * how many frames, and the gaps. Made from the catalog, or for segments that it lacks from the
 * segments, and from the ledger.
 *
 * A topic was received from its grant to the end of the connection, also while no frame of it came.
 * Without known grants (imports) it was received from its first to its last frame in each segment.
 *
 * One thread at a time. */
#ifndef TD_TAPE_TIMELINE_H
#define TD_TAPE_TIMELINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/time_span.h"
#include "archive/archive.h"
#include "archive/gap.h"
#include "book/proof.h"
#include "schema/message.h"

typedef struct timeline timeline;

/* A topic of a symbol. Its texts are valid until the timeline is closed. */
typedef struct timeline_row {
    char *feed, *family;
    char *topic;                /* without the symbol; "_unknown"; "http.NAME" */
    char *symbol;               /* "" if absent, "*" if a frame may have several */
    char *exchange_topic;       /* as in frames; "" if unknown */
    uint64_t frames;            /* UINT64_MAX: unknown */
    uint64_t first_ns, last_ns; /* recv_ns of frames; 0: no frame */
    topic_proof proof;
    msg_type type;      /* MSG_RAW: this version does not know the topic */
    uint8_t is_grouped; /* topic_row.is_grouped */
} timeline_row;

/* What a group of rows has in one step of time. */
typedef struct timeline_cell {
    double frames;        /* near the step's edges up to a chunk's frames are of the next step */
    uint64_t received_ns; /* sum over the rows: at most the number of rows * step */
    unsigned gaps;        /* bits, 1 << time_reason, of gaps that touch the step */
    uint8_t is_estimate;  /* 1: frames has a share of a chunk or a segment that is longer than the
                             step: it does not show when these frames came, or that none came */
} timeline_cell;

/* A time range in steps. */
typedef struct timeline_grid {
    uint64_t from_ns;
    uint64_t step_ns; /* > 0 */
    size_t count;
} timeline_grid;

#define TIMELINE_NO_ROW UINT32_MAX

/* Read an archive, which is borrowed until close. TD_E_IO. */
TD_MUST_USE td_result timeline_open(archive *from, timeline **out, td_err *err);
void timeline_close(timeline *self);

/* Read what was added to the archive or removed since. Finished segments are not read again, and
 * nothing is read if no recorder or import runs and the journal has no new entry. Rows keep their
 * numbers; new ones are appended. TD_E_IO: the timeline may lack segments. */
TD_MUST_USE td_result timeline_update(timeline *self, td_err *err);

/* The rows, in no order; the time of the first and last frame of all rows, or 0; the gaps of the
 * ledger and of segments that cannot be read, sorted. Valid until the next update. */
const timeline_row *timeline_rows(const timeline *self, size_t *count);
void timeline_range(const timeline *self, uint64_t *first_ns, uint64_t *last_ns);
const gap_list *timeline_gaps(const timeline *self);

/* The row that has a channel's frames, or TIMELINE_NO_ROW. */
uint32_t timeline_find_row(const timeline *self, const channel_info *info);

/* At most how many messages have to be read for all frames of a time. UINT64_MAX: unknown. After
 * timeline_fill of that time. */
uint64_t timeline_messages(const timeline *self, time_span time);

/* 1 if a recorder or an import was adding to the archive at the last update. */
int timeline_is_live(const timeline *self);

/* What an archive has of a feed in a time. */
typedef struct timeline_extent {
    td_hash128 content; /* changes with the segments and gaps that overlap the time */
    uint64_t last_ns;   /* recv_ns of the feed's last frame at any time */
    uint8_t has_frames; /* 1: a segment overlaps the time */
    uint8_t may_grow;   /* 1: a segment that overlaps the time is being written, or the time is not
                           over yet for a recorder that runs */
} timeline_extent;

/* Find it for from_ns <= recv_ns < to_ns. */
timeline_extent timeline_extent_of(const timeline *self, const char *feed, uint64_t from_ns,
                                   uint64_t to_ns);

#define TIMELINE_NO_BAND UINT32_MAX

/* Fill cells for groups of rows ("bands"). band_of: a band number for each row, or
 * TIMELINE_NO_BAND. cells: grid.count for each of band_count bands, band by band; replaced. A
 * segment's frames are spread over its chunks if the steps are short and few segments are in the
 * grid, else over its time. Chunks that cannot be read are left out. */
void timeline_fill(timeline *self, const uint32_t *band_of, size_t band_count, timeline_grid grid,
                   timeline_cell *cells);

#endif
