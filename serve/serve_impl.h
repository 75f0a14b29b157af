/* Private to the replay server: serve.c (server and requests) and serve_client.c (the tape of
 * one client). */
#ifndef TD_SERVE_SERVE_IMPL_H
#define TD_SERVE_SERVE_IMPL_H

#include "base/random.h"
#include "serve/serve.h"
#include "serve/serve_books.h"
#include "tape/content.h"
#include "tape/cursor.h"
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
    content_reader *reader; /* reads frames of unknown topics, and of books */
    snapshot_maker *maker;
    td_buf made; /* a made snapshot */
    td_random random;
    serve_counts counts;
};

typedef enum client_state {
    CLIENT_WAITING,      /* no subscription yet */
    CLIENT_SETTLE_DELAY, /* a timer starts the tape */
    CLIENT_PLAYING,
    CLIENT_DRAINING, /* the tape has ended; its last frames are still queued */
    CLIENT_HOLDING,  /* the tape has ended; the connection stays open */
    CLIENT_CLOSING,
} client_state;

struct serve_client {
    serve *owner;
    serve_client *next, *prev;
    wire_peer_conn *conn;
    const dialect *dialect;
    const char **feed_names; /* feeds at its path, which its tape selects */
    size_t feed_count;
    char path[LIMIT_URL_BYTES];
    char conn_id[DIALECT_CONN_ID_BYTES];
    client_state state;
    uint8_t is_authenticated;
    uint8_t is_complete; /* the last frame was sent */
    topic_filters filters;
    uint32_t filters_version; /* incremented with every change of filters */
    wire_timer *timer;        /* of settle, or of the next frame */
    pacer pacer;
    cursor *tape;
    const frame_ref *frame; /* read, not yet sent; NULL: none */
    uint8_t is_at_end;      /* the tape has no more frames */
    serve_books books;      /* books of its tape, up to the last due frame */
    /* Books that the client subscribed to and that are not current still need snapshots: those
     * after caught_up (NULL: all). */
    uint8_t is_catching_up;
    const serve_book *caught_up;
    uint64_t made; /* snapshots made since it began to catch up */
    /* By channel index, results of the filters: filters_version, shifted, and the result in bit 0.
     */
    uint32_t *verdicts;
    size_t verdict_count;
};

/* Open a client at a path. TD_E_LIMIT. */
TD_MUST_USE td_result serve_client_open(serve *owner, wire_peer_conn *conn, td_bytes path,
                                        serve_client **out, td_err *err);

/* Free a client whose connection is gone. */
void serve_client_close(serve_client *client);

/* The client has more subscriptions: restart its settle delay, or, while the tape runs, let the
 * next pump start with the snapshots of new books. */
void serve_client_subscribed(serve_client *client);

/* The client has fewer subscriptions. */
void serve_client_unsubscribed(serve_client *client);

/* A request was answered: send the snapshots that it brought. */
void serve_client_answered(serve_client *client);

/* Send the due frames, and set a timer for the next one. */
void serve_client_pump(serve_client *client);

/* Close the connection with this code; no more frames are sent. */
void serve_client_end(serve_client *client, unsigned code);

#endif
