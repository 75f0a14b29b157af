/* One traded symbol: its market, its ticker and its last trades. Frames of all families are made
 * from these; this module has no frames.
 *
 * A matching event is one order or cancel in s->market, followed by symbol_end_event(). One thread.
 */
#ifndef TD_SIM_SYMBOL_H
#define TD_SIM_SYMBOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "sim/flow.h"
#include "sim/instrument.h"
#include "sim/market.h"
#include "sim/value.h"

/* A trade as the exchange reports it. */
typedef struct sim_trade {
    market_trade done;
    int64_t price;  /* in units of the last decimal place */
    int64_t money;  /* in units of instrument_money() */
    uint64_t id[2]; /* random bits of its UUID */
    int64_t number; /* in spot the trade's id; it rises over all symbols, with gaps */
    uint64_t ns;    /* exchange time; 0: no trade yet */
} sim_trade;

typedef struct sim_symbol {
    instrument traded;
    market *market;
    flow flow;
    sim_value values[SIM_COUNT];         /* only the ticker's are set */
    sim_trade trades[MARKET_TRADES_MAX]; /* trades of the last event */
    size_t trade_count;
    sim_trade last;    /* the last trade so far */
    uint64_t event_ns; /* exchange time of the last event */
} sim_symbol;

/* Open a symbol with a filled book at exchange time ns. */
void symbol_open(sim_symbol *s, const instrument *traded, td_random *random, uint64_t ns);
void symbol_close(sim_symbol *s);

/* Turn the event's executions into trades and totals, and update the ticker. ns is the event's
 * exchange time, not before the previous event's. *next_number is the family's last trade number.
 */
void symbol_end_event(sim_symbol *s, uint64_t ns, td_random *random, int64_t *next_number);

/* Set the values of a trade, except its id. */
void symbol_set_trade(const sim_symbol *s, const sim_trade *trade, sim_value *values);

/* Set the names and coins of a symbol, and its ticker. */
void symbol_set_names(const sim_symbol *s, sim_value *values);

/* Format a UUID of version 5 from random bits, with a NUL. */
enum { SYMBOL_ID_BYTES = 37 };
void symbol_format_uuid(const uint64_t id[2], char out[SYMBOL_ID_BYTES]);

/* Format the id of a trade or order of the symbol: a UUID from id, or in spot the number. */
void symbol_format_id(const sim_symbol *s, const uint64_t id[2], int64_t number,
                      char out[SYMBOL_ID_BYTES]);

#endif
