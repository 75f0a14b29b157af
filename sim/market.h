/* A matching engine for one symbol: limit and market orders, price priority, cancels. All orders at
 * one price are one level, because frames show only the size of each execution. Recordings are
 * compared with the engine's state, so the engine shares no code with book/.
 *
 * Prices and sizes are whole ticks and lots. Each order and each cancel is one matching event; seq
 * counts them. No randomness, time or I/O. One thread. */
#ifndef TD_SIM_MARKET_H
#define TD_SIM_MARKET_H

#include <stddef.h>
#include <stdint.h>

typedef struct market market;

typedef enum market_side { MARKET_BUY, MARKET_SELL } market_side;

typedef struct market_level {
    int64_t price; /* ticks */
    int64_t size;  /* lots, > 0: the sum of the orders that wait at this price */
} market_level;

/* One execution against a level. */
typedef struct market_trade {
    int64_t price; /* the level's price */
    int64_t size;
    market_side taker;
} market_trade;

enum {
    MARKET_LEVELS_MAX = 1024, /* per side */
    /* Per event; an order with more executions is cut, as by an exchange's price band. */
    MARKET_TRADES_MAX = 64,
};

/* Open an empty market whose events are numbered from first_seq + 1. */
market *market_open(int64_t first_seq);
void market_close(market *m);

/* Place a limit order: the part that crosses is matched at the prices of the waiting orders, best
 * first, and the remainder waits. The remainder is dropped if the order was cut
 * (MARKET_TRADES_MAX), or if there is no space for its level. price, size > 0. */
void market_limit(market *m, market_side side, int64_t price, int64_t size);

/* Match an order against the other side, at prices up to its limit; the unmatched part is dropped.
 * With size 0 it is an event without executions. */
void market_take(market *m, market_side side, int64_t limit, int64_t size);

static inline market_side market_other_side(market_side side)
{
    return side == MARKET_BUY ? MARKET_SELL : MARKET_BUY;
}

/* The limit of a market order: it accepts any price. */
static inline int64_t market_any_price(market_side side)
{
    return side == MARKET_BUY ? INT64_MAX : 0;
}

/* Remove size lots, or all if there are fewer, from the index-th best level of a side. */
void market_cancel(market *m, market_side side, size_t index, int64_t size);

/* Executions of the last event, in order; valid until the next event. */
const market_trade *market_trades(const market *m, size_t *count);

/* Number of the last event. */
int64_t market_seq(const market *m);

/* Number of price levels of a side, and its index-th best level (0 is the best). index < count. */
size_t market_level_count(const market *m, market_side side);
market_level market_level_at(const market *m, market_side side, size_t index);

#endif
