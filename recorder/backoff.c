#include "recorder/backoff.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/shared_memory.h"

typedef struct backoff_row {
    uint64_t first_ns;
    uint64_t cap_ns;
} backoff_row;

/* Upper bound of the count of failures: with so many, the wait of every class is at its maximum. A
 * higher count would only take more live time to cancel. */
enum { FAILURES_MAX = 8 };

static const backoff_row ROWS[BACKOFF_CLASS_COUNT] = {
    [BACKOFF_NETWORK] = {TD_NS_PER_S / 2, 30 * TD_NS_PER_S},
    [BACKOFF_REFUSED] = {5 * TD_NS_PER_S, 300 * TD_NS_PER_S},
    [BACKOFF_SERVER] = {TD_NS_PER_S, 60 * TD_NS_PER_S},
};

void backoff_init(backoff *state, uint64_t seed)
{
    td_random_init(&state->random, seed);
    state->failures = 0;
    state->live_since_ns = 0;
}

/* 1 if an HTTP status below 500 reports a temporary failure. */
static int is_passing(unsigned http_status)
{
    return http_status == 408 || http_status == 425;
}

backoff_class backoff_classify(wire_cause cause, unsigned http_status)
{
    switch (cause) {
    case WIRE_CAUSE_REFUSED:
        return http_status >= 500 || is_passing(http_status) ? BACKOFF_SERVER : BACKOFF_REFUSED;
    case WIRE_CAUSE_TLS_UNTRUSTED:
    case WIRE_CAUSE_TLS_WRONG_HOST:
    case WIRE_CAUSE_TLS_OTHER:
    case WIRE_CAUSE_TOO_LARGE:
    case WIRE_CAUSE_PROTOCOL:
        return BACKOFF_REFUSED;
    case WIRE_CAUSE_TIMEOUT:
        return BACKOFF_SERVER;
    case WIRE_CAUSE_NONE:
    case WIRE_CAUSE_RESOLVE:
    case WIRE_CAUSE_CONNECT:
    case WIRE_CAUSE_CLOSED_BY_PEER:
    case WIRE_CAUSE_CLOSED_BY_US:
    case WIRE_CAUSE_RESET:
    case WIRE_CAUSE_COUNT:
        break;
    }
    return BACKOFF_NETWORK;
}

int backoff_is_final(wire_cause cause, unsigned http_status)
{
    if (cause == WIRE_CAUSE_TLS_UNTRUSTED || cause == WIRE_CAUSE_TLS_WRONG_HOST)
        return 1;
    return cause == WIRE_CAUSE_REFUSED && http_status >= 400 && http_status < 500 &&
           http_status != 403 && http_status != 429 && !is_passing(http_status);
}

void backoff_live(backoff *state, uint64_t mono_ns)
{
    TD_ASSERT(mono_ns > 0);
    state->live_since_ns = mono_ns;
}

uint64_t backoff_next_ns(backoff *state, backoff_class why, uint64_t mono_ns)
{
    TD_ASSERT(why < BACKOFF_CLASS_COUNT);
    const backoff_row *row = &ROWS[why];
    if (state->live_since_ns != 0) { /* live time cancels failures */
        TD_ASSERT(mono_ns >= state->live_since_ns);
        uint64_t decayed = (mono_ns - state->live_since_ns) / BACKOFF_DECAY_NS;
        state->failures -= decayed < state->failures ? (uint32_t)decayed : state->failures;
        state->live_since_ns = 0;
    }
    uint32_t failures = state->failures;
    TD_ASSERT(failures <= FAILURES_MAX);
    state->failures += failures < FAILURES_MAX;
    /* Only a network failure is retried at once: a refusal would just be repeated. */
    if (failures == 0 && why == BACKOFF_NETWORK)
        return 0;
    uint64_t most_ns = row->first_ns << (failures == 0 ? 0 : failures - 1);
    if (most_ns > row->cap_ns)
        most_ns = row->cap_ns;
    return td_random_below(&state->random, most_ns) + 1;
}

/* ---- the host's limit ---- */

/* What is shared. All zero: without connects. */
typedef struct connect_times {
    uint64_t at_mono_ns[LIMIT_HOST_CONNECTS]; /* ring: the oldest is at first */
    uint64_t banned_mono_ns;                  /* no connect before */
    uint32_t first;
    uint32_t count;
} connect_times;

/* Longer bans are not believed: the memory may have been written by anything. */
#define BAN_NS_MAX (86400 * TD_NS_PER_S)

struct connect_budget {
    connect_limit limit;
    connect_times *times;
    td_shared memory; /* fd -1: times are allocated */
};

connect_budget *connect_budget_open(const char *host, connect_limit limit, td_err *err)
{
    TD_ASSERT(limit.count > 0);
    TD_ASSERT(limit.count <= LIMIT_HOST_CONNECTS);
    connect_budget *made = td_alloc_zero(1, sizeof *made);
    made->limit = limit;
    made->memory.fd = -1;
    if (host != NULL) {
        char name[64];
        (void)snprintf(name, sizeof name, "tapedeck-connects-1-%016" PRIx64,
                       td_xxh64(host, strlen(host))); /* fits */
        (void)!td_shared_open(name, sizeof *made->times, &made->memory, err);
    }
    made->times = made->memory.fd >= 0 ? made->memory.data : td_alloc_zero(1, sizeof *made->times);
    return made;
}

void connect_budget_close(connect_budget *self)
{
    if (self == NULL)
        return;
    if (self->memory.fd < 0)
        td_free(self->times);
    td_shared_close(&self->memory);
    td_free(self);
}

/* Other processes may have written anything. */
static void forget_old(connect_times *times, const connect_limit *limit, uint64_t mono_ns)
{
    times->first %= LIMIT_HOST_CONNECTS;
    times->count = times->count > limit->count ? limit->count : times->count;
    while (times->count > 0 && (times->at_mono_ns[times->first] > mono_ns ||
                                times->at_mono_ns[times->first] + limit->window_ns <= mono_ns)) {
        times->first = (times->first + 1) % LIMIT_HOST_CONNECTS;
        times->count--;
    }
    if (times->banned_mono_ns > mono_ns + BAN_NS_MAX)
        times->banned_mono_ns = 0;
}

uint64_t connect_budget_spend(connect_budget *self, uint64_t mono_ns)
{
    connect_times *times = self->times;
    uint64_t wait_ns = 0;
    td_shared_hold(&self->memory);
    forget_old(times, &self->limit, mono_ns);
    if (times->banned_mono_ns > mono_ns)
        wait_ns = times->banned_mono_ns - mono_ns;
    else if (times->count == self->limit.count)
        wait_ns = times->at_mono_ns[times->first] + self->limit.window_ns - mono_ns;
    else
        times->at_mono_ns[(times->first + times->count++) % LIMIT_HOST_CONNECTS] = mono_ns;
    td_shared_release(&self->memory);
    return wait_ns;
}

void connect_budget_ban(connect_budget *self, uint64_t until_mono_ns)
{
    td_shared_hold(&self->memory);
    if (until_mono_ns > self->times->banned_mono_ns)
        self->times->banned_mono_ns = until_mono_ns;
    td_shared_release(&self->memory);
}
