/* Private to the replay server: serve.c (server and requests), serve_tape.c (frames, and when they
 * are sent), which calls serve_client.c (what one client wants and has), and serve_control.c. */
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
    serve_tape *tapes;  /* the newest first */
    block_pool *blocks; /* of all tapes: those in the same chunk hold it once */
    channel_table *channels;
    reply_list replies; /* HTTP */
    uint8_t is_stopping;
    uint8_t is_paused;
    responder *responder;
    json_parser *json;      /* of recorded answers */
    content_reader *reader; /* reads frames of unknown topics, and of books */
    snapshot_maker *maker;
    td_buf made;          /* a made snapshot */
    serve_rebase *rebase; /* NULL: times are as recorded */
    td_buf damaged;       /* a frame's bytes after a fault */
    td_random random;
    serve_counts counts;
    td_log_rate late_log, made_log, unmade_log;
    uint64_t made_logged; /* snapshots */
};

/* ---- a client ---- */

typedef enum client_state {
    CLIENT_WAITING,      /* no subscription yet */
    CLIENT_SETTLE_DELAY, /* its tape has a time to start */
    CLIENT_PLAYING,
    CLIENT_DRAINING, /* the tape has ended; its last frames are still queued */
    CLIENT_CUTTING,  /* likewise its connection, as recorded: without a close frame */
    CLIENT_HOLDING,  /* the tape has ended; the connection stays open */
    CLIENT_CLOSING,
} client_state;

/* A slot of the recording, whose frames a client got. */
typedef struct client_slot {
    const char *feed; /* as in a frame's channel */
    uint32_t shard;
} client_slot;

/* A request about orders that waits for its recorded answer, or such an answer for its request. */
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
    const char *path; /* constant */
    char conn_id[DIALECT_CONN_ID_BYTES];
    client_state state;
    uint8_t is_authenticated;
    uint8_t is_complete; /* the last frame was sent */
    topic_filters filters;
    uint32_t filters_version; /* incremented with every change of filters */
    serve_tape *tape;         /* NULL: none yet */
    serve_client *tape_next;
    /* Books that the client subscribed to and that are not current still need snapshots. */
    uint8_t is_catching_up;
    uint64_t made;         /* snapshots made since it began to catch up */
    uint8_t is_waited_for; /* by its tape, which it has held back for held_ns while that was late */
    uint64_t held_ns;
    /* By the numbers of its tape's books: 1 if the client received the book's snapshot and every
     * frame since, so that it can apply deltas. */
    uint8_t *is_current;
    size_t is_current_count;
    client_slot *slots;
    size_t slot_count;
    serve_order *orders; /* in the order in which they came */
    size_t order_count;
    /* By channel index, results of the filters: filters_version, shifted, and the result in bit 0.
     */
    uint32_t *verdicts;
    size_t verdict_count;
};

/* A frame for the clients of a tape. */
typedef struct served_frame {
    const frame_ref *frame;
    td_bytes topic;   /* in a frame of an unknown topic; empty: it has none */
    serve_book *book; /* NULL: it is of no book that is followed */
    uint8_t is_snapshot;
    wire_outgoing message;
} served_frame;

/* The end of a recorded connection. */
typedef struct recorded_end {
    uint64_t recv_ns;
    const char *feed; /* the channel's */
    uint32_t shard;
    unsigned code;
} recorded_end;

/* A frame that a fault keeps back. */
typedef struct held_frame {
    struct held_frame *next;
    uint64_t until_ns;  /* it comes before the first frame that was received then or later; or */
    uint8_t is_swapped; /* it comes after the next one of its channel */
    frame_ref frame;
    served_frame served; /* its message's bytes follow this struct */
} held_frame;

/* A client at a path that is served. */
TD_NEVER_NULL serve_client *serve_client_open(serve *owner, wire_conn *conn, td_bytes path);

/* Free a client whose connection is gone, and which has no tape. */
void serve_client_close(serve_client *client);

/* 1 if its subscriptions cover a topic. */
int serve_client_covers(const serve_client *client, const char *feed, const char *exchange_topic);

/* Snapshots are needed for its books that are not current. */
void serve_client_catch_up(serve_client *client);

/* Its filters have changed: books that they no longer cover are not current. */
void serve_client_filters_changed(serve_client *client);

/* 1 if the client plays, and wants a frame. */
int serve_client_wants(serve_client *client, const served_frame *served);

/* 1 if the client needs a snapshot of a book. */
int serve_client_needs(serve_client *client, const serve_book *b);

/* Send a message. A client that reads too slowly for that is closed. */
void serve_client_put(serve_client *client, wire_outgoing *out);

/* Send a frame, if the client wants it. */
void serve_client_send(serve_client *client, served_frame *served);

/* Send the snapshot that was made of a book. */
void serve_client_send_made(serve_client *client, const serve_book *b, wire_outgoing *out);

/* 1 if the end of a recorded connection is one of the client's: it has subscribed at a path of the
 * feed, and did not get all of the feed's frames from other slots. */
int serve_client_has_slot(const serve_client *client, const char *feed, uint32_t shard);

/* Close its connection as the recorded one was, after what is queued; code 0: without a close
 * frame. */
void serve_client_disconnect(serve_client *client, unsigned code);

/* It sends a request about orders: it gets the recorded answer. */
void serve_client_ask(serve_client *client, const dialect_request *request);

/* Its queue is empty. */
void serve_client_drained(serve_client *client);

/* Nothing that it received counts any more: its tape moves. */
void serve_client_restart(serve_client *client);

/* Its tape has ended: close the connection once everything was sent, or hold it. */
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
    uint64_t start_ns;    /* on the clock: it begins to play */
    uint64_t begin_ns;    /* of its selection; 0: no lower bound */
    uint8_t has_shift;    /* its first frame was read: */
    int64_t shift_s;      /* from its time to that of the clock then */
    uint64_t stalled_ns;  /* on the clock: until then a fault stops it */
    uint8_t is_at_end;    /* it has no more frames */
    uint64_t waiting_ns;  /* on the clock: it waited for clients then; 0: it does not */
    uint64_t late_due_ns; /* a frame was due then, when the tape became late; 0: it is not */
    size_t away;          /* clients that a recorded disconnect closed, and that are not back */
    uint8_t is_alone;     /* no client is back yet: the tape stops */
    uint8_t has_frames;   /* it had some since it began, or began again */
    wire_timer *timer;    /* of its start, of the next frame, or of the wait for clients */
    pacer pacer;
    cursor *cursor;         /* NULL until it starts */
    const frame_ref *frame; /* read, not yet sent; NULL: none */
    recorded_end *ends;     /* of connections; from end_at on: before that frame, and not yet due */
    size_t end_at, end_count;
    uint64_t at_ns;    /* receive time of the last one that was due; 0: none */
    serve_books books; /* up to the last due frame */
    cursor *late;      /* brings books that are wanted later to its position; NULL: none does */
    serve_books late_books;
    held_frame *held; /* in order */
};

/* The client has more subscriptions: restart its settle delay, or, while its tape plays, let the
 * books of new ones start with snapshots. */
void serve_tape_subscribed(serve_client *client);

/* A request was answered: send the snapshots that it brought. */
void serve_tape_answered(serve_client *client);

/* The client's queue is empty. */
void serve_tape_drained(serve_client *client);

/* The client is gone. */
void serve_tape_leave(serve_client *client);

/* The newest tape that plays; NULL: none does. */
const serve_tape *serve_newest_tape(const serve *server);

/* The receive time up to which that has come, or of the frame that it begins with; 0: none plays.
 */
uint64_t serve_place(const serve *server);

/* Let each tape that plays continue as a control has changed this pacer: speed, pause, steps and a
 * seek. Tapes that start later are paused and have the speed as these. */
void serve_tapes_follow(serve *server, const pacer *hand);

/* Free all tapes; they have no clients. */
void serve_tapes_close(serve *server);

/* ---- the control ---- */

#define SERVE_CONTROL "/control/"
/* Answer a GET of a path below it, which changes nothing; 0: it is another path. */
unsigned serve_control_get(const serve *server, td_bytes path, char text[WIRE_ANSWER_BYTES]);
/* Answer a POST, as wire_server_ops have it. */
unsigned serve_control_post(void *server, td_bytes path, td_bytes query,
                            char text[WIRE_ANSWER_BYTES]);

#endif
