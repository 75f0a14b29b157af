/* A matching engine for one symbol: limit and market orders, price priority, cancels. Orders at one
 * price are one level, for frames show no more of them than the size of each execution. Its
 * state is the truth that everything else is checked against, so it keeps its own books and shares
 * no code with book/.
 *
 * Prices and sizes are whole ticks and lots. Each accepted order, and each cancel, is one matching
 * event: seq counts them. Nothing is random here, nothing knows time or a wire. One thread. */
#ifndef TD_SIM_MARKET_H
#define TD_SIM_MARKET_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

typedef struct market market;

typedef enum market_side { MARKET_BUY, MARKET_SELL } market_side;

typedef struct market_level {
    int64_t price; /* ticks */
    int64_t size;  /* lots, > 0: the sum of the orders that rest here */
} market_level;

/* One execution against one level, or a part of it. */
typedef struct market_trade {
    int64_t price; /* the level's */
    int64_t size;
    market_side taker;
} market_trade;

enum {
    MARKET_LEVELS_MAX = 1024, /* of a side */
    MARKET_LEVEL_PARTS = 4, /* an execution takes at most such a part of a level, as of an order */
    MARKET_TRADES_MAX = 64, /* of one event: a larger order is cut there, as by a price band */
};

/* An empty market whose events are counted from first_seq + 1 on. TD_E_NOMEM. */
TD_MUST_USE td_result market_open(int64_t first_seq, market **out, td_err *err);
void market_close(market *m);

/* A limit order: what crosses is matched at the resting prices, best first; the rest of it rests.
 * An order that was cut, or finds no space for its level, loses that rest. price, size > 0. */
void market_limit(market *m, market_side side, int64_t price, int64_t size);

/* A market order: matched against whatever rests on the other side; what finds nothing is dropped.
 */
void market_take(market *m, market_side side, int64_t size);

/* Take so many lots, at most all that there are, out of the index-th best level of a side. */
void market_cancel(market *m, market_side side, size_t index, int64_t size);

/* Executions of the last event, in order; valid until the next one. */
const market_trade *market_trades(const market *m, size_t *count);

/* Events so far, counted from first_seq. */
int64_t market_seq(const market *m);

/* Number of price levels of a side, and the index-th best of them (0 = best). index < count. */
size_t market_level_count(const market *m, market_side side);
market_level market_level_at(const market *m, market_side side, size_t index);

/* 1 if orders rest at this price. */
int market_has_level(const market *m, market_side side, int64_t price);

#endif
