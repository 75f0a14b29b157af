/* Assigns frames to channels: classifies a frame, finds or makes its channel, and returns the
 * exchange's time. The recorder's encoder and import share it; one router per feed.
 *
 *   data frame of a known topic      feed/topic/symbol
 *   ack, pong, error, any outbound   feed/_control
 *   HTTP reply                       feed/http.NAME, dir http: raw, never classified
 *   reply with a topic's snapshot    feed/topic/symbol, with FORM_FETCHED
 *   data frame of another topic      feed/_unknown/topic: what the frame calls its topic
 *   everything else                  feed/_unknown
 *
 * A channel is made at its first frame and then found by a hash of the exchange's topic string: a
 * frame of a known channel allocates nothing. Channels are numbered 1, 2 … in the order of their
 * first frames. Channel ids belong to a segment: channel_router_forget, which is called when a
 * segment begins, starts the numbers again; until then a channel's number and the address of its
 * channel_info stay the same. The channel of events is number 0, until close.
 *
 * At most LIMIT_TOPIC_CHANNELS channels have a topic, an HTTP reply's name or a form (FORM_*:
 * compressed, fragmented, made by `cut`). Beyond that, topics go to _unknown and forms are dropped,
 * with is_overflow set; topics that the family does not have do so beyond half of this limit. The
 * feed's own channels (_control, _unknown) without a form are at most
 * LIMIT_OWN_CHANNELS, so a segment always has an id for them.
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

/* Notes that the router's users keep with a channel; zero at first. */
typedef struct channel_notes {
    uint32_t grants_epoch; /* the epoch of recorder/capture/grants.h in which the channel's topic
                              was found to be granted */
    void *live;            /* the channel's state in recorder/pipeline/live_channels.h */
} channel_notes;

/* Result of routing, besides the frame's channel. */
typedef struct channel_route {
    channel_notes *notes; /* notes of the frame's channel; valid as long as its info */
    frame_role role;      /* the frame's role: channel_role of its channel's info */
    enum frame_class frame_class;
    /* 1: the segment had no channel left, so the frame was routed to _unknown, or to a channel that
     * does not note the frame's form (FORM_*) */
    uint8_t is_overflow;
    /* The frame's row, if entries are of other symbols than the channel's, which is that of the
     * first entry: readers of these symbols do not see the frame. Else NULL. */
    const topic_row *several;
} channel_route;

/* Open a router for a feed of a family. The name is copied; it must be valid
 * (format/segment_name.h). */
channel_router *channel_router_open(const char *feed, const family *of);
void channel_router_close(channel_router *router);

/* The topic of a frame that names only its beginning (classification.is_open), from the topics of
 * the frame's connection; NULL: unknown. The text is valid until these change. */
typedef const char *find_begun_fn(void *user, const feed_frame *frame, td_bytes begun);

/* Ask this function from now on. Without it such frames are of unknown topics. */
void channel_router_ask(channel_router *router, find_begun_fn *find, void *user);

/* Classify a frame; set its channel, info and publish_ns. The frame may hold any bytes, with
 * DECODE_PADDING_BYTES (schema/decode.h) readable after them. */
void channel_router_route(channel_router *router, feed_frame *frame, channel_route *out);

/* Default name of the reply to a URL: the last component of its path, cut to fit, with '_' for each
 * character that a name cannot have; "reply" if the path has no component. */
void channel_router_http_name(td_bytes url, char out[LIMIT_NAME_BYTES]);

/* A segment begins: forget all channels. Numbers start at 1 again, earlier channel_infos are
 * invalid, and LIMIT_TOPIC_CHANNELS channels are available again. */
void channel_router_forget(channel_router *router);

/* The channel of the feed's own events (dir event, slot 0/0), whose number is 0. */
const channel_info *channel_router_events(const channel_router *router);

#endif
