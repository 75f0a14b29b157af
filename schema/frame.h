/* A frame as tapes and the recorder's ring buffer deliver it to books, observers and exports: its
 * origin, its times and its content. Plain data; the module that delivers a frame documents how
 * long it is valid. */
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
#include "schema/trade_grants.h"

#define FRAME_NO_STREAM UINT32_MAX

/* A channel, as frames refer to it: one object for all segments of the recording, so pointers can
 * be compared. */
typedef struct frame_channel {
    uint32_t index; /* 0, 1, 2 … in no fixed order, for indexing the user's own tables */
    channel_info info;
    frame_role role;             /* role of the channel's frames */
    const struct family *family; /* NULL if this version does not know it */
    topic_match topic;           /* its row is NULL for control frames, events and unknown topics */
    /* Data frames: the number of the stream (book/conn_choice.h), from 0. A stream may have several
     * channels, which differ in shard, direction, opcode or family. FRAME_NO_STREAM: no stream. */
    uint32_t stream;
    struct tape_topic *tape; /* for the tape's reader (tape/tape_topic.h); NULL at first */
} frame_channel;

/* A connection. Each has one object, so pointers can be compared. Constant. */
typedef struct frame_conn {
    uint32_t session; /* number of the recording that the connection belongs to: 1, 2 … */
    uint32_t line, shard;
    uint32_t number; /* from 1, within the session and the configured connection (line and shard);
                        0: unknown, or the frame has no connection */
    const char *session_id; /* 8 hex digits, or the file's name */
    uint64_t since_ns;      /* start of the connection; 0: unknown */
    uint8_t is_recorded;    /* 1: the session was made by a recorder (0: imported) */
} frame_conn;

/* A number that differs for each connection of a shard: a stream may have connections of several
 * lines (tape/lines.h). */
static inline uint32_t frame_conn_key(const frame_conn *conn)
{
    return conn->line << 24 | conn->number;
}

/* The content of a frame. It depends only on the frame's bytes, channel and time. */
typedef struct frame_content {
    const struct message *message; /* NULL: not data, or not decodable */
    decode_error why;              /* data: why it is not decodable */
    const classification *what; /* set for a client's requests, control frames and frames without a
                                   topic; else NULL */
} frame_content;

struct event;      /* archive/event.h */
struct tape_block; /* tape/block.h */
struct symbol_topic;

typedef struct frame_ref {
    uint64_t recv_ns;
    uint64_t ordinal; /* number within the frame's connection and direction, from 1; 0 for events */
    uint64_t position; /* number among the frames of the tape, from 0 */
    frame_channel *channel;
    const frame_conn *conn;     /* of the stream; never NULL */
    const frame_conn *own_conn; /* that brought it, if it differs from conn (tape/lines.h); else
                                   NULL */
    const topic_row *row;       /* data: the topic's row at this time; NULL: unknown topic */
    frame_content content;      /* only if is_read */
    td_bytes bytes;             /* followed by DECODE_PADDING_BYTES readable bytes */
    uint64_t publish_ns;        /* exchange time; recv_ns if the frame has no time */
    struct symbol_topic *saved; /* the topic's state before this frame, from a checkpoint: frames
                                   since the previous one were removed. NULL: the state continues */
    const struct event *event;  /* set in an events channel; NULL: the event is unreadable */
    struct tape_block *block;   /* the frame's memory stays valid while this block is referenced;
                                   NULL: only the producer holds the memory */
    uint64_t damaged_until_ns;  /* latest receive time of an unreadable frame that precedes this one
                                   in its feed and session; 0: every frame before was readable */
    uint64_t granted_ns;   /* since this time the stream (for a copy: the frame's connection) has
                              every frame of its topic; 0: unknown */
    uint64_t read_from_ns; /* the tape has its feed's frames from this time on, lead-in included */
    uint64_t copied_since_ns; /* only copies of its stream came since this time, and this is another
                                 one, or is from a connection that was not followed then: what they
                                 had is missing. 0: nothing is */
    trade_grant trades;       /* of its symbol, on its connection */
    uint32_t conn_index;      /* index of its connection in the stream (book/conn_choice.h) */
    uint8_t is_copy;          /* 1: the stream is read from another connection, and this frame is a
                                 duplicate */
    uint8_t is_interleaved;   /* 1: the previous frame is from another session of the recorder that
                                 also has later frames; the two sessions' clocks differ */
    uint8_t is_late;     /* 1: recv_ns is later than the true receive time, because of overload or a
                            clock that was set back */
    uint8_t is_doubtful; /* 1: it may be a copy of an earlier frame that came over another line:
                            their bytes are equal, and nothing else tells (tape/lines.h) */
    uint8_t is_lead_in;  /* 1: the frame precedes the selected range */
    uint8_t is_read;     /* 1: content is set. Events and HTTP answers have no content. */
} frame_ref;

/* The connection that brought a frame: its ordinal is of that one. */
static inline const frame_conn *frame_own_conn(const frame_ref *frame)
{
    return frame->own_conn != NULL ? frame->own_conn : frame->conn;
}

#endif
