/* Channels: the common attributes of a series of frames. There is one channel per feed, slot,
 * direction, topic, symbol, opcode and form. A segment stores the attributes as the metadata of an
 * MCAP channel. Plain data; any thread. */
#ifndef TD_BASE_CHANNEL_H
#define TD_BASE_CHANNEL_H

#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

typedef enum channel_dir { CHANNEL_IN, CHANNEL_OUT, CHANNEL_HTTP, CHANNEL_EVENT } channel_dir;

/* WebSocket opcodes that a frame can have (RFC 6455, 5.2). */
typedef enum channel_opcode { OPCODE_TEXT = 1, OPCODE_BINARY = 2 } channel_opcode;

/* Bits of channel_info.form: how messages differ from uncompressed, unfragmented frames. */
enum {
    FORM_COMPRESSED = 1, /* permessage-deflate (RFC 7692) */
    FORM_FRAGMENTED = 2, /* sent in several frames (RFC 6455, 5.4) */
    FORM_MADE = 4,       /* snapshots made by `cut`: the exchange did not send them */
    FORM_FETCHED = 8, /* replies to HTTP requests: the snapshots that a topic's frames build on */
};

/* tapedeck's own topics, which no exchange has: for frames without a topic, unclassified frames,
 * and the recorder's events. */
#define CHANNEL_TOPIC_CONTROL "_control"
#define CHANNEL_TOPIC_UNKNOWN "_unknown"
#define CHANNEL_TOPIC_EVENTS  "_events"

/* Identity and attributes of a channel. Strings are NUL-terminated and borrowed. */
typedef struct channel_info {
    const char *feed;
    const char *family;
    uint32_t line;
    uint32_t shard;
    channel_dir dir;
    const char *topic;          /* without the symbol, or one of CHANNEL_TOPIC_* */
    const char *exchange_topic; /* as in the frames; "" for CHANNEL_TOPIC_*, except unknown frames
                                   that name their topic */
    const char *symbol;         /* "" if absent, "*" if a frame may have several */
    channel_opcode opcode;
    uint32_t form;                /* FORM_* */
    const char *message_encoding; /* "json" or "raw" */
} channel_info;

/* Compare by feed, line, shard, dir, topic, symbol, opcode, form: <0, 0, >0. This is the fixed
 * order of channels. Unknown frames with different exchange_topic are of different channels. */
int channel_info_compare(const channel_info *a, const channel_info *b);

/* A copy with texts that live as long as the arena's. */
channel_info channel_info_copy(const channel_info *from, td_arena *in);

/* Roles of a channel's frames. */
typedef enum frame_role {
    ROLE_DATA,    /* inbound frame of a topic */
    ROLE_CONTROL, /* inbound, without a topic: acks, pongs, errors */
    ROLE_UNKNOWN, /* inbound, could not be classified when it was recorded */
    ROLE_OUT,     /* sent by the recorded client */
    ROLE_HTTP,    /* an answer to an HTTP request */
    ROLE_EVENT,   /* an event of the recorder */
} frame_role;

/* The role of a channel's frames, from its direction and topic. */
frame_role channel_role(const channel_info *info);

/* The topic as people read and write it: of unknown frames that name their topic, this name. */
const char *channel_shown_topic(const channel_info *info);

/* The topic as the exchange writes it, as far as it is known. */
const char *channel_exchange_topic(const channel_info *info);

/* 1 for an event channel with the topic `_events`. Readers skip event channels with other topics,
 * such as `_arrivals` of earlier versions. */
int channel_has_events(const channel_info *info);

/* 1 for frames of a topic, including frames whose topic was unknown when they were recorded. */
static inline int frame_role_is_of_topic(frame_role role)
{
    return role == ROLE_DATA || role == ROLE_UNKNOWN;
}

/* channel_dir_name returns a direction's name: "in", "out", "http", "event". channel_dir_parse sets
 * *out to the direction with this name: 1, or 0 for any other text. */
const char *channel_dir_name(channel_dir dir);
int channel_dir_parse(td_bytes name, channel_dir *out);

#endif
