/* A pass-through for clients: listens, connects each client to the exchange (recorder/tap/relay.h),
 * sends its HTTP requests there (recorder/tap/rest.h), and records all of it
 * (recorder/tap/sessions.h). Feeds are the exchange's families, by the path that a client asks for;
 * each client is a slot of its feed. HTTP requests are of the first feed whose paths begin as
 * theirs do.
 *
 * Network thread only, but for tap_stop. */
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
    const char *archive;        /* its path; borrowed, like the rest */
    const char *upstream;       /* ws://HOST[:PORT] or wss://… */
    const char *upstream_http;  /* http://HOST[:PORT] or https://…; NULL: the same host, but
                                   api.HOST of stream.HOST */
    const char *ca_file;        /* to trust upstream; NULL: the system's CAs */
    wire_server_options server; /* ops and user are the tap's */
    td_clock clock;
    const td_log *log;
} tap_options;

/* Open the first session, and listen. TD_E_INVALID: an upstream that is no server's URL; what the
 * archive and the server give. */
TD_MUST_USE td_result tap_open(const tap_options *options, tap **out, td_err *err);

const wire_server *tap_server(const tap *self);

/* Relay and record until it is stopped. Then close the connections (1001) and end the session.
 * TD_E_IO, TD_E_NOSPACE: not all was recorded. */
TD_MUST_USE td_result tap_run(tap *self, td_err *err);

/* Any thread. */
void tap_stop(tap *self);

/* Connections so far, and what was recorded. */
typedef struct tap_counts {
    uint64_t relayed, refused, requests;
    tap_totals recorded;
} tap_counts;
tap_counts tap_get_counts(const tap *self);

void tap_close(tap *self);

#endif
