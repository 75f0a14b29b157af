/* Options and counts of a replay server. */
#ifndef TD_SERVE_SERVE_OPTIONS_H
#define TD_SERVE_SERVE_OPTIONS_H

#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"
#include "archive/archive.h"
#include "replay/play/pacer.h"
#include "replay/serve/serve_faults.h"
#include "replay/serve/serve_feeds.h"
#include "tape/selection.h"
#include "wire/server.h"

enum {
    SERVE_CLIENTS = 64,          /* default limit of connected clients */
    SERVE_QUEUE_BYTES = 1 << 20, /* bytes queued for a client that keep its socket busy while the
                                    next chunk is read */
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
    uint64_t gap_ns_max;       /* longer pauses are cut to it; 0: not cut */
    uint64_t client_count_max; /* maximum of clients at the same time; 0: SERVE_CLIENTS */
    uint8_t is_held;           /* 1: connections stay open at the end of the tape */
    int rebases_time;      /* 1: exchange times in frames are shifted so that a tape begins now */
    uint8_t loops;         /* 1: a tape begins again after its last frame */
    int skips_disconnects; /* 1: clients do not get recorded disconnects */
    uint8_t has_shared_clock; /* 1: one tape for all clients; later clients join it */
    uint8_t is_causal;  /* 1: what requests caused follows the clients' own ones (serve_causes.h);
                           needs a shared clock, and a speed */
    int waits_for_slow; /* 1: a slow client delays its tape; 0: it is closed */
    const serve_faults *faults; /* NULL: no faults */
    uint64_t settle_ns;
    uint64_t topicless_ns; /* 0: TOPICLESS_NS */
    uint64_t seed;         /* seed of connection ids */
    const char *secret;    /* checks signatures, which private topics then need; NULL: any key is
                              accepted, and none is needed */
} serve_options;

typedef struct serve_counts {
    uint64_t clients;
    uint64_t tapes;   /* tapes started */
    uint64_t refused; /* upgrades refused: unknown path, wrong credentials, or too many clients */
    uint64_t frames;  /* frames sent */
    uint64_t bytes;   /* of the sent frames */
    uint64_t made;    /* made snapshots that were sent; not counted in frames */
    uint64_t late;    /* clients that joined the shared tape after its first frame */
    uint64_t unmade;  /* snapshots that could not be made */
    uint64_t wait_count;   /* times that a slow client delayed its tape */
    uint64_t complete;     /* clients that received their whole tape and left */
    uint64_t faults;       /* injected faults */
    uint64_t disconnected; /* clients that were closed because a recorded connection ended */
    uint64_t slow;         /* clients that were closed because they read too slowly */
    uint64_t topicless;    /* clients without a topic of the recording */
    uint64_t failed;       /* tapes that could not be read to their end */
    uint64_t caused;       /* frames sent because of a client's request; also counted in frames */
    uint64_t unsent;       /* frames not sent because no client sent the request that caused them */
    uint64_t unrecorded;   /* requests about orders beyond the recorded ones, which get no answer */
    uint64_t unfollowed;   /* frames of books beyond LIMIT_SERVE_BOOKS, which get no snapshots, over
                              all tapes */
} serve_counts;

#endif
