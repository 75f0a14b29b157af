/* Order flow: what traders do to a market, from a seed. Limit orders near the best prices, market
 * orders, cancels; the mix is such that each side keeps well over 200 price levels of much the same
 * sizes, as a liquid symbol has. The price wanders. Same seed, same orders. One thread. */
#ifndef TD_SIM_FLOW_H
#define TD_SIM_FLOW_H

#include <stdint.h>

#include "base/random.h"
#include "sim/instrument.h"
#include "sim/market.h"

typedef struct flow {
    td_random random;
    int64_t lots_typical;
    int64_t price_min; /* no order rests below: keeps prices positive */
} flow;

enum {
    FLOW_LEVELS_MIN = 240, /* of a side, once filled: a 200-level window never runs short */
    FLOW_LEVELS_MAX = 600,
};

void flow_init(flow *f, const instrument *traded, uint64_t seed);

/* Fill an empty market around the instrument's first price. */
void flow_fill(flow *f, const instrument *traded, market *m);

/* Let one more order or cancel happen: exactly one matching event. 1 if it was a market order that
 * closes a position against its owner's will. */
int flow_step(flow *f, market *m);

#endif
