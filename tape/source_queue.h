/* The segments that a selection reads, and their chunks in order of the first frame.
 *
 * Which segments and chunks matter comes from archive/read_plan.h: from the catalog where it has
 * a segment as it is on disk, else from the segment. A segment without a wanted chunk is not
 * opened; the others are opened when the tape gets to their time, and closed when their last chunk
 * has been merged, so that an archive of any length is read with few files open. Within a segment
 * the chunks are those that overlap the window and hold a wanted channel, and those with events,
 * also before the window: they say which connection a frame came over. Each segment begins with an
 * event that restates the open connections, so events of segments that are not opened are not
 * missed.
 *
 * One thread, except for source fields that loaders read: they do not change while loads run. */
#ifndef TD_TAPE_SOURCE_QUEUE_H
#define TD_TAPE_SOURCE_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "archive/read_plan.h"
#include "format/segment_reader.h"
#include "tape/connection_table.h"
#include "tape/decoding.h"
#include "tape/selection.h"
#include "tape/tape.h"

/* What becomes of a channel's messages. */
typedef enum source_use {
    SOURCE_SKIP,
    SOURCE_FRAME,
    SOURCE_UNKNOWN, /* "_unknown": classified again, message by message */
    SOURCE_EVENT,
} source_use;

/* A channel of a segment. */
typedef struct source_channel {
    frame_channel *channel; /* NULL if skipped */
    session_feed *feed;
    session_slot *slot;
    uint8_t use;         /* source_use */
    uint8_t has_lead_in; /* 1: frames before the window are wanted too */
} source_channel;

/* A segment on its way through the tape. */
typedef struct tape_source {
    char *path; /* to open */
    char
        *name; /* below the archive, for messages and for telling segments apart, without ".open" */
    read_plan *planned; /* where its chunks are found before it is opened; NULL: in the file */
    size_t planned_at;
    char *session;
    char feed[LIMIT_NAME_BYTES];
    uint64_t session_start_ns;
    uint64_t last_ns;         /* of the segment when it was planned */
    uint32_t number;          /* within session and feed */
    uint64_t next_ns;         /* of the next chunk; before opening, of the segment */
    segment_reader *reader;   /* NULL: not open yet, or done */
    source_channel *channels; /* by segment_channel.index */
    size_t channel_capacity;
    uint32_t channel_count;
    uint8_t *wanted_bits; /* bit per channel id: has messages that are wanted */
    uint8_t *event_bits;  /* bit per channel id: is an events channel */
    uint32_t *order;      /* chunks to read, by time */
    uint32_t order_count, order_next;
    uint32_t chunks_seen; /* of the reader, sorted in already */
    uint32_t loads;       /* chunks handed out and not done */
    uint8_t is_live;      /* follows a segment that is being written */
    uint8_t is_waiting;   /* 1: has a next chunk, and is in the queue's heap */
} tape_source;

typedef struct source_options {
    const selection *wanted;
    selection_window window;
    uint64_t lead_from_ns; /* <= window.from_ns; frames from here on if has_lead_in */
    const td_log *log;
    uint8_t with_events;
    uint8_t events_only; /* 1: nothing but events */
    uint8_t is_following;
    uint8_t wants_unknown; /* 1: _unknown frames that no row fits are selected, too */
    uint8_t reads_ahead;   /* 1: contents are read with their chunk; else when frames are due */
    const tape_decoding *decoding;                              /* as tape_options */
    int (*wants_channel)(void *user, const channel_info *info); /* as tape_options; may be NULL */
    void *user;
} source_options;

typedef struct source_queue source_queue;

/* The next chunk of the tape. */
typedef struct source_queue_chunk {
    tape_source *source;
    uint32_t chunk_index; /* for segment_reader_read */
    uint64_t first_ns;
    uint64_t record_bytes;
} source_queue_chunk;

/* Plan from a view, borrowed for the call. Its archive, connections and the selection are borrowed
 * until close. stats is counted into. */
TD_MUST_USE td_result source_queue_open(archive_view *view, connection_table *connections,
                                        const source_options *options, tape_stats *stats,
                                        source_queue **out, td_err *err);
void source_queue_close(source_queue *queue);

/* The next chunk by time. TD_EOF; TD_E_IO. A segment that cannot be opened is logged,
 * counted, and left out. */
TD_MUST_USE td_result source_queue_next(source_queue *queue, source_queue_chunk *out, td_err *err);

/* A chunk that was handed out is merged; its source is closed if that was the last one. */
void source_queue_done(source_queue *queue, tape_source *source);

/* Note that [from_ns, to_ns] of a source could not be read, all or in part: a gap of reason
 * corrupt. */
void source_queue_add_damage(source_queue *queue, const tape_source *source, uint64_t from_ns,
                             uint64_t to_ns);

/* What could not be read so far, and what the plans could not. Valid until the next call. */
const gap_list *source_queue_damage(const source_queue *queue);

/* Look for new chunks and segments; no load may be under way. TD_OK: there are some; TD_EOF: none.
 */
TD_MUST_USE td_result source_queue_follow(source_queue *queue, td_err *err);

#endif
