/* The source of a cursor's frames, as a table of functions: chunks of messages, handed out in order
 * of time and read one by one. Segments are the first source (tape/segments.h).
 *
 * Any thread calls read and message, and several threads may call them at the same time. What these
 * two functions read of a chunk and its file does not change until the chunk is done. Only the
 * cursor's thread calls the other functions. */
#ifndef TD_TAPE_SOURCE_H
#define TD_TAPE_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/log.h"
#include "archive/gap.h"
#include "format/segment_reader.h"
#include "tape/connection_table.h"
#include "tape/content.h"
#include "tape/cursor_stats.h"
#include "tape/decoding.h"
#include "tape/order_hold.h"
#include "tape/selection.h"

struct block_pool; /* tape/block.h */

/* How a channel's messages are used. */
typedef enum source_use {
    SOURCE_SKIP,
    SOURCE_FRAME,
    SOURCE_UNKNOWN, /* "_unknown": each message is classified again */
    SOURCE_EVENT,
} source_use;

/* A channel of a file. */
typedef struct source_channel {
    frame_channel *channel; /* NULL if skipped */
    session_feed *feed;
    session_slot *slot;
    uint8_t use;         /* a source_use */
    uint8_t has_lead_in; /* 1: frames before the window are wanted, too */
} source_channel;

/* Common data of the chunks of a file. */
typedef struct source_file {
    char *name;               /* for error messages, and to identify the file */
    session_feed *feed;       /* by the file's metadata; a cut has channels of other feeds, too */
    uint32_t number;          /* within session and feed */
    source_channel *channels; /* by segment_channel.id; zero means skipped */
    size_t channel_capacity;
} source_file;

/* A part of a file that is read as a whole. */
typedef struct source_chunk {
    source_file *file;
    uint32_t index;
    uint64_t first_ns, last_ns; /* of its messages */
    uint64_t offset;            /* in the file, for error messages */
    uint64_t stored_bytes;
    uint64_t bytes; /* decompressed */
} source_chunk;

/* What a source reads, for a cursor. */
typedef struct source_options {
    const selection *wanted;
    selection_window window;
    uint64_t from_ns; /* >= window.from_ns; start of the selection: earlier frames are lead-in */
    uint64_t lead_from_ns; /* <= window.from_ns; start of frames with has_lead_in */
    const td_log *log;
    uint8_t with_events;
    uint8_t with_tickers; /* as cursor_options */
    uint8_t with_lines;   /* as cursor_options */
    uint8_t is_following;
    const order_hold *hold; /* holds back frames from its until_ns on; NULL: no hold */
    uint8_t reads_ahead;    /* 1: frames and contents are made when their chunk is read; 0: when the
                               frame is returned */
    content_reader *due;    /* without reads_ahead: reads the content */
    struct block_pool *blocks;                                  /* as cursor_options */
    const tape_decoding *decoding;                              /* as cursor_options */
    int (*wants_channel)(void *user, const channel_info *info); /* as cursor_options; may be NULL */
    void *user;
    connection_table *connections;
    cursor_stats *stats; /* counters to update */
    gap_list *damage;    /* gets a gap for each unreadable part */
} source_options;

typedef struct source_ops {
    /* Get the next chunk by first_ns. TD_EOF: no more for now, or the next is held back. */
    td_result (*next)(void *self, source_chunk *out, td_err *err);
    /* The cursor no longer uses a chunk that was handed out. */
    void (*done)(void *self, const source_chunk *chunk);
    /* Read a chunk's bytes. */
    td_result (*read)(const source_chunk *chunk, segment_scratch *scratch, td_buf *out,
                      td_err *err);
    /* Get the message at *at and advance. TD_EOF; TD_E_CORRUPT: this message cannot be read; other
     * errors: this message and the rest cannot be read. */
    td_result (*message)(const source_chunk *chunk, td_bytes bytes, size_t *at,
                         segment_message *out, td_err *err);
    /* Look for new chunks, after next returned TD_EOF, while no chunk is being read. TD_EOF: there
     * are no new chunks. */
    td_result (*poll)(void *self, td_err *err);
    /* Receive time of the newest message in files that are being written, or 0. */
    uint64_t (*newest_ns)(const void *self);
    void (*close)(void *self);
} source_ops;

typedef struct source {
    const source_ops *ops;
    void *self;
} source;

/* The selection's answer for a channel, narrowed by wants_channel. */
selection_answer source_options_match(const source_options *options, const channel_info *info);

/* Note that a file could not be read in [from_ns, to_ns], all or in part: adds a gap of reason
 * corrupt. Call it before the cursor returns the first frame after the damage. */
void source_add_damage(const source_options *options, const source_file *file, uint64_t from_ns,
                       uint64_t to_ns);

/* As source_add_damage, for a chunk or a part of a chunk. Also logs and counts the damage. */
void source_skip_chunk(const source_options *options, const source_chunk *chunk, const char *part,
                       const char *why);

#endif
