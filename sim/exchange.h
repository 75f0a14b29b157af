/* The simulated exchange: WebSocket clients on the one side, venues on the other. Speaks the
 * server's end of every dialect: subscribe and unsubscribe, acks, pings, auth by op and by URL.
 *
 * A family's markets start settle_ns after its first subscription and run at a fixed rate from
 * there, with or without clients; slot k has exchange time start + k / rate, and its frame is sent
 * as soon as that has come. A topic takes part from its first subscription on. So the same seed
 * gives a client that subscribes to the same things at once the same frames in the same order. A
 * new subscriber gets the present state of each of its topics, and the ack before or after it, as
 * the family does.
 *
 * A family's account trades in the family's own markets; one that has only private streams has some
 * of each product that its account trades in.
 *
 * A client that does not read holds a market up as long as it is alone in it (nothing is dropped);
 * what was held up is sent at once afterwards. With others in it a slow client is closed (1008)
 * once 8 MiB are queued for it; at rate 0 they wait for it as long as it reads. A stop takes 2 s at
 * most, whatever clients do. One thread: that of the loop. */
#ifndef TD_SIM_EXCHANGE_H
#define TD_SIM_EXCHANGE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "schema/family.h"
#include "sim/fault.h"
#include "sim/truth.h"
#include "wire/client.h"
#include "wire/server.h"

typedef struct exchange exchange;

enum { EXCHANGE_FAMILIES_MAX = 24 };

typedef struct exchange_options {
    const family *families[EXCHANGE_FAMILIES_MAX]; /* each one with exchange_can_serve */
    uint32_t family_count;
    uint32_t symbol_count; /* of each family */
    uint64_t rate;         /* data frames a second of each family; 0: as fast as they are taken */
    uint64_t seed;
    uint64_t frames_max;  /* data frames of each family, then its clients are closed; 0: no end */
    uint64_t duration_ns; /* from the first subscription, then all are closed; 0: no end */
    uint64_t settle_ns;   /* from the first subscription to the first frame: clients that subscribe
                             topic by topic have finished by then */
    uint64_t epoch_ns;    /* exchange time of the start; 0: the wall clock's */
    uint64_t time_scale;  /* exchange time goes so many times as fast as the clock; 0: as 1 */
    const char *secret;   /* signatures are checked with it; NULL: any key is accepted */
    const fault *faults;  /* by rising `at`; borrowed until close */
    size_t fault_count;
    truth *truth;       /* borrowed until close; NULL: none is kept */
    const char *listen; /* as wire_server_options */
    const char *tls_cert;
    const char *tls_key;
    uint8_t is_plain;
    td_clock clock;
    const td_log *log; /* may be NULL */
} exchange_options;

/* What went out. */
typedef struct exchange_counts {
    uint64_t connections;
    uint64_t refused;
    uint64_t slow;        /* closed because their clients did not read fast enough */
    uint64_t data_frames; /* over all connections */
    uint64_t control_frames;
    uint64_t bytes;
    uint64_t made_frames; /* by the venues, sent or not */
    uint64_t late_ns_max; /* the largest delay of a frame */
} exchange_counts;

/* 1 if this version has a venue for the family. */
int exchange_can_serve(const family *wanted);

/* Start to listen in a loop, which is borrowed until close. TD_E_INVALID, TD_E_NETWORK, TD_E_NOMEM.
 */
TD_MUST_USE td_result exchange_open(const exchange_options *options, wire_loop *loop,
                                    exchange **out, td_err *err);
void exchange_close(exchange *x);

/* The server, for its URL and ready file. */
const wire_server *exchange_server(const exchange *x);

/* Stop: no more frames; clients are closed (1001). exchange_is_done once they are gone. */
void exchange_stop(exchange *x);

/* 1 once everything that was asked for was sent, or it was stopped, and all clients are gone. */
int exchange_is_done(const exchange *x);

/* The failure that stopped it (the truth file's), or TD_OK. */
td_result exchange_failure(const exchange *x, td_err *err);

exchange_counts exchange_get_counts(const exchange *x);

#endif
