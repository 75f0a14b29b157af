/* Candles: sums of the trades of some minutes. Exact: volume and turnover are sums of whole lots
 * and money units. Independent of frames. One thread. */
#ifndef TD_SIM_CANDLE_H
#define TD_SIM_CANDLE_H

#include <stdint.h>

typedef struct candle {
    uint64_t start_ns;
    uint64_t end_ns; /* exclusive */
    int64_t open;    /* prices in units of the last place */
    int64_t high;
    int64_t low;
    int64_t close;
    int64_t volume;   /* lots */
    int64_t turnover; /* in units of instrument_money() */
    int64_t is_closed;
} candle;

/* The current candle of an interval, and the previous one. */
typedef struct candle_pair {
    candle now;
    candle closed; /* end_ns 0: no candle closed yet */
} candle_pair;

/* Begin the candle at ns, with the last price paid. */
void candle_open(candle_pair *pair, uint32_t minutes, uint64_t ns, int64_t price);

/* Advance to ns: if the current candle has ended, close it, begin the candle at ns with its last
 * price, and return 1. */
int candle_roll(candle_pair *pair, uint32_t minutes, uint64_t ns);

/* Add a trade, whose time must be in the current candle. */
void candle_add(candle_pair *pair, int64_t price, int64_t volume, int64_t turnover);

#endif
