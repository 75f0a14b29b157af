/* The symbols of the simulated exchange with their price and size steps, per product. The first
 * symbols of a product have real names; the others are invented. Constant data. */
#ifndef TD_SIM_INSTRUMENT_H
#define TD_SIM_INSTRUMENT_H

#include <stdint.h>

typedef enum product {
    PRODUCT_INVERSE,   /* contracts of 1 USD, settled in the coin */
    PRODUCT_LINEAR,    /* coins against USDT */
    PRODUCT_USDC_PERP, /* coins against USDC */
    PRODUCT_SPOT,
    PRODUCT_OPTION, /* calls and puts on a few coins */
    PRODUCT_SPREAD, /* a contract against its coin; prices can be negative */
    PRODUCT_NONE,   /* notices only: a symbol without a name and without visible trading */
} product;

enum {
    INSTRUMENT_NAME_BYTES = 32,
    INSTRUMENT_COIN_BYTES = 8,
    INSTRUMENTS_MAX = 10000, /* invented names have four digits */
};

#define INSTRUMENT_EXPIRY "25DEC26" /* the expiry of all options */

typedef struct instrument {
    char symbol[INSTRUMENT_NAME_BYTES];
    char base[INSTRUMENT_COIN_BYTES];
    const char *settle; /* settlement coin; NULL: the base coin */
    product product;
    uint8_t is_inverse;   /* 1: sizes are in USD, turnover is in coins */
    uint8_t price_places; /* decimal places of prices */
    uint8_t size_places;  /* decimal places of sizes; 0: whole contracts */
    int64_t tick;         /* price step, in units of the last decimal place */
    int64_t first_price;  /* in engine ticks, which are at least 1 */
    int64_t price_shift;  /* number of ticks by which prices on the wire are below engine prices */
    int64_t lots_typical; /* size of a usual order */
} instrument;

/* The index-th instrument of a product, 0 to INSTRUMENTS_MAX - 1. */
instrument instrument_make(product of, uint32_t index);

/* 1 if the first instruments are of a coin with this name. */
int instrument_has_coin(const char *coin);

/* The price on the wire, in units of the last decimal place, for an engine price. */
static inline int64_t instrument_price(const instrument *traded, int64_t ticks)
{
    return (ticks - traded->price_shift) * traded->tick;
}

/* Decimal places of an amount of money, which is price times size, or coins for inverse contracts.
 */
static inline uint8_t instrument_money_places(const instrument *traded)
{
    enum { COIN_PLACES = 8 };
    return traded->is_inverse ? COIN_PLACES : (uint8_t)(traded->price_places + traded->size_places);
}

/* Value of a trade in units of 10^-instrument_money_places: exact if it is price times size,
 * rounded to nearest if it is coins. price is in units of the last decimal place, size in lots. */
int64_t instrument_money(const instrument *traded, int64_t price, int64_t size);

#endif
