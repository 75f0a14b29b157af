/* A recording as a live server: a selection replayed over WebSocket in the exchange's own dialect,
 * so that a client made for the exchange connects to it unchanged.
 *
 * Each client has a tape of its own. It starts `settle` after the client's last subscription
 * request, so that every topic subscribed by then comes from its first frame; topics subscribed
 * later come from where the tape is. What is sent are the recorded data frames, byte for byte, of
 * the topics that the client is subscribed to; recorded acks, pongs and errors are not, for the
 * server answers for itself. A book that begins in its middle, because it was subscribed to late or
 * its snapshot lies before the selection, begins with a snapshot made from the book
 * (serve/snapshot.h). When the tape ends and everything was handed over, the server closes with
 * 1000, unless connections are held open.
 *
 * A client that reads too slowly holds its own tape back (SERVE_QUEUE_BYTES are queued at most),
 * and no other client's: that is counted. One thread: the loop's. */
#ifndef TD_SERVE_SERVE_H
#define TD_SERVE_SERVE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "archive/archive.h"
#include "play/pacer.h"
#include "serve/serve_feeds.h"
#include "tape/selection.h"
#include "wire/server.h"

enum {
    SERVE_CLIENTS = 64,          /* at a time, unless another number is given */
    SERVE_QUEUE_BYTES = 1 << 20, /* enough to keep a socket busy while the next chunk is read */
};

typedef struct serve_options {
    wire_loop *loop;
    archive *archive;
    const selection *wanted;
    const serve_feeds *feeds;
    wire_server_options server; /* listen and TLS; ops and user are filled in here */
    td_clock clock;
    const td_log *log;
    pacer_speed speed;
    uint64_t gap_ns_max;     /* 0: long stretches stay as they are */
    size_t client_count_max; /* at a time; 0: SERVE_CLIENTS */
    uint8_t is_held;         /* 1: connections stay open at the end of the tape */
    uint64_t settle_ns;
    uint64_t seed;      /* of the connections' names */
    const char *secret; /* signatures are checked with it, and private topics need them; NULL: every
                           key is good, and none is needed */
} serve_options;

typedef struct serve_counts {
    uint64_t clients;
    uint64_t refused;    /* upgrades: no such path, or too many clients */
    uint64_t frames;     /* sent */
    uint64_t bytes;      /* of them */
    uint64_t made;       /* snapshots made from books and sent, not among the frames */
    uint64_t held_back;  /* times that a slow client held its tape back */
    uint64_t complete;   /* clients that got their tape to its end and are gone */
    uint64_t failed;     /* tapes that could not be read to their end */
    uint64_t unfollowed; /* frames of books beyond LIMIT_SERVE_BOOKS, over all clients */
} serve_counts;

typedef struct serve serve;

/* Start to listen. Everything in options but wanted's own globs is borrowed until close; options
 * itself for the call. Results as wire_server_open; TD_E_NOMEM. */
TD_MUST_USE td_result serve_open(const serve_options *options, serve **out, td_err *err);

/* End every connection at once and free. NULL is fine. */
void serve_close(serve *server);

/* The server's own end, for its URL and ready file. */
const wire_server *serve_server(const serve *server);

/* Stop serving: every client is closed with 1001 (going away). */
void serve_stop(serve *server);

/* Clients that are connected now. */
size_t serve_client_count(const serve *server);

void serve_get_counts(const serve *server, serve_counts *out);

#endif
