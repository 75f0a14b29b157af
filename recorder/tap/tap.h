/* A pass-through for clients: listens, connects each client to the exchange (recorder/tap/relay.h),
 * sends its HTTP requests there (recorder/tap/rest.h), and records everything
 * (recorder/tap/sessions.h). Each family of the exchange is a feed, and so is each path that no
 * family has (recorder/tap/routes.h); each client is a slot of its feed.
 *
 * Network thread only, except tap_stop. */
#ifndef TD_TAP_TAP_H
#define TD_TAP_TAP_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "recorder/tap/sessions.h"
#include "wire/server.h"

typedef struct tap tap;

typedef struct tap_options {
    const char *archive;       /* its path; borrowed, like the other pointers */
    const char *upstream;      /* ws://HOST[:PORT] or wss://… */
    const char *upstream_http; /* http://HOST[:PORT] or https://…; NULL: upstream's host, with "api"
                                  instead of a leading "stream" */
    /* As in tap_routes_options. */
    const char *const *families;
    size_t family_count;
    const char *const *raw_topics;
    size_t raw_count;
    const char *ca_file;        /* CA to trust for upstream; NULL: the system's CAs */
    wire_server_options server; /* ops and user are set by the tap */
    td_clock clock;
    const td_log *log;
} tap_options;

/* Open the first session, and listen. TD_E_INVALID: an upstream is not a URL of a server; also
 * errors of tap_routes_open, the archive and the server. */
TD_MUST_USE td_result tap_open(const tap_options *options, tap **out, td_err *err);

/* The listening server, owned by the tap; NULL after tap_run. */
const wire_server *tap_server(const tap *self);

/* Relay and record until stopped; then close the connections (1001) and end the session. TD_E_IO,
 * TD_E_NOSPACE: not everything was recorded. */
TD_MUST_USE td_result tap_run(tap *self, td_err *err);

/* Ask a running tap to stop. Any thread. */
void tap_stop(tap *self);

/* Connections and requests so far, and totals of the recording. */
typedef struct tap_counts {
    uint64_t relayed, refused, requests;
    uint64_t raw; /* relayed connections whose path no family has, or several have */
    tap_totals recorded;
} tap_counts;
tap_counts tap_get_counts(const tap *self);

/* Free. */
void tap_close(tap *self);

#endif
