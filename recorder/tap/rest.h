/* Relays HTTP requests of clients: each request is sent to the exchange unchanged, and its answer
 * to the client. Both are recorded: an `http` event with the URL, the method if it is not GET, and
 * the request's body in `detail`; then, if the status is 200, the answer's body, like a reply to
 * one of record's own requests.
 *
 * Header fields that concern the connection are not relayed, nor is Accept-Encoding, so that the
 * answer can be recorded as it is. An answer has at most LIMIT_HTTP_REPLY_BYTES, and is relayed
 * when it is complete.
 *
 * Network thread only. */
#ifndef TD_TAP_REST_H
#define TD_TAP_REST_H

#include <stddef.h>
#include <stdint.h>

#include "recorder/tap/relay.h"

/* REST_NAMES_MAX: names of replies; others are recorded as "reply". REST_OPEN_MAX: unanswered
 * requests; more get status 503, which bounds the memory for answers. */
enum { REST_NAMES_MAX = 64, REST_OPEN_MAX = 64 };

/* State that all requests share. Zero-initialise. */
typedef struct rest_shared {
    char *names[REST_NAMES_MAX];
    size_t name_count;
    size_t open_count;
} rest_shared;
void rest_shared_fini(rest_shared *shared);

typedef struct rest rest;

typedef struct rest_options {
    const relay_env *env;
    const char *url; /* upstream, with the client's path and query */
    rest_shared *shared;
    uint16_t feed_index; /* the feed that records it */
    redactor *redactor;
} rest_options;

/* Send a client's request upstream. NULL: the client got an error. */
rest *rest_open(const rest_options *options, wire_conn *client, const wire_request *request);

/* For the server's operations: the client's connection has ended. */
void rest_on_closed(void *user);

#endif
