/* The one frame: from a tape, or from the recorder's ring, to books, observers and
 * exports. It says where a frame came from, when, and what it is. Plain data; whoever makes it says
 * how long it is valid. */
#ifndef TD_SCHEMA_FRAME_H
#define TD_SCHEMA_FRAME_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "schema/classify.h"
#include "schema/decode.h"
#include "schema/family.h"
#include "schema/message.h"
#include "schema/topic.h"

#define FRAME_NO_STREAM UINT32_MAX

/* A channel as frames refer to it: one object for all segments, so pointers can be compared. */
typedef struct frame_channel {
    uint32_t index; /* 0, 1, 2 … in no fixed order; for the user's own tables */
    channel_info info;
    frame_role role;             /* of its frames */
    const struct family *family; /* NULL if this version does not know it */
    topic_match topic;           /* row NULL for control, events, unknown */
    /* Of data: 0, 1, 2 … for each stream (book/conn_choice.h); channels differ in shard, direction,
     * opcode or family besides. FRAME_NO_STREAM: the channel is of no stream. */
    uint32_t stream;
    void *user;                       /* for the reader of the tape; NULL at first */
    struct symbol_topic *topic_state; /* of data, for replay/play/stream.h; NULL at first */
} frame_channel;

/* A connection: one object each, so pointers can be compared. It does not change. */
typedef struct frame_conn {
    uint32_t session; /* which recording it is from: 1, 2 … */
    uint32_t line, shard;
    uint32_t number; /* of its slot and session, from 1; 0: unknown, or the frame is of none */
    const char *session_id; /* as the archive calls it: 8 hex digits, or the file's name */
    uint64_t since_ns;      /* when it began; 0: unknown */
    uint8_t is_recorded;    /* 1: the session is a recorder's */
} frame_conn;

/* The content of a frame. It depends on the frame's bytes, its channel and its time alone. */
typedef struct frame_content {
    const struct message *message; /* NULL: it is no data, or cannot be decoded */
    decode_error why;              /* of data: why not */
    const classification *what;    /* of what the client sent, of control frames, and of those of no
                                      topic; else NULL */
} frame_content;

struct event;      /* archive/event.h */
struct tape_block; /* tape/cursor.h */

typedef struct frame_ref {
    uint64_t recv_ns;
    uint64_t ordinal;  /* on its connection, in and out each from 1; 0 for events */
    uint64_t position; /* among the frames of the tape, from 0 */
    frame_channel *channel;
    const frame_conn *conn;    /* never NULL */
    const topic_row *row;      /* of data: the row that holds at its time; NULL: absent */
    frame_content content;     /* only if is_read */
    td_bytes bytes;            /* DECODE_PADDING_BYTES readable after it */
    uint64_t publish_ns;       /* exchange time; recv_ns where the frame has none */
    const struct event *event; /* of an events channel; NULL: it cannot be read */
    struct tape_block *block; /* keeps the frame and all of its memory; NULL: something else does */
    uint64_t damaged_until_ns; /* last time of a frame of its feed and session that cannot be read,
                                  of those that were met before this one; 0: none */
    uint64_t granted_ns;    /* the stream (of a copy: its connection) has every frame of its topic
                               since then; 0: unknown */
    uint32_t conn_index;    /* of its connection in its stream and line (book/conn_choice.h) */
    uint8_t is_copy;        /* 1: its stream follows another connection */
    uint8_t is_interleaved; /* 1: the frame before was of another session of the recorder, which has
                               later frames, too: their clocks differ */
    uint8_t is_late;        /* 1: recv_ns is late: an overload, or a clock that went back */
    uint8_t is_lead_in;     /* 1: before the selection */
    uint8_t is_read;        /* 1: content is set. Events and HTTP answers have none. */
} frame_ref;

#endif
