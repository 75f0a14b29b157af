/* When to reconnect: after a wait that grows exponentially, with full jitter, up to the maximum of
 * the failure's class. The first network failure is retried at once. Connects per host never exceed
 * the exchange's limit. Pure state: callers pass monotonic time. */
#ifndef TD_RECORDER_BACKOFF_H
#define TD_RECORDER_BACKOFF_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/random.h"
#include "schema/exchange.h"
#include "wire/cause.h"

/* How long a connection must be live to cancel one earlier failure. So a peer that acknowledges and
 * then closes gets the same growing waits as a peer that never answers, and a connection that is
 * lost occasionally is restored at once. A connection that is lost every 5 s is restored at once
 * each time, which makes 60 connections in five minutes. */
#define BACKOFF_DECAY_NS (UINT64_C(5) * TD_NS_PER_S)

/* Class of a failure; it determines the wait. */
typedef enum backoff_class {
    BACKOFF_NETWORK, /* lost, unreachable: at once, then from 0.5 s up to 30 s */
    BACKOFF_REFUSED, /* the exchange refuses (HTTP 4xx, TLS): from 5 s up to 5 min */
    BACKOFF_SERVER,  /* HTTP 5xx, 408, 425, or no answer: from 1 s up to 60 s */
    BACKOFF_CLASS_COUNT,
} backoff_class;

typedef struct backoff {
    td_random random;
    uint32_t failures;      /* consecutive failures, minus failures cancelled by live time */
    uint64_t live_since_ns; /* 0: no connection is live */
} backoff;

/* Initialise; seed determines the jitter. */
void backoff_init(backoff *state, uint64_t seed);

/* Class of a connection's end. */
backoff_class backoff_classify(wire_cause cause, unsigned http_status);

/* 1 if trying again cannot help: a certificate that is untrusted or for another host, or an HTTP
 * status 4xx. Exceptions are 403 (it may be a temporary ban, of a region or after too many
 * requests), 408, 425 and 429. */
int backoff_is_final(wire_cause cause, unsigned http_status);

/* The connection is live since mono_ns (> 0). */
void backoff_live(backoff *state, uint64_t mono_ns);

/* A connection ended or could not be made. Returns how many ns to wait. The wait of BACKOFF_NETWORK
 * is 0 the first time, and after a connection that was live long enough. */
uint64_t backoff_next_ns(backoff *state, backoff_class why, uint64_t mono_ns);

/* Times of the latest connects to one host, to keep the exchange's limit, and how long the host
 * refuses this machine. All recorders of the user on this machine share them, also with recorders
 * that start later: an exchange bans a machine, not a process. */
typedef struct connect_budget connect_budget;

/* The budget of a host ("stream.bybit.com:443"); NULL: one that nothing shares, at first without
 * connects. The limit's count is 1 to LIMIT_HOST_CONNECTS. If the memory cannot be shared, *err has
 * the reason, and the budget is only the caller's. */
connect_budget *connect_budget_open(const char *host, connect_limit limit, td_err *err);
void connect_budget_close(connect_budget *self); /* NULL is fine */

/* If the limit allows a connect at mono_ns, count it and return 0; else return the ns to wait. */
uint64_t connect_budget_spend(connect_budget *self, uint64_t mono_ns);

/* The host refuses this machine until then: no recorder connects before. */
void connect_budget_ban(connect_budget *self, uint64_t until_mono_ns);

#endif
