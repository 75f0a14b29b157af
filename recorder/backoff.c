#include "recorder/backoff.h"

#include "base/assert.h"

typedef struct backoff_row {
    uint64_t first_ns;
    uint64_t cap_ns;
} backoff_row;

static const backoff_row ROWS[BACKOFF_CLASS_COUNT] = {
    [BACKOFF_NETWORK] = {TD_NS_PER_S / 2, 30 * TD_NS_PER_S},
    [BACKOFF_REFUSED] = {5 * TD_NS_PER_S, 300 * TD_NS_PER_S},
    [BACKOFF_UNWELL] = {TD_NS_PER_S, 60 * TD_NS_PER_S},
};

void backoff_init(backoff *state, uint64_t seed)
{
    td_random_init(&state->random, seed);
    state->failures = 0;
}

backoff_class backoff_classify(wire_cause cause, unsigned http_status)
{
    switch (cause) {
    case WIRE_CAUSE_REFUSED:
        return http_status >= 500 ? BACKOFF_UNWELL : BACKOFF_REFUSED;
    case WIRE_CAUSE_TLS_UNTRUSTED:
    case WIRE_CAUSE_TLS_WRONG_HOST:
    case WIRE_CAUSE_TLS_OTHER:
    case WIRE_CAUSE_TOO_LARGE:
    case WIRE_CAUSE_PROTOCOL:
        return BACKOFF_REFUSED;
    case WIRE_CAUSE_TIMEOUT:
        return BACKOFF_UNWELL;
    case WIRE_CAUSE_NONE:
    case WIRE_CAUSE_NOMEM:
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

uint64_t backoff_next_ns(backoff *state, backoff_class why)
{
    TD_ASSERT(why < BACKOFF_CLASS_COUNT);
    const backoff_row *row = &ROWS[why];
    uint32_t failures = state->failures++;
    /* A refusal is answered slowly from the first time: trying at once cannot help. */
    if (failures == 0 && why == BACKOFF_NETWORK)
        return 0;
    uint32_t doublings = failures == 0 ? 0 : failures - 1;
    uint64_t most_ns = doublings >= 16 ? row->cap_ns : row->first_ns << doublings;
    if (most_ns > row->cap_ns)
        most_ns = row->cap_ns;
    return td_random_below(&state->random, most_ns) + 1;
}

void backoff_succeeded(backoff *state)
{
    state->failures = 0;
}

uint64_t connect_budget_take(connect_budget *budget, uint64_t mono_ns)
{
    TD_ASSERT(budget->next < BACKOFF_CONNECTS_MAX);
    if (budget->count == BACKOFF_CONNECTS_MAX) {
        uint64_t free_at_ns = budget->at_mono_ns[budget->next] + BACKOFF_WINDOW_NS;
        if (free_at_ns > mono_ns)
            return free_at_ns - mono_ns;
    } else {
        budget->count++;
    }
    budget->at_mono_ns[budget->next] = mono_ns;
    budget->next = (budget->next + 1) % BACKOFF_CONNECTS_MAX;
    return 0;
}
