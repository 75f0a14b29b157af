/* A matching engine for one symbol: limit and market orders, price-time priority, cancels. What it
 * says is the truth that everything else is checked against, so it keeps its own books and shares
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

/* One execution against one resting order. */
typedef struct market_trade {
    int64_t price; /* the resting order's */
    int64_t size;
    market_side taker;
} market_trade;

enum {
    MARKET_ORDERS_MAX = 8192, /* resting at once */
    MARKET_LEVELS_MAX = 1024, /* of a side */
    MARKET_TRADES_MAX = 64,   /* of one event: a larger order is cut there, as by a price band */
    MARKET_NO_ORDER = -1,
};

/* An empty market whose events are counted from first_seq + 1 on. TD_E_NOMEM. */
TD_MUST_USE td_result market_open(int64_t first_seq, market **out, td_err *err);
void market_close(market *m);

/* A limit order: what crosses is matched at the resting prices, best and oldest first; the rest of
 * it rests. Returns the resting order's handle, or MARKET_NO_ORDER if nothing of it rests. An order
 * that finds no room to rest (orders, levels) loses that rest. price, size > 0. */
int32_t market_limit(market *m, market_side side, int64_t price, int64_t size);

/* A market order: matched against whatever rests on the other side; what finds nothing is dropped.
 */
void market_take(market *m, market_side side, int64_t size);

/* Take a resting order out. */
void market_cancel(market *m, int32_t order);

/* Resting orders, in no order that means anything: for choosing one. index < count. */
uint32_t market_order_count(const market *m);
int32_t market_order_at(const market *m, uint32_t index);

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
