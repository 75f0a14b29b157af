/* Candles: what the trades of an interval add up to. Exact: volume and turnover are sums of whole
 * lots and money units. Constant rules, no frames; one thread. */
#ifndef TD_SIM_CANDLE_H
#define TD_SIM_CANDLE_H

#include <stdint.h>

/* The intervals that the exchange has, as v5 names them: 1 to 720 minutes, D, W, M. */
typedef enum candle_interval {
    CANDLE_1,
    CANDLE_3,
    CANDLE_5,
    CANDLE_15,
    CANDLE_30,
    CANDLE_60,
    CANDLE_120,
    CANDLE_240,
    CANDLE_360,
    CANDLE_720,
    CANDLE_D,
    CANDLE_W, /* from Monday on */
    CANDLE_M, /* a month of the calendar */
    CANDLE_INTERVALS,
} candle_interval;

/* Their names in the exchange's topics; spot has its own. */
extern const char *const CANDLE_NAMES[CANDLE_INTERVALS];
extern const char *const CANDLE_NAMES_SPOT[CANDLE_INTERVALS];

typedef struct candle {
    uint64_t start_ns;
    uint64_t end_ns; /* exclusive */
    int64_t open;    /* prices in units of the last place */
    int64_t high;
    int64_t low;
    int64_t close;
    int64_t volume;   /* lots */
    int64_t turnover; /* units of instrument_money */
} candle;

/* The present candle of an interval, and the one before it. */
typedef struct candle_pair {
    candle now;
    candle closed; /* end_ns 0: there is none yet */
} candle_pair;

/* Begin at a moment, with the price that was paid last. */
void candle_open(candle_pair *pair, candle_interval interval, uint64_t ns, int64_t price);

/* Time goes on: if the present candle has ended, it is closed, and the one of this moment begins at
 * its last price. Returns 1 then. */
int candle_roll(candle_pair *pair, candle_interval interval, uint64_t ns);

/* Count a trade; its moment lies in the present candle. */
void candle_add(candle_pair *pair, int64_t price, int64_t volume, int64_t turnover);

#endif
