/* Candles: the trades of an interval, summed. Exact: volume and turnover are sums of whole lots
 * and money units. Knows no frames. One thread. */
#ifndef TD_SIM_CANDLE_H
#define TD_SIM_CANDLE_H

#include <stdint.h>

/* The intervals of the exchange, as v5 names them: 1 to 720 minutes, D, W, M. */
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
    CANDLE_W, /* begins on Monday */
    CANDLE_M, /* a calendar month */
    CANDLE_INTERVALS,
} candle_interval;

/* The intervals' names in topics; spot has its own. */
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

/* The current candle of an interval, and the one before it. */
typedef struct candle_pair {
    candle now;
    candle closed; /* end_ns 0: none yet */
} candle_pair;

/* Begin at ns, with the last price paid. */
void candle_open(candle_pair *pair, candle_interval interval, uint64_t ns, int64_t price);

/* Advance to ns: if the current candle has ended, close it and begin the one of ns at its last
 * price. Returns 1 if so. */
int candle_roll(candle_pair *pair, candle_interval interval, uint64_t ns);

/* Add a trade, whose time lies in the current candle. */
void candle_add(candle_pair *pair, int64_t price, int64_t volume, int64_t turnover);

#endif
