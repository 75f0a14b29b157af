/* The simulated exchange: connects WebSocket clients with the markets of families.
 * schema/responder.h answers their requests.
 *
 * A family's markets start settle_ns after its first subscription, or the first request for a book
 * over HTTP, and then run at a fixed rate, with or without clients: step k has exchange time start
 * + k / rate, and its frame is sent at that time. A topic has frames from its first subscription
 * on. So with the same seed, clients that subscribe to the same topics before the markets start get
 * the same frames in the same order. A new subscriber gets the current state of each of its topics,
 * before or after the ack, depending on the family.
 *
 * A family's account trades in the family's own markets. A family with only private streams has two
 * symbols of each product for its account.
 *
 * The slowest client of a family sets the family's pace: while a client does not read, the markets
 * stop, and when they continue, the delayed frames are sent at once. Nothing is dropped. One
 * thread: the loop's. */
#ifndef TD_SIM_EXCHANGE_H
#define TD_SIM_EXCHANGE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/cli/option_groups.h"
#include "schema/family.h"
#include "sim/truth.h"
#include "wire/client.h"
#include "wire/server.h"

typedef struct exchange exchange;

enum { EXCHANGE_FAMILIES_MAX = 64 };

/* Faults that can be injected. The truth and the command line use their names. */
typedef enum sim_fault_kind {
    FAULT_DISCONNECT, /* after the frame, all connections are closed with 1001 */
    FAULT_CUT,  /* after the frame, all connections are cut without a close frame, as in a crash */
    FAULT_DROP, /* the frame is dropped */
    FAULT_ANNOUNCE, /* after the frame, all connections get the notice that their end is near */
    FAULT_END,      /* after the frame, those that got it are closed with 1001 */
    FAULT_KINDS,
} sim_fault_kind;

extern const char *const FAULT_NAMES[FAULT_KINDS];

typedef struct fault {
    sim_fault_kind kind;
    uint64_t at; /* number of a data frame of the family, from 1 */
} fault;

typedef struct exchange_options {
    const family *families[EXCHANGE_FAMILIES_MAX];
    uint32_t family_count;
    uint32_t symbol_count;        /* symbols of each family */
    const char *instruments_file; /* the listed instruments (http_markets.listed), read for each
                                     request; NULL: all symbols are listed */
    uint64_t rate;                /* data frames per second of each family, > 0 */
    uint64_t seed;
    uint64_t frames_max; /* clients are closed after this many data frames of their family; 0: no
                            limit */
    /* Clients are closed this long after the first subscription; 0: no limit. */
    uint64_t duration_ns;
    uint64_t settle_ns;  /* time from the first subscription to the first frame, so that clients can
                            subscribe to topics one by one */
    uint64_t epoch_ns;   /* exchange time at the start; 0: the time of the wall clock */
    uint64_t time_scale; /* speed of exchange time relative to the clock; 0 means 1 */
    const char *secret;  /* checks signatures; NULL accepts every key */
    const fault *faults; /* borrowed until close */
    size_t fault_count;
    truth *truth; /* borrowed until close; NULL: no truth file */
    listen_options listen;
    td_clock clock;
    const td_log *log; /* may be NULL */
} exchange_options;

/* Open an exchange that listens in the loop, which is borrowed until close. TD_E_INVALID
 * (also of catalog_get), TD_E_NETWORK. */
TD_MUST_USE td_result exchange_open(const exchange_options *options, wire_loop *loop,
                                    exchange **out, td_err *err);
void exchange_close(exchange *x);

/* The WebSocket server, for the URL that is printed and the ready file. */
const wire_server *exchange_server(const exchange *x);

/* Stop sending frames and close clients (1001). exchange_is_done() returns 1 once they are
 * closed. */
void exchange_stop(exchange *x);

/* 1 if no client is connected, and all frames were sent or the exchange was stopped. */
int exchange_is_done(const exchange *x);

/* The failure that stopped the exchange (an error of the truth file), or TD_OK. */
td_result exchange_failure(const exchange *x, td_err *err);

#endif
