/* Candles: sums of the trades of some minutes. Volume and turnover are exact: sums of whole lots
 * and money units. Depends on trades only, not on frames. One thread. */
#ifndef TD_SIM_CANDLE_H
#define TD_SIM_CANDLE_H

#include <stdint.h>

typedef struct candle {
    uint64_t start_ns;
    uint64_t end_ns; /* exclusive */
    int64_t open;    /* this and the following prices are in units of the last decimal place */
    int64_t high;
    int64_t low;
    int64_t close;
    int64_t volume;   /* lots */
    int64_t turnover; /* in units of instrument_money() */
    int64_t is_closed;
} candle;

/* The current candle of an interval, and the one before. */
typedef struct candle_pair {
    candle now;
    candle closed; /* end_ns is 0 before the first candle has closed */
} candle_pair;

/* Begin the candle that contains the time ns; price is the last price paid. */
void candle_open(candle_pair *pair, uint32_t minutes, uint64_t ns, int64_t price);

/* Advance to the time ns. If the current candle has ended, close it, and begin the candle that
 * contains ns, with the last price of the closed one. */
void candle_roll(candle_pair *pair, uint32_t minutes, uint64_t ns);

/* Add a trade, whose time must be in the current candle. */
void candle_add(candle_pair *pair, int64_t price, int64_t volume, int64_t turnover);

#endif
