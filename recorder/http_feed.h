/* Repeated HTTP requests beside a feed's frames: requests the feed's URLs at intervals and records
 * the replies raw on channels of their own (http.NAME), in order with the frames. Details of an
 * instrument on a day, or the snapshot that a stream of deltas begins at, are not available later.
 *
 * One request at a time, at least LIMIT_HTTP_SPACING_NS apart, LIMIT_HTTP_REPLY_BYTES a reply, 10 s
 * each. A failed request is recorded as an `http` event, logged, and repeated after a wait that
 * grows up to the request's own interval; it never stops the feed. Network thread only. */
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
    wire_loop *loop; /* borrowed, like the rest */
    intake *intake;
    td_clock clock;
    const td_log *log;
    const feed_config *feed;
    uint16_t feed_index;
    redactor *redactor; /* NULL: nothing to hide */
} http_feed_options;

/* No request is sent yet. */
http_feed *http_feed_open(const http_feed_options *options);

/* The feed's subscriptions are answered: request everything now, because the snapshot that the
 * deltas of a new connection continue must be fetched while they arrive. Without a call the first
 * requests are sent 5 s after http_feed_start. */
void http_feed_live(http_feed *self);

/* Start and stop requesting. */
void http_feed_start(http_feed *self);
void http_feed_stop(http_feed *self);

/* Requests that failed so far. */
uint64_t http_feed_failures(const http_feed *self);

/* Free; stopped, or its loop closed. NULL is fine. */
void http_feed_close(http_feed *self);

#endif
