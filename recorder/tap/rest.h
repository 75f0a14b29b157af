/* HTTP requests of clients: each goes to the exchange as it came, its answer to the client, and
 * both to the recording: an `http` event with the URL, for other methods than GET also the method,
 * and the request's body in `detail`; then, of status 200, the answer's body, as one of record's
 * own requests.
 *
 * Not handed on are the fields that are about a connection, and Accept-Encoding, so that the answer
 * can be recorded as it is. An answer has LIMIT_HTTP_REPLY_BYTES at most, and comes whole.
 *
 * Network thread only. */
#ifndef TD_TAP_REST_H
#define TD_TAP_REST_H

#include <stddef.h>
#include <stdint.h>

#include "recorder/tap/relay.h"

/* Names of replies: further ones are called "reply". Requests at a time: further ones get 503,
 * which bounds the memory of their answers. */
enum { REST_NAMES_MAX = 64, REST_OPEN_MAX = 64 };

/* What all requests share. Zero-initialise. */
typedef struct rest_shared {
    char *names[REST_NAMES_MAX];
    size_t name_count;
    size_t open_count;
} rest_shared;
void rest_shared_fini(rest_shared *shared);

typedef struct rest rest;

typedef struct rest_options {
    const relay_env *env;
    const char *url; /* upstream: with the client's path and query */
    rest_shared *shared;
    uint16_t feed_index; /* that it is recorded as */
    redactor *redactor;
} rest_options;

/* A client asks: send the request upstream. NULL: it was refused. */
rest *rest_open(const rest_options *options, wire_conn *client, const wire_request *request);

/* For the server's operations: the client's connection is over. */
void rest_on_closed(void *user);

#endif
