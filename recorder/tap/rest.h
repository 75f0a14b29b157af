/* Relays HTTP requests of clients: each request is sent to the exchange unchanged, and the
 * exchange's answer to the client. Both are recorded. First an `http` event is written, with the
 * URL, the method if it is not GET, and the request's body in `detail`. Then, if the status is 200,
 * the answer's body is written, like the reply to a request that `record` sends. The snapshot of a
 * book that a client has requested on a connection (recorder/capture/fetched_books.h) becomes a
 * frame of that connection.
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

/* REST_NAMES_MAX: number of names of replies; replies with further names are recorded as "reply".
 * REST_OPEN_MAX: number of unanswered requests; further requests get status 503, so that the memory
 * for answers is bounded. */
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
    uint16_t feed_index; /* feed in which the request is recorded */
    redactor *redactor;
} rest_options;

/* Send a client's request upstream. NULL: the client got an error. */
rest *rest_open(const rest_options *options, wire_conn *client, const wire_request *request);

/* For the server's operations: the client's connection has ended. */
void rest_on_closed(void *user);

#endif
