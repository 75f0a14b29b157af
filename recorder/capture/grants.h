/* Tracks the topics that each connection of a feed is subscribed to, for the recorder and import.
 * It turns requests, answers and data frames into `grant` and `grant_end` events. feed_writer
 * writes them before the frame that caused them, and repeats the grants at the beginning of each
 * segment.
 *
 * A topic is granted when the exchange's answer grants it, or when a frame of it arrives. The grant
 * ends when the client unsubscribes, or with the connection. Frames that arrive between an
 * unsubscribe request and its answer change nothing, even if the topic is requested again meanwhile
 * (unless the exchange does not answer such requests). If authentication subscribes to everything,
 * the grant is of topic EVENT_GRANT_ALL; if connections have everything anyway, so does the first
 * frame. Unreadable requests and answers change nothing.
 *
 * At most DIALECT_ARGS_MAX topics are tracked for a connection; a `limit` event notes that there
 * are more.
 *
 * Nothing is allocated per frame of a known topic. One thread. */
#ifndef TD_CAPTURE_GRANTS_H
#define TD_CAPTURE_GRANTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/channel.h"
#include "archive/event.h"
#include "recorder/capture/channel_router.h"
#include "schema/family.h"
#include "schema/trade_grants.h"

typedef struct grants grants;

/* Open the grants of one feed. */
TD_NEVER_NULL grants *grants_open(const family *of);
void grants_close(grants *self); /* NULL is fine */

/* The slot's connection is open, at this URL, which may subscribe to topics (schema/dialect.h):
 * these are granted without an answer. Returns the number of events to write, for grants_event. */
size_t grants_opened(grants *self, uint32_t slot, const event *connect, uint64_t recv_ns);

/* The only topic that the slot's connection ever requested, or was granted, that begins so: the
 * symbol is the same, and the rest of the name begins with '@', '-' or a digit, or is empty. begun
 * "": the only topic at all, of a connection at a bare address. It is the topic of a frame that
 * does not say all of it (classification.is_open). NULL: none or several are, or earlier requests
 * are not known. Valid until the connection's topics change. */
const char *grants_find_begun(const grants *self, uint32_t slot, uint32_t conn, td_bytes begun);

/* The slot's connection is closed: its grants end, without events. slot, here and below: the
 * caller's number of the slot, below LIMIT_FEED_SLOTS. */
void grants_closed(grants *self, uint32_t slot);

/* 1 if frames of this channel change nothing: their topic is granted, or they are neither data,
 * requests nor answers. */
int grants_ignores(const grants *self, const channel_route *route);

/* Time of the last grant on the slot's connection. Since that time the connection has had all of
 * its topics. 0: no topic was granted on it yet. */
uint64_t grants_from_ns(const grants *self, uint32_t slot);

/* When the trades of the channel's symbol ended on the slot's connection, and were granted again.
 */
trade_grant grants_of_trades(const grants *self, uint32_t slot, const channel_info *info);

/* Apply a frame of the slot, routed to its channel. Requests, answers and data may change grants;
 * other frames change nothing. Returns the number of events to write, for grants_event. */
size_t grants_apply(grants *self, uint32_t slot, const feed_frame *frame,
                    const channel_route *route);

/* A segment begins. Returns the number of events that restate the grants, for grants_event. */
size_t grants_restate(grants *self);

/* Event i of the last grants_apply or grants_restate. Its texts are valid until the next call of
 * either. */
event grants_event(const grants *self, size_t i);

/* Numbers of a feed's topics; a topic of several connections counts once. */
typedef struct grants_counts {
    uint64_t granted; /* on a connection that is open */
    uint64_t silent;  /* of these, without a frame since the grant */
    uint64_t overdue; /* of these, without a frame for TOPIC_SILENCE_NS or more since the first
                         grant on any connection, although the topic speaks at once or steadily */
} grants_counts;

/* 1 if the counts may have changed since grants_count; at most once a second. */
int grants_are_due(const grants *self, uint64_t now_ns);

/* Count at a time. *overdue gets the topics that became overdue, each once in the session, joined
 * by ", ". */
grants_counts grants_count(grants *self, uint64_t now_ns, td_buf *overdue);

#endif
