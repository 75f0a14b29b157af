/* What the exchange's parts share: exchange.c has the server's end of connections, exchange_pace.c
 * the venues and their clock. */
#ifndef TD_SIM_EXCHANGE_IMPL_H
#define TD_SIM_EXCHANGE_IMPL_H

#include "base/buf.h"
#include "base/random.h"
#include "sim/exchange.h"
#include "sim/venue.h"
#include "wire/dialect.h"

enum {
    CONN_ID_BYTES = 37,
    BATCH_FRAMES_MAX = 512,
    BATCH_BYTES_MAX = 1 << 20,
    QUEUED_BYTES_HELD = 4 << 20, /* a client with more than this in its queue holds its family up */
    BOOK_MARK_EVERY = 100,       /* frames of a book between two marks in the truth */
};

/* What a connection gets of a stream. */
typedef enum subscription {
    SUBSCRIPTION_NONE,
    SUBSCRIPTION_WAITS, /* for its snapshot */
    SUBSCRIPTION_LIVE,
} subscription;

typedef struct sim_family sim_family;

typedef struct sim_conn {
    exchange *exchange;
    sim_family *of;
    wire_peer_conn *wire;
    uint64_t number; /* from 1, over the server's life */
    uint64_t sent;   /* frames of any kind */
    char id[CONN_ID_BYTES];
    uint8_t is_silent;  /* gets no data any more (a fault) */
    uint8_t is_closing; /* gets nothing any more */
    uint32_t waiting;   /* streams in SUBSCRIPTION_WAITS */
    struct sim_conn *next;
    struct sim_conn *previous;
    uint8_t streams[]; /* subscription of each stream */
} sim_conn;

/* One frame of a batch; its bytes lie in the family's batch_bytes. */
typedef struct batch_frame {
    uint32_t stream;
    uint8_t copies; /* 0 if it was dropped, 2 if it is repeated: by a fault */
    size_t offset;
    size_t size;
} batch_frame;

/* A family that is served: its venue, and the clients on its path. */
struct sim_family {
    exchange *exchange;
    const family *family;
    frame_shape shape;
    uint32_t stream_count;
    venue *venue; /* NULL before the first subscription */
    sim_conn *first_conn;
    uint64_t start_mono_ns; /* moment of frame 0 */
    uint64_t start_ns;      /* its exchange time */
    uint64_t last_ts_ns;
    uint64_t made;         /* data frames so far */
    uint32_t *book_frames; /* by stream: frames of a book so far */
    size_t next_fault;     /* of the options' faults */
    wire_timer *timer;
    uint8_t is_held; /* by a client that does not read */
    uint8_t is_done;
    td_buf batch_bytes;
    batch_frame batch[BATCH_FRAMES_MAX];
    size_t batch_count;
};

struct exchange {
    exchange_options options;
    wire_loop *loop;
    wire_server *server;
    request_parser *requests;
    td_random random; /* for connections' ids */
    td_buf answer;
    sim_family *families;
    uint64_t upgrades;
    uint32_t open_conns;
    uint8_t is_stopped;
    wire_timer *end_timer;
    exchange_counts counts;
    td_result failure;
    td_err failure_err;
};

/* Path of a URL: from the first "/" behind the host on, without a query. */
td_bytes exchange_url_path(const char *url);

/* Path that clients of the family connect to. */
const char *exchange_path(const sim_family *f);

/* ---- exchange.c ---- */

/* Send a message; the connection is closed if that fails. Counts. */
void conn_send(sim_conn *conn, td_bytes bytes);

/* Close a connection: nothing more is sent on it. code 0 cuts it. */
void conn_close(sim_conn *conn, unsigned code);

/* Stop everything because of err. */
void exchange_fail(exchange *x, td_result rc, const td_err *err);

/* Close all clients of a family, or of all families. */
void exchange_close_conns(exchange *x, const sim_family *only, unsigned code);

/* ---- exchange_pace.c ---- */

/* The first subscription: make the venue and start its clock. TD_E_NOMEM. */
TD_MUST_USE td_result family_start(sim_family *f, td_err *err);

/* Send the snapshots that a connection waits for, as far as its queue has room. */
void conn_send_snapshots(sim_conn *conn);

/* A client's queue went empty, or a client went away: go on if that is what was waited for. */
void family_go_on(sim_family *f);

/* Stop the clock and forget the venue. */
void family_close(sim_family *f);

#endif
