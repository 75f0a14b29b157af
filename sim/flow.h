/* Order flow: limit orders near the best prices, market orders and cancels, from a seeded
 * generator. Each side keeps well over 200 price levels of similar sizes, as liquid symbols do; the
 * price wanders. The same seed gives the same orders. One thread. */
#ifndef TD_SIM_FLOW_H
#define TD_SIM_FLOW_H

#include <stdint.h>

#include "base/random.h"
#include "sim/instrument.h"
#include "sim/market.h"

typedef struct flow {
    td_random random;
    int64_t lots_typical;
    int64_t price_min; /* the lowest price of orders that wait in the book, so that prices stay
                          positive */
} flow;

enum {
    FLOW_LEVELS_MIN = 240, /* smallest number of levels per side; enough for a book of 200 levels */
    FLOW_LEVELS_MAX = 600,
};

/* Initialize the flow of an instrument; the same seed gives the same orders. */
void flow_init(flow *f, const instrument *traded, uint64_t seed);

/* Fill an empty market around the instrument's first price. */
void flow_fill(flow *f, const instrument *traded, market *m);

/* Make one order or cancel: exactly one matching event. */
void flow_step(flow *f, market *m);

#endif
