/* Inside of the replay server: serve.c (the server, requests) and serve_client.c (one client's
 * tape). */
#ifndef TD_REPLAY_SERVE_IMPL_H
#define TD_REPLAY_SERVE_IMPL_H

#include "base/random.h"
#include "replay/serve.h"
#include "schema/decode.h"
#include "tape/tape.h"
#include "wire/dialect.h"
#include "wire/filters.h"

typedef struct serve_client serve_client;

struct serve {
    serve_options options;
    wire_server *server;
    serve_client *clients;
    size_t client_count;
    uint8_t is_stopping;
    request_parser *parser;
    decoder *decoder; /* tells the topics of frames that were filed as unknown */
    td_buf answer;
    td_buf failed; /* of each topic of a request: 1 if it was not taken */
    td_random random;
    serve_counts counts;
};

typedef enum client_state {
    CLIENT_WAITING,  /* nothing was subscribed to yet */
    CLIENT_SETTLING, /* the timer starts the tape */
    CLIENT_PLAYING,
    CLIENT_DRAINING, /* the tape has ended, and its last frames are on their way out */
    CLIENT_CLOSING,
} client_state;

struct serve_client {
    serve *owner;
    serve_client *next, *prev;
    wire_peer_conn *conn;
    const dialect *dialect;
    const char **feed_names; /* at its path; selected by its tape */
    size_t feed_count;
    char path[LIMIT_URL_BYTES];
    char conn_id[DIALECT_CONN_ID_BYTES];
    client_state state;
    uint8_t is_authenticated;
    uint8_t is_complete; /* closed with 1000 behind the last frame */
    wire_filters filters;
    uint32_t filters_version; /* changes with every change of filters */
    wire_timer *timer;        /* settle, or the next frame */
    pacer pacer;
    tape *tape;
    tape_frame frame; /* read and not yet sent */
    uint8_t has_frame;
    uint32_t *verdicts; /* by channel index: what the filters said last */
    size_t verdict_count;
};

/* A client of this feed's path. TD_E_NOMEM. */
TD_MUST_USE td_result serve_client_open(serve *owner, wire_peer_conn *conn, td_bytes path,
                                        serve_client **out, td_err *err);

/* The connection is gone. */
void serve_client_close(serve_client *client);

/* Its subscriptions have changed: (re)start the settling, unless the tape runs already. */
void serve_client_subscribed(serve_client *client);

/* Send what is due, and see to it that the rest is sent when it is. */
void serve_client_pump(serve_client *client);

/* Say good-bye with this code, without sending more of the tape. */
void serve_client_end(serve_client *client, unsigned code);

#endif
