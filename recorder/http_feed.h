/* Repeated HTTP requests of a feed: requests its URLs at intervals and records the raw replies on
 * channels of their own (http.NAME), in order with the frames. Some data is not available later: an
 * instrument's details on a day, or the snapshot that deltas build on.
 *
 * One request at a time, at least LIMIT_HTTP_SPACING_NS apart; a reply has at most
 * LIMIT_HTTP_REPLY_BYTES and takes at most 10 s. A failed request is recorded as an `http` event,
 * logged, and repeated after a wait that grows up to the request's interval; it never stops the
 * feed. Network thread only. */
#ifndef TD_RECORDER_HTTP_FEED_H
#define TD_RECORDER_HTTP_FEED_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "recorder/capture/redact.h"
#include "recorder/config.h"
#include "recorder/pipeline/intake.h"
#include "wire/http.h"

typedef struct http_feed http_feed;

typedef struct http_feed_options {
    wire_loop *loop; /* borrowed, like the other pointers */
    intake *intake;
    td_clock clock;
    const td_log *log;
    const feed_config *feed;
    uint16_t feed_index;
    redactor *redactor; /* NULL: nothing to hide */
    /* For the list of instruments (feed->listing); NULL if the feed has no list. list_begin: a
     * reading begins; returns what to append to the URL for its first page. listed: a page was
     * received; returns what to append for the next one, or NULL. Both are valid until the next
     * call. */
    const char *(*list_begin)(void *user, uint16_t feed_index);
    const char *(*listed)(void *user, uint16_t feed_index, td_bytes reply);
    void *user;
} http_feed_options;

/* Open; sends no request yet. */
http_feed *http_feed_open(const http_feed_options *options);

/* The feed's subscription requests are answered: request everything now. A new connection sends
 * deltas, and the snapshot that they build on must be fetched while they arrive. Without this call
 * the first requests are sent 5 s after http_feed_start. */
void http_feed_live(http_feed *self);

/* Start and stop requesting. */
void http_feed_start(http_feed *self);
void http_feed_stop(http_feed *self);

/* Read the list of instruments again, after this many ns at the latest. */
void http_feed_list_again(http_feed *self, uint64_t wait_ns);

/* Failed requests so far. */
uint64_t http_feed_failures(const http_feed *self);

/* Free; call http_feed_stop, or close the loop, first. NULL is fine. */
void http_feed_close(http_feed *self);

#endif
