/* Where the frames of a cursor come from, behind one table: chunks of messages, handed out in order
 * of time and read one by one. Segments are the first source (tape/segments.h).
 *
 * read and message are called by any thread, several at a time; what they need of a chunk and its
 * file does not change until the chunk is done. The rest is called by the cursor's thread. */
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
#include "tape/cursor.h"
#include "tape/decoding.h"
#include "tape/order_hold.h"
#include "tape/selection.h"

/* What becomes of a channel's messages. */
typedef enum source_use {
    SOURCE_SKIP,
    SOURCE_FRAME,
    SOURCE_UNKNOWN, /* "_unknown": classified again, message by message */
    SOURCE_EVENT,
} source_use;

/* A channel of a file. */
typedef struct source_channel {
    frame_channel *channel; /* NULL if skipped */
    session_feed *feed;
    session_slot *slot;
    uint8_t use;         /* source_use */
    uint8_t has_lead_in; /* 1: frames before the window are wanted too */
} source_channel;

/* What the chunks of a file have in common. */
typedef struct source_file {
    char *name;               /* for messages, and to tell files apart */
    session_feed *feed;       /* by the file's metadata; channels of a cut may be of others */
    uint32_t number;          /* within session and feed */
    source_channel *channels; /* by segment_channel.id; zero: skipped */
    size_t channel_capacity;
} source_file;

/* A chunk: a piece of a file that is read at once. */
typedef struct source_chunk {
    source_file *file;
    uint32_t index;
    uint64_t first_ns, last_ns; /* of its messages */
    uint64_t offset;            /* in the file, for messages */
    uint64_t stored_bytes;
    uint64_t bytes; /* when it is read */
} source_chunk;

/* What a cursor reads. */
typedef struct source_options {
    const selection *wanted;
    selection_window window;
    uint64_t lead_from_ns; /* <= window.from_ns; frames from here on if has_lead_in */
    const td_log *log;
    uint8_t with_events;
    uint8_t with_tickers; /* as cursor_options */
    uint8_t is_following;
    const order_hold *hold; /* frames from its until_ns on are not given yet; NULL: all are */
    uint8_t wants_unknown;  /* 1: _unknown frames that no row fits are selected, too */
    uint8_t reads_ahead;    /* 1: frames and contents are made with their chunk; else when due */
    content_reader *due;    /* makes them then */
    block_pool *blocks;     /* as cursor_options */
    const tape_decoding *decoding;                              /* as cursor_options */
    int (*wants_channel)(void *user, const channel_info *info); /* as there; may be NULL */
    void *user;
    connection_table *connections;
    cursor_stats *stats; /* counted into */
    gap_list *damage;    /* what cannot be read is added */
} source_options;

typedef struct source_ops {
    /* The next chunk by first_ns. TD_EOF: no more for now, or it begins where the hold does. */
    td_result (*next)(void *self, source_chunk *out, td_err *err);
    /* A chunk that was handed out is not used any more. */
    void (*done)(void *self, const source_chunk *chunk);
    /* Read a chunk's bytes. */
    td_result (*read)(const source_chunk *chunk, segment_scratch *scratch, td_buf *out,
                      td_err *err);
    /* The message at *at of them, and move on. TD_EOF; TD_E_CORRUPT: this one cannot be read;
     * others: nor can the rest. */
    td_result (*message)(const source_chunk *chunk, td_bytes bytes, size_t *at,
                         segment_message *out, td_err *err);
    /* Look for new chunks, after next gave TD_EOF; no chunk is being read. TD_OK: there are some;
     * TD_EOF: none. */
    td_result (*poll)(void *self, td_err *err);
    /* Receive time of the newest message of files that are being written; 0: absent. */
    uint64_t (*newest_ns)(const void *self);
    void (*close)(void *self);
} source_ops;

typedef struct source {
    const source_ops *ops;
    void *self;
} source;

/* What the options say about a channel: the selection's answer, narrowed by wants_channel. */
selection_answer source_options_match(const source_options *options, const channel_info *info);

/* Note that [from_ns, to_ns] of a file could not be read, all or in part: a gap of reason corrupt.
 * Before the cursor gives the first frame after it. */
void source_add_damage(const source_options *options, const source_file *file, uint64_t from_ns,
                       uint64_t to_ns);

/* The same of a chunk, or of a part of it, and log and count it. */
void source_skip_chunk(const source_options *options, const source_chunk *chunk, const char *part,
                       const char *why);

#endif
