/* What the exchange's parts share: exchange.c has connections and paths, exchange_request.c what
 * clients ask for, exchange_pace.c the markets and their clock, exchange_truth.c what is written
 * down of it. */
#ifndef TD_SIM_EXCHANGE_IMPL_H
#define TD_SIM_EXCHANGE_IMPL_H

#include "base/buf.h"
#include "base/random.h"
#include "sim/exchange.h"
#include "sim/venue.h"
#include "schema/dialect.h"

enum {
    BATCH_FRAMES_MAX = 512,
    BATCH_BYTES_MAX = 1 << 20,
    QUEUED_BYTES_HELD = 4 << 20, /* a client with more than this in its queue is slow */
    BOOK_MARK_EVERY = 100,       /* frames of a book between two marks in the truth */
    LISTENERS_MAX = 2,           /* families that see one market: its own, and the account's */
};

/* Slow clients of rate 0, which sets the pace by its clients, are waited for as long as they read:
 * one that has taken nothing for this long, and holds others up, is closed. */
#define STALL_NS (1 * TD_NS_PER_S)

/* A stop gives clients this long to take what is queued for them and the close frame. */
#define STOP_GRACE_NS (3 * TD_NS_PER_S / 2)

/* What a connection gets of a stream. */
typedef enum subscription {
    SUBSCRIPTION_NONE,
    SUBSCRIPTION_WAITS, /* for its snapshot */
    SUBSCRIPTION_LIVE,
} subscription;

typedef struct sim_family sim_family;
typedef struct sim_market sim_market;

typedef struct sim_conn {
    exchange *exchange;
    sim_family *of;
    wire_peer_conn *wire;
    const char *path;
    uint64_t number; /* from 1, over the server's life */
    uint64_t sent;   /* frames of any kind */
    char id[DIALECT_CONN_ID_BYTES];
    uint8_t is_silent;  /* gets no data any more (a fault) */
    uint8_t is_closing; /* gets nothing any more */
    uint8_t is_authed;
    uint8_t sees_public; /* its path has public streams; likewise private ones */
    uint8_t sees_private;
    uint8_t has_subscribed;
    uint32_t waiting;    /* streams in SUBSCRIPTION_WAITS */
    size_t queued_bytes; /* when its market began to wait for it, or looked last */
    struct sim_conn *next;
    struct sim_conn *previous;
    uint8_t *streams[CATALOG_MARKETS_MAX]; /* subscription of each stream, by the family's market;
                                              NULL before the first one */
} sim_conn;

/* One frame of a batch; its bytes lie in the market's batch_bytes. */
typedef struct batch_frame {
    uint32_t stream;
    uint8_t copies; /* 0 if it was dropped, 2 if it is repeated: by a fault */
    size_t offset;
    size_t size;
} batch_frame;

/* A venue with its clock. */
struct sim_market {
    exchange *exchange;
    const catalog_row *row;
    const stream_table *account;          /* streams that need auth; NULL: none */
    sim_family *listeners[LISTENERS_MAX]; /* the market's own family, the account's; NULL: not
                                             served */
    venue *venue;                         /* NULL before the first subscription */
    uint64_t start_mono_ns;               /* moment of slot 0 */
    uint64_t start_ns;                    /* its exchange time */
    uint64_t last_ts_ns;
    uint64_t slot;         /* moments of frames so far */
    uint64_t made;         /* data frames so far: a slot can be empty */
    uint32_t *book_frames; /* by stream: frames of a book so far */
    size_t next_fault;     /* of the options' faults */
    wire_timer *timer;
    wire_timer *stall_timer; /* looks at slow clients while they hold others up */
    uint8_t is_held;         /* by a slow client */
    uint8_t is_done;
    td_buf batch_bytes;
    batch_frame batch[BATCH_FRAMES_MAX];
    size_t batch_count;
};

/* A family that is served: the markets that it shows, and the clients on its paths. */
struct sim_family {
    exchange *exchange;
    const family *family;
    const catalog_row *row;
    const dialect *speech;
    sim_market *markets[CATALOG_MARKETS_MAX];
    size_t market_count;
    sim_conn *first_conn;
};

struct exchange {
    exchange_options options;
    wire_loop *loop;
    wire_server *server;
    dialect_parser *requests;
    td_random random; /* for connections' ids */
    td_buf answer;
    td_buf failed; /* of each topic of a request: 1 if it was refused */
    sim_family *families;
    sim_market *markets; /* of the families, and those that only an account trades in */
    size_t market_count;
    uint64_t upgrades;
    uint32_t open_conns;
    uint8_t is_stopped;
    wire_timer *end_timer;
    wire_timer *grace_timer; /* set by a stop */
    uint64_t first_mono_ns;  /* of the first subscription; 0: there was none yet */
    uint64_t first_ns;       /* its exchange time */
    exchange_counts counts;
    td_result failure;
    td_err failure_err;
};

/* ---- exchange.c ---- */

/* Send a message; the connection is closed if that fails. Counts. */
void conn_send(sim_conn *conn, td_bytes bytes);

/* Close a connection: nothing more is sent on it. code 0 cuts it. */
void conn_close(sim_conn *conn, unsigned code);

/* Let a connection belong to another family of the same path. */
void conn_move(sim_conn *conn, sim_family *to);

/* Close a connection whose client does not read as fast as it has to. */
void conn_close_slow(sim_conn *conn);

/* Nothing more is made; every client is closed, and those that do not take that in time are cut. */
void exchange_end(exchange *x, unsigned code);

/* Stop everything because of err. */
void exchange_fail(exchange *x, td_result rc, const td_err *err);

/* Close all clients, or (only != NULL) those that listen to nothing but this market. */
void exchange_close_conns(exchange *x, const sim_market *only, unsigned code);

/* ---- exchange_request.c ---- */

/* A client said something. */
void conn_handle(sim_conn *conn, td_bytes bytes);

/* The client's key was let in: where that is all there is to subscribing, it brings every private
 * stream. */
void conn_authenticated(sim_conn *conn);

/* May the connection have a stream of the place-th of its family's markets, if it has
 * authenticated? */
int conn_sees(const sim_conn *conn, size_t place, uint32_t stream);

/* ---- exchange_pace.c ---- */

/* The first subscription: make the family's venues and start their clocks. TD_E_NOMEM. */
TD_MUST_USE td_result family_start(sim_family *f, td_err *err);

/* Send the snapshots that a connection waits for, as far as its queue has room. */
void conn_send_snapshots(sim_conn *conn);

/* A client's queue went empty, a client came, or one went away: go on if that is what was waited
 * for.
 */
void family_go_on(const sim_family *f);

/* Stop the clock and forget the venue. */
void market_stop(sim_market *m);

/* ---- exchange_truth.c ---- */

/* Write down one sending of a frame, before it happens, and count it. */
void note_frame(sim_conn *conn, const venue_stream *stream, const venue_frame *frame);

/* Write down what a frame that somebody gets tells of, as the engine knows it. */
void note_content(sim_market *m, const venue_stream *stream, const venue_frame *frame);

/* Write down a fault of the market; frame: what was dropped or repeated, or NULL. */
void note_fault(sim_market *m, fault_kind kind, const venue_frame *frame);

/* Truth first. 1 if what it says may be sent now. */
int flush_truth(exchange *x);

#endif
