/* From a frame to its channel: classifies the frame, finds or makes its channel, and returns the
 * exchange's time. The recorder's encoder and import share it; one router per feed.
 *
 *   data frame of a known topic      feed/topic/symbol
 *   ack, pong, error, any outbound   feed/_control
 *   HTTP reply                       feed/http.NAME, dir http: raw, never classified
 *   everything else                  feed/_unknown (also a topic that the family has no row for)
 *
 * A channel is made at its first frame and then found by a hash of the exchange's topic string:
 * no allocation per frame of a known channel. Channels are numbered 1, 2 … in order of first sight,
 * and neither number nor channel_info moves until channel_router_forget or close, which is called
 * where a segment begins: ids are a segment's. The channel of events is 0, and stays until close.
 * There are at most LIMIT_TOPIC_CHANNELS channels of topics, of HTTP replies and with a form.
 * Further topics go to _unknown, further forms are left out, and is_overflow is set. The feed's own
 * channels without a form are at most LIMIT_OWN_CHANNELS, so that all of them fit into one segment.
 *
 * One thread per router. */
#ifndef TD_CAPTURE_CHANNEL_ROUTER_H
#define TD_CAPTURE_CHANNEL_ROUTER_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/channel.h"
#include "base/err.h"
#include "base/limits.h"
#include "format/chunk_builder.h"
#include "schema/classify.h"
#include "schema/family.h"

typedef struct channel_router channel_router;

/* What users of a channel keep with it; zero where it is made. */
typedef struct channel_slots {
    uint32_t grants_epoch; /* recorder/capture/grants.h: in which its topic was found granted */
    void *live;            /* recorder/pipeline/live_check.h */
} channel_slots;

/* What the router found besides the frame's channel. */
typedef struct channel_route {
    channel_slots *slots; /* the channel's; valid as long as its info */
    frame_role role;      /* channel_role of the info */
    enum frame_class frame_class;
    uint8_t
        is_overflow; /* 1: on _unknown, or without its form, because the feed had no channel left */
} channel_route;

/* A router for a feed (its name is copied, and valid) of a family. */
channel_router *channel_router_open(const char *feed, const family *of);
void channel_router_close(channel_router *router);

/* Classify a frame, and set its channel, info and publish_ns; any bytes are fine, with
 * DECODE_PADDING_BYTES (schema/decode.h) readable after them. */
void channel_router_route(channel_router *router, feed_frame *frame, channel_route *out);

/* Default name of the reply to a URL: the last part of its path, with '_' for each character that a
 * name cannot have, cut to fit; "reply" if the path has no such part. */
void channel_router_http_name(td_bytes url, char out[LIMIT_NAME_BYTES]);

/* Forget all channels, because a segment begins: numbers start at 1 again, earlier channel_infos
 * are invalid, and there is space for LIMIT_TOPIC_CHANNELS topics again. */
void channel_router_forget(channel_router *router);

/* The channel of the feed's own events (dir event, slot 0/0), whose number is 0. */
const channel_info *channel_router_events(const channel_router *router);

#endif
