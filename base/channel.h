/* Channels: what is known about a stream of frames. One per (feed, slot, direction, topic, symbol,
 * opcode, form); a segment keeps it as the metadata of an MCAP channel. Plain data; any thread. */
#ifndef TD_BASE_CHANNEL_H
#define TD_BASE_CHANNEL_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

typedef enum channel_dir { CHANNEL_IN, CHANNEL_OUT, CHANNEL_HTTP, CHANNEL_EVENT } channel_dir;

/* WebSocket opcodes that a frame can have (RFC 6455, 5.2). */
typedef enum channel_opcode { OPCODE_TEXT = 1, OPCODE_BINARY = 2 } channel_opcode;

/* What messages are, if not frames as they came: bits of channel_info.form. */
enum {
    FORM_COMPRESSED = 1, /* permessage-deflate (RFC 7692) */
    FORM_FRAGMENTED = 2, /* in several frames (RFC 6455, 5.4) */
    FORM_MADE = 4,       /* snapshots made by `cut`: the exchange did not send them */
};

/* Topics that no exchange has: where frames without a topic, unclassified ones and our own events
 * go. */
#define CHANNEL_TOPIC_CONTROL "_control"
#define CHANNEL_TOPIC_UNKNOWN "_unknown"
#define CHANNEL_TOPIC_EVENTS  "_events"

/* Identity and attributes of a channel. Strings are NUL-terminated and borrowed from the maker of
 * it. */
typedef struct channel_info {
    const char *feed;
    const char *family;
    uint32_t line;
    uint32_t shard;
    channel_dir dir;
    const char *topic;          /* without the symbol, or one of CHANNEL_TOPIC_* */
    const char *exchange_topic; /* as in the frames; "" for CHANNEL_TOPIC_* */
    const char *symbol;         /* "" if none, "*" if a frame may hold several */
    channel_opcode opcode;
    uint32_t form;                /* FORM_* */
    const char *message_encoding; /* "json" or "raw" */
} channel_info;

/* <0, 0, >0 by feed, line, shard, dir, topic, symbol, opcode, form: the fixed order of channels. */
int channel_info_compare(const channel_info *a, const channel_info *b);

/* What the frames of a channel are. */
typedef enum frame_role {
    ROLE_DATA,    /* inbound frame of a topic */
    ROLE_CONTROL, /* inbound, without a topic: acks, pongs, errors */
    ROLE_UNKNOWN, /* inbound, and could not be classified when it was written */
    ROLE_OUT,     /* what the recorded client sent */
    ROLE_HTTP,    /* an answer to an HTTP request, from captures that have such */
    ROLE_EVENT,   /* the recorder's own */
} frame_role;

frame_role channel_role(const channel_info *info);

/* 1 for a channel of events that readers know. They skip ROLE_EVENT channels of other topics, such
 * as `_arrivals`, which earlier versions wrote. */
int channel_has_events(const channel_info *info);

/* 1 for frames of a topic, also of one that was unknown when they were written. */
static inline int frame_role_is_of_topic(frame_role role)
{
    return role == ROLE_DATA || role == ROLE_UNKNOWN;
}

/* "in", "out", "http", "event"; and back (0 if it is not one of them). */
const char *channel_dir_name(channel_dir dir);
int channel_dir_parse(td_bytes name, channel_dir *out);

#endif
