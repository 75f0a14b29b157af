#include "sim/instrument.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "sim/value.h"

/* A coin, with price and size steps of its contracts. */
typedef struct coin_row {
    const char *name;
    int64_t tick;        /* in units of the last place of a price */
    int64_t first_price; /* in ticks */
    int64_t lots_linear; /* typical order size of the linear contract */
    uint8_t price_places;
    uint8_t size_places; /* decimal places of sizes of the linear contract */
} coin_row;

static const coin_row COINS[] = {
    {"BTC", 50, 121245, 250, 2, 3}, {"ETH", 5, 47600, 400, 2, 2},  {"EOS", 1, 7978, 900, 3, 1},
    {"XRP", 1, 15600, 3000, 4, 0},  {"LTC", 1, 31000, 1500, 2, 2}, {"BCH", 5, 21100, 500, 2, 2},
    {"LINK", 1, 42300, 600, 3, 1},  {"ADA", 1, 14200, 2500, 4, 0}, {"DOT", 5, 8500, 700, 3, 1},
    {"XTZ", 1, 6900, 800, 3, 1},    {"UNI", 1, 33100, 400, 3, 1},  {"DOGE", 1, 2900, 9000, 4, 0},
};

enum {
    COIN_COUNT = sizeof COINS / sizeof COINS[0],
    LOTS_INVERSE = 12000,
    OPTION_COINS = 3,
    SPOT_FINER_PLACES = 3, /* spot sizes have this many more decimal places than linear ones */
};

/* The text after the coin in a product's symbols (NULL: the symbols have another form), and the
 * settlement coin (NULL: the coin). */
static const struct {
    const char *tail, *settle;
} PAIRS[] = {
    [PRODUCT_INVERSE] = {"USD", NULL},      [PRODUCT_LINEAR] = {"USDT", "USDT"},
    [PRODUCT_USDC_PERP] = {"PERP", "USDC"}, [PRODUCT_SPOT] = {"USDT", "USDT"},
    [PRODUCT_SPREAD] = {NULL, "USDT"},      [PRODUCT_NONE] = {NULL, NULL},
};

/* Make an option: calls and puts alternate, with strikes around the coin's price. */
static void make_option(instrument *made, uint32_t index)
{
    const coin_row *coin = &COINS[index % OPTION_COINS];
    uint32_t nth = index / OPTION_COINS;
    int64_t whole = coin->first_price * coin->tick / sim_power10(coin->price_places);
    int64_t step = whole > 1000 ? 1000 : whole > 100 ? 100 : 1;
    int64_t strike = whole / step * step + step * (int64_t)(nth / 2);
    *made = (instrument){.settle = "USDC",
                         .product = PRODUCT_OPTION,
                         .price_places = 1,
                         .size_places = 2,
                         .tick = 5,
                         .first_price = 3000 + 40 * (int64_t)(nth % 50),
                         .lots_typical = 300};
    memcpy(made->base, coin->name, strlen(coin->name) + 1);
    (void)snprintf(made->symbol, sizeof made->symbol, "%s-" INSTRUMENT_EXPIRY "-%lld-%c",
                   coin->name, (long long)strike, nth % 2 == 0 ? 'C' : 'P'); /* fits */
}

instrument instrument_make(product of, uint32_t index)
{
    TD_ASSERT(index < INSTRUMENTS_MAX);
    const coin_row *coin = &COINS[index % COIN_COUNT];
    instrument made = {
        .product = of,
        .price_places = coin->price_places,
        .tick = coin->tick,
        .first_price = coin->first_price,
        .size_places = coin->size_places,
        .lots_typical = coin->lots_linear,
    };
    if (index < COIN_COUNT)
        memcpy(made.base, coin->name, strlen(coin->name) + 1);
    else
        (void)snprintf(made.base, sizeof made.base, "S%04u", index); /* fits */
    made.settle = PAIRS[of].settle;
    if (PAIRS[of].tail != NULL)
        (void)snprintf(made.symbol, sizeof made.symbol, "%s%s", made.base,
                       PAIRS[of].tail); /* fits */
    if (of == PRODUCT_INVERSE) {
        made.is_inverse = 1;
        made.size_places = 0;
        made.lots_typical = LOTS_INVERSE;
    } else if (of == PRODUCT_SPOT) {
        made.first_price *= made.tick;
        made.tick = 1;
        made.size_places += SPOT_FINER_PLACES;
        made.lots_typical = made.lots_typical * sim_power10(SPOT_FINER_PLACES) + 7;
    } else if (of == PRODUCT_OPTION) {
        make_option(&made, index);
    } else if (of == PRODUCT_SPREAD) {
        /* The first price is a few ticks above zero, so bids are partly negative. */
        enum { FIRST_PRICE = 4000, ABOVE_ZERO = 150 };
        made.price_places = 4;
        made.tick = 1000;
        made.first_price = FIRST_PRICE;
        made.price_shift = FIRST_PRICE - ABOVE_ZERO;
        (void)snprintf(made.symbol, sizeof made.symbol, "%sUSDT_%s/USDT", made.base, made.base);
    }
    return made;
}

int instrument_has_coin(const char *coin)
{
    for (size_t i = 0; i < COIN_COUNT; i++)
        if (strcmp(COINS[i].name, coin) == 0)
            return 1;
    return 0;
}

int64_t instrument_money(const instrument *traded, int64_t price, int64_t size)
{
    if (!traded->is_inverse)
        return (int64_t)((wide)price * size);
    wide coins = (wide)size * 100000000 * sim_power10(traded->price_places);
    return (int64_t)((coins + price / 2) / price);
}
