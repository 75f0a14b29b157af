/* State that the connections of a feed share: subscription, credentials, secrets to hide, and the
 * budget of connects to its host. Network thread only. */
#ifndef TD_RECORDER_FEED_SETUP_H
#define TD_RECORDER_FEED_SETUP_H

#include "recorder/capture/redact.h"
#include "recorder/backoff.h"
#include "recorder/config.h"
#include "recorder/http_feed.h"
#include "recorder/instruments.h"
#include "recorder/open_gaps.h"
#include "recorder/subscription.h"

typedef struct feed_setup {
    instruments *listed; /* NULL: no symbol is a pattern */
    subscription subscription;
    const char *api_key,
        *api_secret; /* from the environment; NULL: the feed does not authenticate */
    redactor redactor;
    connect_budget *budget; /* shared by the feeds of one host */
    uint8_t owns_budget;
    open_gaps *gaps; /* gaps and http are set by the supervisor, and closed here */
    http_feed *http;
} feed_setup;

/* Open one setup for each feed of a finished configuration, in the same order. If a feed has
 * secrets, core dumps are disabled. Logs topics that the family does not have (log may be NULL).
 * Lists of instruments are read in the loop, which may be NULL if no symbol is a pattern. *out is
 * the caller's, for feed_setup_close_all(). TD_E_INVALID, TD_E_IO, TD_E_NETWORK: *out is NULL. */
TD_MUST_USE td_result feed_setup_open_all(const recorder_config *config, td_io io, wire_loop *loop,
                                          const td_log *log, feed_setup **out, td_err *err);

/* The steps of feed_setup_open_all, for a caller that reports the errors of every feed: setups
 * without content, and two independent steps for each. The first one sets the credentials, the
 * second one reads the symbols and makes the subscription. */
feed_setup *feed_setup_make_all(size_t count);
TD_MUST_USE td_result feed_setup_read_credentials(const recorder_config *config, size_t index,
                                                  feed_setup *feed, td_err *err);
TD_MUST_USE td_result feed_setup_open_subscription(const recorder_config *config, size_t index,
                                                   td_io io, wire_loop *loop, const td_log *log,
                                                   feed_setup *feed, td_err *err);

/* Close all setups and free the array. NULL is fine. */
void feed_setup_close_all(feed_setup *feeds, size_t count);

#endif
