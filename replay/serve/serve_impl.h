/* Private to the replay server: serve.c (server and requests), serve_tape.c (frames and when they
 * are sent), which calls serve_client.c (one client's subscriptions and books), and
 * serve_control.c. */
#ifndef TD_SERVE_SERVE_IMPL_H
#define TD_SERVE_SERVE_IMPL_H

#include "base/log_rate.h"
#include "base/random.h"
#include "replay/serve/serve.h"
#include "replay/serve/serve_books.h"
#include "replay/serve/serve_rebase.h"
#include "tape/reply_list.h"
#include "tape/block.h"
#include "tape/channel_table.h"
#include "tape/content.h"
#include "tape/cursor.h"
#include "schema/filters.h"
#include "schema/responder.h"

typedef struct serve_client serve_client;
typedef struct serve_tape serve_tape;

struct serve {
    serve_options options;
    wire_server *server;
    serve_client *clients;
    size_t client_count;
    serve_tape *tapes;  /* newest first */
    block_pool *blocks; /* shared by all tapes: a chunk is in memory once */
    channel_table *channels;
    reply_list replies; /* HTTP */
    uint8_t is_stopping;
    uint8_t is_paused;
    responder *responder;
    json_parser *json;      /* parses recorded answers */
    content_reader *reader; /* reads frames of unknown topics and of books */
    snapshot_maker *maker;
    td_buf made;          /* a made snapshot */
    serve_rebase *rebase; /* NULL: send times as recorded */
    td_buf damaged;       /* a frame's bytes after a fault */
    td_random random;
    serve_counts counts;
    td_log_rate late_log, made_log, unmade_log;
    uint64_t made_logged; /* snapshots made at the last log line */
};

/* ---- clients ---- */

typedef enum client_state {
    CLIENT_WAITING,      /* no subscription yet */
    CLIENT_SETTLE_DELAY, /* its tape has a start time */
    CLIENT_PLAYING,
    CLIENT_DRAINING, /* the tape has ended; its last frames are still queued */
    CLIENT_CUTTING,  /* its last frames are still queued; then it is cut off, as recorded */
    CLIENT_HOLDING,  /* the tape has ended; the connection stays open */
    CLIENT_CLOSING,
} client_state;

/* A slot of the recording from which a client got frames. */
typedef struct client_slot {
    const char *feed; /* the pointer in a frame's channel */
    uint32_t shard;
} client_slot;

/* A request about orders without its recorded answer yet, or the reverse. */
typedef struct serve_order {
    uint8_t is_answer;
    char *topic;
    char *text; /* the answer, or the id of the request */
} serve_order;

struct serve_client {
    serve *owner;
    serve_client *next;
    wire_conn *conn;
    const dialect *dialect;
    const char **feed_names; /* feeds at its path */
    size_t feed_count;
    const char *path; /* constant text */
    char conn_id[DIALECT_CONN_ID_BYTES];
    client_state state;
    uint8_t is_authenticated;
    uint8_t is_complete; /* the last frame was sent */
    topic_filters filters;
    uint32_t filters_version; /* incremented by every change of filters */
    serve_tape *tape;         /* NULL: no tape yet */
    serve_client *tape_next;
    /* 1: the client subscribed to books that are not current, so it needs snapshots. */
    uint8_t is_catching_up;
    uint64_t made;         /* snapshots made since is_catching_up was set */
    uint8_t is_waited_for; /* its late tape waits for it; in all it has waited for held_ns */
    uint64_t held_ns;
    /* By index of its tape's books: 1 if the client received the book's snapshot and every later
     * frame, so that it can apply deltas. */
    uint8_t *is_current;
    size_t is_current_count;
    client_slot *slots;
    size_t slot_count;
    serve_order *orders; /* in order of arrival */
    size_t order_count;
    /* By channel index, results of the filters: filters_version << 1, with the result in bit 0. */
    uint32_t *verdicts;
    size_t verdict_count;
};

/* A frame for the clients of a tape. */
typedef struct served_frame {
    const frame_ref *frame;
    td_bytes topic;   /* topic in a frame of an unknown topic; empty: absent */
    serve_book *book; /* NULL: no followed book */
    uint8_t is_snapshot;
    wire_outgoing message;
} served_frame;

/* The end of a recorded connection. */
typedef struct recorded_end {
    uint64_t recv_ns;
    const char *feed; /* the pointer in a channel */
    uint32_t shard;
    unsigned code;
} recorded_end;

/* A frame that a fault holds back. */
typedef struct held_frame {
    struct held_frame *next;
    uint64_t until_ns;  /* sent before the first frame that was received then or later; or */
    uint8_t is_swapped; /* sent after the next frame of its channel */
    frame_ref frame;
    served_frame served; /* its message's bytes follow this struct */
} held_frame;

/* Add a client at a served path. */
TD_NEVER_NULL serve_client *serve_client_open(serve *owner, wire_conn *conn, td_bytes path);

/* Free a client whose connection is closed and which has no tape. */
void serve_client_close(serve_client *client);

/* 1 if its subscriptions cover a topic. */
int serve_client_covers(const serve_client *client, const char *feed, const char *exchange_topic);

/* Let the client get snapshots of its books that are not current. */
void serve_client_catch_up(serve_client *client);

/* Call after its filters changed: books that they no longer cover are not current. */
void serve_client_filters_changed(serve_client *client);

/* 1 if the client plays and wants this frame. */
int serve_client_wants(serve_client *client, const served_frame *served);

/* 1 if the client needs a snapshot of a book. */
int serve_client_needs(serve_client *client, const serve_book *b);

/* Send a message. Closes a client that reads too slowly. */
void serve_client_put(serve_client *client, wire_outgoing *out);

/* Send a frame if the client wants it. */
void serve_client_send(serve_client *client, served_frame *served);

/* Send a book's made snapshot; out NULL: it cannot be made, only mark the book as current. */
void serve_client_send_made(serve_client *client, const serve_book *b, wire_outgoing *out);

/* 1 if the end of a recorded connection also ends the client's connection: the client got frames
 * from its slot, or it is subscribed at a path of the feed and got no frames from the feed's other
 * slots. */
int serve_client_has_slot(const serve_client *client, const char *feed, uint32_t shard);

/* End its connection as the recorded one ended, after its queued messages; code 0: without a close
 * frame. */
void serve_client_disconnect(serve_client *client, unsigned code);

/* Handle a request about orders: send the recorded answer. */
void serve_client_ask(serve_client *client, const dialect_request *request);

/* Call when its queue is empty. */
void serve_client_drained(serve_client *client);

/* Forget what it received, because its tape moves. */
void serve_client_restart(serve_client *client);

/* Its tape has ended: close the connection once everything is sent, or hold it open. */
void serve_client_finish(serve_client *client);

/* Close the connection with this code and reason; no more frames are sent. */
void serve_client_end(serve_client *client, unsigned code, const char *reason);

/* ---- tapes ---- */

struct serve_tape {
    serve *owner;
    serve_tape *next;
    serve_client *clients;
    const char **feed_names; /* feeds that it selects */
    size_t feed_count;
    uint64_t start_ns;    /* on the clock, when it begins to play */
    uint64_t begin_ns;    /* beginning of its selection; 0: unbounded */
    uint8_t has_shift;    /* its first frame was read, so shift_s is set */
    int64_t shift_s;      /* from the first frame's time to the clock's time */
    uint64_t stalled_ns;  /* on the clock, the end of a stall fault */
    uint8_t is_at_end;    /* no more frames */
    uint64_t waiting_ns;  /* on the clock, since when it waits for clients; 0: it does not */
    uint64_t late_due_ns; /* due time of the frame with which the tape became late; 0: not late */
    size_t away;          /* clients closed by a recorded disconnect that have not returned */
    uint8_t waits_for_return; /* it stops until a client that a disconnect closed returns */
    uint8_t has_frames;       /* it sent a frame since it began, or began again */
    wire_timer *timer;        /* for its start, the next frame, or the wait for clients */
    pacer pacer;
    cursor *cursor;         /* NULL until it starts */
    const frame_ref *frame; /* read, not yet sent; NULL: no frame */
    recorded_end *ends; /* ends of connections; from end_at on, not yet due, all before `frame` */
    size_t end_at, end_count;
    uint64_t at_ns;         /* receive time of the last sent frame; 0: no frame */
    serve_books books;      /* up to the last due frame */
    cursor *missing_reader; /* reads missing books up to its position; NULL: not needed */
    serve_books missing_books;
    held_frame *held; /* in the order in which they were held */
};

/* After a client subscribed: restart its settle delay, or, if its tape plays, let its new books
 * start with snapshots. */
void serve_tape_subscribed(serve_client *client);

/* After a request was answered: send the snapshots that it made necessary. */
void serve_tape_answered(serve_client *client);

/* Call when the client's queue is empty. */
void serve_tape_drained(serve_client *client);

/* Call when the client is closed. */
void serve_tape_leave(serve_client *client);

/* The newest tape that plays, or NULL. */
const serve_tape *serve_newest_tape(const serve *server);

/* The newest tape's position: receive time of its last sent frame, or of its first frame; 0: no
 * tape plays. */
uint64_t serve_position(const serve *server);

/* Apply the changes that a control made to this pacer (speed, pause, steps, a seek) to each tape
 * that plays. Later tapes start with the same speed and pause. */
void serve_tapes_apply_control(serve *server, const pacer *change);

/* Free all tapes; they must have no clients. */
void serve_tapes_close(serve *server);

/* ---- control requests ---- */

#define SERVE_CONTROL "/control/"
/* Answer a GET of a path under SERVE_CONTROL, which changes nothing; 0: another path. */
unsigned serve_control_get(const serve *server, td_bytes path, char text[WIRE_ANSWER_BYTES]);
/* Answer a POST; see wire_server_ops. */
unsigned serve_control_post(void *server, td_bytes path, td_bytes query,
                            char text[WIRE_ANSWER_BYTES]);

#endif
