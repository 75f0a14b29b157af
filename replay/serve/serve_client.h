/* One client of a replay server: its subscriptions, which frames it wants, and which books are
 * current. One thread. */
#ifndef TD_SERVE_SERVE_CLIENT_H
#define TD_SERVE_SERVE_CLIENT_H

#include "replay/serve/serve_books.h"
#include "replay/serve/serve_state.h"
#include "schema/filters.h"
#include "schema/heartbeats.h"

typedef enum client_state {
    CLIENT_WAITING,      /* no subscription yet */
    CLIENT_SETTLE_DELAY, /* its tape has a start time */
    CLIENT_PLAYING,
    CLIENT_DRAINING, /* the tape has ended; its last frames are still queued */
    CLIENT_CUTTING,  /* its last frames are still queued; then it is cut off, as recorded */
    CLIENT_HOLDING,  /* the tape has ended; the connection stays open */
    CLIENT_CLOSING,
} client_state;

typedef struct serve_client {
    serve *owner;
    struct serve_client *next;
    wire_conn *conn;
    /* That it means, a feed of it; NULL: several are at its path, and no request told which. */
    const served_feed *server;
    const dialect *dialect;  /* the server's; of none, that of its last request */
    const char **feed_names; /* feeds at its server */
    size_t feed_count;
    uint8_t is_ambiguous; /* 1: its last request fits several servers */
    const char *path;     /* path at which it connected, a constant text */
    uint8_t is_bare;      /* 1: the path has bare frames */
    char conn_id[DIALECT_CONN_ID_BYTES];
    client_state state;
    uint64_t counted; /* next number of its frames, if the exchange numbers them */
    char address[WIRE_ADDRESS_BYTES];
    wire_timer *topic_timer; /* until it has a topic (serve_topicless.h) */
    uint8_t is_watched;      /* 1: it had no topic of the recording so far */
    char *first_asked;       /* its first request, shortened and without secrets; NULL: none */
    heartbeats heartbeats;   /* spoken NULL: before it means one server */
    wire_timer *heartbeat_timer;
    uint8_t is_authenticated;
    uint8_t has_ordered; /* 1: it has sent a request about an order */
    uint8_t is_complete; /* 1: the last frame was sent */
    topic_filters filters;
    uint32_t filters_version; /* incremented by every change of filters */
    struct serve_tape *tape;  /* NULL: no tape yet */
    early_commands early;     /* for its tape, until that begins */
    struct serve_client *tape_next;
    /* 1: the client subscribed to books that are not current, so it needs snapshots. */
    uint8_t is_catching_up;
    uint64_t made;         /* snapshots made since is_catching_up was set */
    uint8_t is_waited_for; /* 1: its late tape waits for it; held_ns: total waits */
    uint64_t held_ns;
    /* By index of its tape's books: 1 if the client received the book's snapshot and every later
     * frame, so that it can apply deltas. */
    uint8_t *is_current;
    size_t is_current_count;
    struct client_slot *slots;
    size_t slot_count;
    struct serve_order *orders; /* in order of arrival */
    size_t order_count;
    struct late_request *late; /* requests whose recorded answers are not due yet (serve_late.h) */
    size_t late_count;
    wire_timer *late_timer;
    /* By channel index, results of the filters: filters_version << 1, with the result in bit 0. */
    uint32_t *verdicts;
    size_t verdict_count;
} serve_client;

/* A frame for the clients of a tape. */
typedef struct served_frame {
    const frame_ref *frame;
    td_bytes topic;   /* topic in a frame of an unknown topic; empty: absent */
    serve_book *book; /* the topic's book; NULL: no book */
    uint8_t is_snapshot;
    wire_outgoing message;
} served_frame;

/* Add a client at a served path. */
TD_NEVER_NULL serve_client *serve_client_open(serve *owner, wire_conn *conn, td_bytes path);

/* Free a client whose connection is closed and which has no tape. */
void serve_client_close(serve_client *client);

/* Find out by a request or by the client's URL which server it means, unless that is known. */
void serve_client_choose(serve_client *client, td_bytes frame);
void serve_client_choose_by_url(serve_client *client, td_bytes names, td_bytes query);

/* 1 if a feed is at the client's server. */
int serve_client_has_feed(const serve_client *client, const char *feed);

/* 1 if the client's subscriptions cover a topic that the recording has, or may cover one. */
int serve_client_has_topics(const serve_client *client);

/* 1 if the client's subscriptions cover a topic. */
int serve_client_covers(const serve_client *client, const char *feed, const char *exchange_topic);

/* Let the client get snapshots of its books that are not current. */
void serve_client_catch_up(serve_client *client);

/* Call after the client's filters changed: books that the filters no longer cover become not
 * current. books: the books of the client's tape, or NULL. */
void serve_client_filters_changed(serve_client *client, const serve_books *books);

/* 1 if the client plays and wants this frame. */
int serve_client_wants(serve_client *client, const served_frame *served);

/* 1 if the client needs a snapshot of a book. */
int serve_client_needs(serve_client *client, const serve_book *b);

/* Send a message, with a number of this client if the exchange numbers frames. Closes a client that
 * reads too slowly. */
void serve_client_put(serve_client *client, wire_outgoing *out);

/* Send a frame if the client wants it. */
void serve_client_send(serve_client *client, served_frame *served);

/* Send a book's made snapshot; out NULL: it cannot be made, only mark the book as current. */
void serve_client_send_made(serve_client *client, const serve_book *b, wire_outgoing *out);

/* 1 if the end of a recorded connection in this slot also ends the client's connection: the client
 * got frames from the slot, or it has subscriptions at a path of the feed and got no frames from
 * the feed's other slots. */
int serve_client_has_slot(const serve_client *client, const char *feed, uint32_t shard);

/* End the client's connection as the recorded connection ended, after its queued messages; code 0:
 * without a close frame. */
void serve_client_disconnect(serve_client *client, unsigned code);

/* 1 if the client may send requests about orders: it has logged in, or each of its requests is
 * signed. */
int serve_client_may_order(const serve_client *client);

/* Handle a request about orders of a client that may send it: send the recorded answer. */
void serve_client_ask(serve_client *client, const dialect_request *request);

/* Send a recorded answer to a request about orders, with the id of the client's own request (JSON
 * text). */
void serve_client_answer(serve_client *client, td_bytes recorded, td_bytes id_raw);

/* Call when the client's queue is empty. */
void serve_client_drained(serve_client *client);

/* Forget what the client received, because its tape moves to another position. */
void serve_client_restart(serve_client *client);

/* The client's tape has ended: close the connection once everything is sent, or hold it open. */
void serve_client_finish(serve_client *client);

/* Close the connection with this code and reason; no more frames are sent. */
void serve_client_end(serve_client *client, unsigned code, const char *reason);

#endif
