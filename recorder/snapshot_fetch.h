/* Snapshots of books whose frames are deltas only (topic_row.snapshot_request): requests them over
 * HTTP when a topic is granted and when its book is broken, and passes them on, to be recorded as
 * frames of the topic.
 *
 * The exchange's HTTP servers lag behind the stream: a snapshot that is older than the first delta
 * cannot be used. So a request is sent some time after the grant or the loss, when some deltas have
 * arrived.
 *
 * One request at a time, at least SNAPSHOT_SPACING_NS apart; a reply has at most
 * LIMIT_HTTP_REPLY_BYTES and takes at most 10 s. A failed request, or a reply that is no snapshot,
 * is recorded as an `http` event, logged, and repeated after a growing wait; after HTTP status 403
 * or 429 all topics wait. Network thread only. */
#ifndef TD_RECORDER_SNAPSHOT_FETCH_H
#define TD_RECORDER_SNAPSHOT_FETCH_H

#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"
#include "recorder/config.h"
#include "recorder/heal.h"
#include "recorder/pipeline/intake.h"
#include "wire/http.h"

/* How long after the grant, or the loss, a snapshot is requested. */
#define SNAPSHOT_WAIT_NS (2 * TD_NS_PER_S)

/* The least time between two requests: many books may need a snapshot when a connection begins, and
 * the exchange allows 120 requests a second. */
#define SNAPSHOT_SPACING_NS (TD_NS_PER_S / 5)

/* How many topics may wait; further ones are not requested until they are broken again. */
enum { SNAPSHOT_FETCH_MAX = HEAL_TOPICS_MAX };

typedef struct snapshot_fetch snapshot_fetch;

typedef struct snapshot_fetch_options {
    wire_loop *loop; /* borrowed, like the other pointers */
    intake *intake;
    td_clock clock;
    const td_log *log;
    const recorder_config *config;
    /* Returns the topic's text while its slot is live, or NULL: no snapshot is needed. */
    const char *(*wanted)(void *user, const heal_topic *of);
    /* The topic's snapshot was received, after its `http` event. */
    void (*put)(void *user, const heal_topic *of, td_bytes reply, uint64_t recv_mono_ns);
    void *user;
} snapshot_fetch_options;

/* Nothing is fetched at first. The options are copied; what they point to is borrowed. */
snapshot_fetch *snapshot_fetch_open(const snapshot_fetch_options *options);
void snapshot_fetch_close(snapshot_fetch *self); /* NULL is fine */

/* 1 if the topic's snapshot must be requested. */
int snapshot_fetch_has(const feed_config *feed, const char *topic);

/* Request a topic's snapshot, SNAPSHOT_WAIT_NS from now. A request of the topic that waits already
 * is sent then. */
void snapshot_fetch_add(snapshot_fetch *self, const heal_topic *of);

/* Send no further requests. */
void snapshot_fetch_stop(snapshot_fetch *self);

/* Failed requests so far; 0 for NULL. */
uint64_t snapshot_fetch_failures(const snapshot_fetch *self);

#endif
