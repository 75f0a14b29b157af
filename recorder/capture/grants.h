/* What a feed's connections are subscribed to, as the recorder and import see it: from requests,
 * answers and the frames themselves to `grant` and `grant_end` events. feed_writer writes these
 * before the frame that shows it, and again at the beginning of each segment.
 *
 * A topic is granted when the exchange's answer says so, or when a frame of it comes. It ends when
 * the client unsubscribes, or with its connection. Frames that are on their way while the answer to
 * unsubscribing is awaited change nothing. Where authenticating brings everything, the grant is of
 * topic EVENT_GRANT_ALL. What cannot be read changes nothing.
 *
 * Of a connection, DIALECT_ARGS_MAX topics are followed; a `limit` event says that there are more.
 *
 * Nothing is allocated per frame of a known topic. One thread. */
#ifndef TD_CAPTURE_GRANTS_H
#define TD_CAPTURE_GRANTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/bytes.h"
#include "base/channel.h"
#include "archive/event.h"
#include "recorder/capture/channel_router.h"
#include "schema/dialect.h"

typedef struct grants grants;

/* For one feed. */
TD_NEVER_NULL grants *grants_open(const dialect *spoken);
void grants_close(grants *self); /* NULL is fine */

/* The slot's connection is closed, and with it end its grants: without an event of each. slot here
 * and below: the caller's number of it, below LIMIT_FEED_SLOTS. */
void grants_closed(grants *self, uint32_t slot);

/* 1 if frames of this channel change nothing: their topic is granted, or they have none. */
int grants_knows(const grants *self, const channel_route *route);

/* Since when the slot's connection has all topics that are granted to it so far; 0: none is. */
uint64_t grants_from_ns(const grants *self, uint32_t slot);

/* Apply a frame of the slot, on its channel: a request, an answer, or one of a topic; all others
 * change nothing. Returns how many events there are to write, for grants_event. */
size_t grants_apply(grants *self, uint32_t slot, const feed_frame *frame,
                    const channel_route *route);

/* A segment begins: its channels are new. Returns how many events restate what is granted, for
 * grants_event. */
size_t grants_restate(grants *self);

/* One of the events of the last grants_apply or grants_restate. Its texts are valid until the next
 * call of either. */
event grants_event(const grants *self, size_t i);

#endif
