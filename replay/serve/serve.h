/* A recording as a live server: replays a selection over WebSocket in the exchange's own dialect,
 * so that a client made for the exchange connects to it unchanged.
 *
 * A client's tape starts `settle` after its last subscription request, so that every topic
 * subscribed by then starts with its first frame; topics subscribed later start at the tape's
 * position. Clients that are ready within the same 50 ms share a tape: it is read once, and a frame
 * is compressed once for all. The server sends the recorded data frames, byte for byte, of the
 * topics that the client subscribed to. It does not send recorded acks, pongs and errors, because
 * it answers requests itself. Requests about orders get the recorded answers, in their order. A
 * book or ticker that starts in the middle, because it was subscribed late or its snapshot is
 * before the selection, starts with a made snapshot (replay/play/snapshot.h). After the last frame
 * the server closes with 1000, unless connections are held open.
 *
 * Where a recorded connection ended, the connections of the tape's clients end with the same code;
 * the tape waits until one of them returns, and continues.
 *
 * With has_shared_clock there is one tape, of all feeds. It starts with the first client and does
 * not stop before its end; later clients join at its position, with snapshots of their books.
 *
 * A tape does not wait for a client that reads more slowly than it plays: the client is closed when
 * more than WIRE_PEER_QUEUE_BYTES_MAX are queued for it. A tape that is late by the server's own
 * fault has much to send at once, so it waits for clients with more than SERVE_QUEUE_BYTES queued.
 * With waits_for_slow, and at full speed, each client has its own tape (unless the clock is
 * shared), which always waits so. Such delays are counted. One thread: the loop's. */
#ifndef TD_SERVE_SERVE_H
#define TD_SERVE_SERVE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/cli/progress.h"
#include "archive/archive.h"
#include "replay/play/control.h"
#include "replay/serve/serve_faults.h"
#include "replay/serve/serve_feeds.h"
#include "tape/selection.h"
#include "wire/server.h"

enum {
    SERVE_CLIENTS = 64,          /* default limit of connected clients */
    SERVE_QUEUE_BYTES = 1 << 20, /* enough to keep a socket busy while the next chunk is read */
};

typedef struct serve_options {
    wire_loop *loop;
    archive *archive;
    const selection *wanted;
    const serve_feeds *feeds;
    wire_server_options server; /* listen and TLS; ops and user are set by serve_open */
    td_clock clock;
    const td_log *log;
    pacer_speed speed;
    uint64_t gap_ns_max;       /* 0: long pauses are not shortened */
    uint64_t client_count_max; /* connected at the same time; 0: SERVE_CLIENTS */
    uint8_t is_held;           /* 1: connections stay open at the end of the tape */
    int rebases_time;      /* 1: exchange times in frames are shifted so that a tape begins now */
    uint8_t loops;         /* 1: a tape begins again after its last frame */
    int skips_disconnects; /* 1: clients do not get recorded disconnects */
    uint8_t has_shared_clock;   /* 1: one tape for all clients; later clients join it */
    int waits_for_slow;         /* 1: a slow client delays its tape; 0: it is closed */
    const serve_faults *faults; /* NULL: no faults */
    uint64_t settle_ns;
    uint64_t seed;      /* of connection ids */
    const char *secret; /* checks signatures, and private topics then need one; NULL: any key is
                           accepted, and none is needed */
} serve_options;

typedef struct serve_counts {
    uint64_t clients;
    uint64_t tapes;   /* started */
    uint64_t refused; /* upgrades refused: unknown path, wrong credentials, or too many clients */
    uint64_t frames;  /* sent */
    uint64_t bytes;   /* of the sent frames */
    uint64_t made;    /* made snapshots that were sent; not counted in frames */
    uint64_t late;    /* clients that joined the shared tape after its first frame */
    uint64_t unmade;  /* snapshots that could not be made */
    uint64_t wait_count;   /* times that a slow client delayed its tape */
    uint64_t complete;     /* clients that received their whole tape and left */
    uint64_t faults;       /* injected faults */
    uint64_t disconnected; /* clients that were closed because a recorded connection ended */
    uint64_t slow;         /* clients that were closed because they read too slowly */
    uint64_t failed;       /* tapes that could not be read to their end */
    uint64_t unfollowed;   /* frames of books beyond LIMIT_SERVE_BOOKS, which get no snapshots, over
                              all tapes */
} serve_counts;

typedef struct serve serve;

/* Listen. Pointers in options are borrowed until close; options itself only for the call. Returns
 * the same as wire_server_open. */
TD_MUST_USE td_result serve_open(const serve_options *options, serve **out, td_err *err);

/* Cut every connection and free the server. NULL is allowed. */
void serve_close(serve *server);

/* The WebSocket server, for its URL and ready file. */
const wire_server *serve_server(const serve *server);

/* The most files and connections that clients may need at the same time, besides those open before
 * the first client. */
uint64_t serve_open_files_max(const serve *server);

/* Stop serving: close every client with 1001 (going away). */
void serve_stop(serve *server);

/* Number of connected clients. */
size_t serve_client_count(const serve *server);

/* Apply a command of a key or a request to all tapes. Skips count from the newest tape's position,
 * and go back at most to its beginning; CONTROL_BACK only pauses. Returns 1 if the command ends the
 * server. */
int serve_apply(serve *server, const control_command *command, const control_value *value);

/* Show the newest tape's position and the state of playing. */
void serve_show(const serve *server, progress_line *progress);

/* Counts so far; valid until close. */
const serve_counts *serve_get_counts(const serve *server);

#endif
