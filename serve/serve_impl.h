/* Inside of the replay server: serve.c (the server, requests) and serve_client.c (one client's
 * tape). */
#ifndef TD_SERVE_SERVE_IMPL_H
#define TD_SERVE_SERVE_IMPL_H

#include "base/random.h"
#include "serve/serve.h"
#include "serve/serve_books.h"
#include "tape/content.h"
#include "tape/tape.h"
#include "schema/filters.h"
#include "schema/responder.h"

typedef struct serve_client serve_client;

struct serve {
    serve_options options;
    wire_server *server;
    serve_client *clients;
    size_t client_count;
    uint8_t is_stopping;
    responder *responder;
    content_reader *reader; /* of frames filed as unknown, and of books */
    snapshot_maker *maker;
    td_buf made; /* a snapshot */
    td_random random;
    serve_counts counts;
};

typedef enum client_state {
    CLIENT_WAITING,      /* nothing was subscribed to yet */
    CLIENT_SETTLE_DELAY, /* the timer starts the tape */
    CLIENT_PLAYING,
    CLIENT_DRAINING, /* the tape has ended, and its last frames are on their way out */
    CLIENT_HOLDING,  /* the tape has ended, and the connection stays open */
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
    uint8_t is_complete; /* closed with 1000 after the last frame */
    topic_filters filters;
    uint32_t filters_version; /* changes with every change of filters */
    wire_timer *timer;        /* settle, or the next frame */
    pacer pacer;
    tape *tape;
    tape_frame frame; /* read and not yet sent */
    uint8_t has_frame;
    uint8_t is_at_end; /* the tape has no more frames */
    serve_books books; /* of its tape, up to the last frame that was due */
    /* Snapshots are to be made for books that the client has subscribed to and that are not
     * current: after that one (NULL: from the first on). */
    uint8_t is_catching_up;
    const serve_book *caught_up;
    uint64_t made;      /* since it began to catch up */
    uint32_t *verdicts; /* by channel index: the last results of the filters */
    size_t verdict_count;
};

/* A client of this feed's path. TD_E_NOMEM. */
TD_MUST_USE td_result serve_client_open(serve *owner, wire_peer_conn *conn, td_bytes path,
                                        serve_client **out, td_err *err);

/* The connection is gone. */
void serve_client_close(serve_client *client);

/* It has more subscriptions: (re)start its delay, or, if the tape runs already, let the next
 * pump begin with the snapshots of books that are new to it. */
void serve_client_subscribed(serve_client *client);

/* It has fewer subscriptions. */
void serve_client_unsubscribed(serve_client *client);

/* A request was answered: send at once what it brought. */
void serve_client_answered(serve_client *client);

/* Send what is due, and see to it that the rest is sent when it is. */
void serve_client_pump(serve_client *client);

/* Say good-bye with this code, without sending more of the tape. */
void serve_client_end(serve_client *client, unsigned code);

#endif
