/* When to connect again: at once the first time, then after an exponentially growing time with full
 * jitter, capped by the class of what failed; and never more often than the exchange's limit of
 * connections per host. Pure state, no clock of its own: callers pass monotonic time. */
#ifndef TD_RECORDER_BACKOFF_H
#define TD_RECORDER_BACKOFF_H

#include <stdint.h>

#include "base/clock.h"
#include "base/random.h"
#include "wire/client.h"

/* Bybit closes the door on a host that opens more than this many connections within five minutes
 * (docs/wire.md 1.3). */
enum { BACKOFF_CONNECTS_MAX = 500 };
#define BACKOFF_WINDOW_NS (UINT64_C(300) * TD_NS_PER_S)

/* How a failure is answered. */
typedef enum backoff_class {
    BACKOFF_NETWORK, /* lost, unreachable: at once, then from 0.5 s up to 30 s */
    BACKOFF_REFUSED, /* the exchange said no (HTTP 4xx, TLS): from 5 s up to 5 min */
    BACKOFF_UNWELL,  /* HTTP 5xx, never answers: from 1 s up to 60 s */
    BACKOFF_CLASS_COUNT,
} backoff_class;

typedef struct backoff {
    td_random random;
    uint32_t failures; /* in a row, without a connection that stayed */
} backoff;

/* Start; seed decides the jitter. */
void backoff_init(backoff *state, uint64_t seed);

/* Class of how a connection ended. */
backoff_class backoff_classify(wire_cause cause, unsigned http_status);

/* A connection ended or could not be made: how long to wait, in ns. 0 the first time after success.
 */
uint64_t backoff_next_ns(backoff *state, backoff_class why);

/* The connection stands and delivers: the next failure starts over. */
void backoff_succeeded(backoff *state);

/* Times of the latest connects to one host, to keep its limit. Zero-initialise. */
typedef struct connect_budget {
    uint64_t at_mono_ns[BACKOFF_CONNECTS_MAX]; /* ring: the oldest is at next */
    uint32_t next;
    uint32_t count;
} connect_budget;

/* May a connect begin at mono_ns? 0: yes, and it is counted. Else how many ns to wait. */
uint64_t connect_budget_take(connect_budget *budget, uint64_t mono_ns);

#endif
