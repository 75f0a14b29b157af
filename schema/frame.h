/* A frame as tapes and the recorder's ring deliver it to books, observers and exports: its origin,
 * its times and its content. Plain data; the producer documents its lifetime. */
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
    frame_role role;             /* role of its frames */
    const struct family *family; /* NULL if this version does not know it */
    topic_match topic;           /* row NULL for control, events, unknown */
    /* Data frames: the number of the stream (book/conn_choice.h), from 0. A stream may have several
     * channels, which differ in shard, direction, opcode or family. FRAME_NO_STREAM: no stream. */
    uint32_t stream;
    void *user;                       /* for the tape's user; NULL at first */
    struct symbol_topic *topic_state; /* data: for replay/play/stream.h; NULL at first */
} frame_channel;

/* A connection: one object each, so pointers can be compared. Constant. */
typedef struct frame_conn {
    uint32_t session; /* the recording that it belongs to: 1, 2 … */
    uint32_t line, shard;
    uint32_t number;        /* within its slot and session, from 1; 0: unknown, or the frame has no
                               connection */
    const char *session_id; /* 8 hex digits, or the file's name */
    uint64_t since_ns;      /* start of the connection; 0: unknown */
    uint8_t is_recorded;    /* 1: a recorder made the session */
} frame_conn;

/* The content of a frame. It depends only on the frame's bytes, channel and time. */
typedef struct frame_content {
    const struct message *message; /* NULL: not data, or not decodable */
    decode_error why;              /* data: why it is not decodable */
    const classification *what; /* set for a client's requests, control frames and frames without a
                                   topic; else NULL */
} frame_content;

struct event;      /* archive/event.h */
struct tape_block; /* tape/cursor.h */

typedef struct frame_ref {
    uint64_t recv_ns;
    uint64_t ordinal;  /* within its connection and direction, from 1; 0 for events */
    uint64_t position; /* among the frames of the tape, from 0 */
    frame_channel *channel;
    const frame_conn *conn;    /* never NULL */
    const topic_row *row;      /* data: the topic's row at this time; NULL: unknown topic */
    frame_content content;     /* only if is_read */
    td_bytes bytes;            /* followed by DECODE_PADDING_BYTES readable bytes */
    uint64_t publish_ns;       /* exchange time; recv_ns if the frame has no time */
    const struct event *event; /* frames of an events channel; NULL: unreadable */
    struct tape_block *block;  /* keeps the frame and all of its memory; NULL: the producer does */
    uint64_t damaged_until_ns; /* latest time of an unreadable frame of its feed and session, among
                                  the frames before this one; 0: every frame was readable */
    uint64_t granted_ns;    /* the stream (for a copy: its connection) has every frame of its topic
                               since then; 0: unknown */
    uint32_t conn_index;    /* index of its connection in the stream (book/conn_choice.h) */
    uint8_t is_copy;        /* 1: its stream follows another connection */
    uint8_t is_interleaved; /* 1: the frame before is from another of the recorder's sessions, which
                               has later frames, too: their clocks differ */
    uint8_t is_late;        /* 1: recv_ns is too late: overload, or a clock that was set back */
    uint8_t is_lead_in;     /* 1: precedes the selection */
    uint8_t is_read;        /* 1: content is set. Events and HTTP answers have no content. */
} frame_ref;

#endif
