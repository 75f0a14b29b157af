/* State that the connections of a feed share: subscription, credentials, secrets to hide, and the
 * budget of connects to its host. Network thread only. */
#ifndef TD_RECORDER_FEED_SETUP_H
#define TD_RECORDER_FEED_SETUP_H

#include <stdatomic.h>

#include "archive/archive.h"
#include "recorder/capture/redact.h"
#include "recorder/backoff.h"
#include "recorder/config.h"
#include "recorder/instruments.h"
#include "recorder/subscription.h"
#include "base/url.h"
#include "wire/loop.h"

typedef struct feed_setup {
    instruments *listed; /* NULL: no symbol is a pattern */
    subscription subscription;
    /* From the environment; NULL: the feed does not authenticate, or has no passphrase. */
    const char *api_key, *api_secret, *api_passphrase;
    redactor redactor;
    connect_budget *budget; /* of the host */
    uint8_t waits; /* 1: its list of instruments could not be read, and it has no symbols of
                      patterns yet */
} feed_setup;

/* What setting up a feed uses. All borrowed for the call. */
typedef struct feed_setup_env {
    td_io io;
    wire_loop *loop;   /* reads lists of instruments; NULL: no symbol is a pattern */
    const td_log *log; /* gets warnings; may be NULL */
    archive *past;     /* if a list cannot be read, the feed's symbols in this archive are used
                          instead; NULL: it must be read */
    const atomic_int *is_stopped; /* as in first_listing_read */
    uint8_t may_wait;             /* 1: a feed whose list cannot be read gets its symbols later */
} feed_setup_env;

/* Open one setup for each feed of a finished configuration, in the same order, followed by empty
 * ones: LIMIT_FEEDS in all. A feed whose list of instruments cannot be read waits for it, unless
 * all feeds do. If a feed has secrets, core dumps are disabled. Logs topics that the family does
 * not have. *out is the caller's, for feed_setup_close_all(). TD_E_INVALID, TD_E_IO, TD_E_NETWORK:
 * *out is NULL. */
TD_MUST_USE td_result feed_setup_open_all(const recorder_config *config, const feed_setup_env *env,
                                          feed_setup **out, td_err *err);

/* Check a finished configuration without the network and an archive: credentials, files, topics.
 * Symbols that a list of instruments decides are not checked. Logs nothing. TD_E_INVALID, TD_E_IO.
 */
TD_MUST_USE td_result feed_setup_check_all(const recorder_config *config, td_io io, td_err *err);

/* Warn of listed names that cannot be symbols, if they are new. */
void feed_setup_log_odd(const feed_config *from, const instruments *listed, const td_log *log);

/* Open a single one, which must be empty. */
TD_MUST_USE td_result feed_setup_open(const recorder_config *config, size_t index,
                                      const feed_setup_env *env, feed_setup *out, td_err *err);

/* What the exchange limits connections to: the feed's host, in lower case; "" for a server on this
 * machine, whose feeds share no limit. */
void feed_setup_host(const feed_config *from, char out[TD_HOST_BYTES]);

/* Make the subscription of a feed. listed: as in symbols_open. TD_E_INVALID, TD_E_LIMIT, TD_E_IO.
 */
TD_MUST_USE td_result feed_setup_choose_topics(const recorder_config *config, size_t index,
                                               const feed_setup_env *env, const instruments *listed,
                                               subscription *out, td_err *err);

/* The steps of feed_setup_open, for a caller that reports the errors of every feed: LIMIT_FEEDS
 * setups without content, and two independent steps for each. The first one sets the credentials,
 * the second one reads the symbols and makes the subscription. */
feed_setup *feed_setup_make_all(void);
TD_MUST_USE td_result feed_setup_read_credentials(const recorder_config *config, size_t index,
                                                  feed_setup *feed, td_err *err);
TD_MUST_USE td_result feed_setup_open_subscription(const recorder_config *config, size_t index,
                                                   const feed_setup_env *env, feed_setup *feed,
                                                   td_err *err);

/* Close all setups and free the array. NULL is fine. */
void feed_setup_close_all(feed_setup *feeds);

#endif
