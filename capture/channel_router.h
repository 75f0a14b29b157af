/* From a frame to its channel: classifies the frame, finds or makes its channel, and returns the
 * exchange's time. The recorder's encoder and import share it; one router per feed.
 *
 *   data frame of a known topic      feed/topic/symbol
 *   ack, pong, error, any outbound   feed/_control
 *   HTTP reply                       feed/http.NAME, dir http: raw, never classified
 *   everything else                  feed/_unknown (also a topic that the family has no row for)
 *
 * A channel is made at its first frame and then found by a hash of the exchange's topic string:
 * no allocation per frame of a known channel. Channels are numbered 0, 1, 2 … in order of first
 * sight, and neither number nor channel_info moves until channel_router_forget or close, which is
 * called where a segment begins: ids are a segment's. There are at most LIMIT_TOPIC_CHANNELS
 * channels of topics, of HTTP replies and with a form. Further topics go to _unknown, further
 * forms are left out, and the route says so. The feed's own channels without a form are at most
 * LIMIT_OWN_CHANNELS, so that all of them fit into one segment.
 *
 * One thread per router. */
#ifndef TD_CAPTURE_CHANNEL_ROUTER_H
#define TD_CAPTURE_CHANNEL_ROUTER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/limits.h"
#include "schema/classify.h"
#include "schema/family.h"

typedef struct channel_router channel_router;

/* A frame as it was received or sent. */
typedef struct feed_frame {
    uint32_t line, shard; /* of its slot, below LIMIT_FEED_SLOTS each */
    uint32_t conn;        /* the slot's connection, from 1; 0: of none (CHANNEL_HTTP) */
    channel_dir dir;
    channel_opcode opcode;
    uint32_t form;    /* FORM_* */
    uint64_t ordinal; /* on its connection and direction; 0: the next one */
    uint64_t recv_ns;
    uint64_t complete_ns;  /* as chunk_frame has it */
    td_bytes bytes;        /* DECODE_PADDING_BYTES (schema/decode.h) readable after it */
    const char *http_name; /* CHANNEL_HTTP: name of the reply, of feed_name_char's characters
                              (format/segment_name.h), at most LIMIT_NAME_BYTES with its NUL */
} feed_frame;

/* What users of a channel keep with it; zero where it is made. */
typedef struct channel_slots {
    uint32_t grants_epoch; /* capture/grants.h: in which its topic was found granted */
    void *live;            /* pipeline/live_check.h */
} channel_slots;

/* The frame's channel and class. */
typedef struct channel_route {
    uint32_t index;           /* the channel's number in this router */
    const channel_info *info; /* valid until the router forgets or closes, */
    channel_slots *slots;     /* and so are these */
    frame_role role;          /* channel_role of info */
    enum frame_class frame_class;
    uint64_t publish_ns; /* the exchange's time, recv_ns where the frame has none */
    int8_t success;      /* of an ack or an answer to auth: 1, 0, -1 = absent */
    uint8_t
        is_overflow; /* 1: on _unknown, or without its form, because the feed had no channel left */
} channel_route;

/* A router for a feed (its name is copied, and valid) of a family. */
channel_router *channel_router_open(const char *feed, const family *of);
void channel_router_close(channel_router *router);

/* Classify a frame and find its channel; any bytes are fine. */
void channel_router_route(channel_router *router, const feed_frame *frame, channel_route *out);

/* Default name of the reply to a URL: the last part of its path, with '_' for each character that a
 * name cannot have, cut to fit; "reply" if the path has no such part. */
void channel_router_http_name(td_bytes url, char out[LIMIT_NAME_BYTES]);

/* Forget all channels, because a segment begins: numbers start at 0 again, earlier channel_infos
 * are invalid, and there is space for LIMIT_TOPIC_CHANNELS topics again. */
void channel_router_forget(channel_router *router);

/* The channel of the feed's own events (dir event, slot 0/0), made at the first call. */
void channel_router_events(channel_router *router, channel_route *out);

#endif
