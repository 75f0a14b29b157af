#include "sim/instrument.h"

#include <stdio.h>

#include "base/assert.h"

/* A coin as both kinds of contract quote it. */
typedef struct coin_row {
    const char *name;
    uint8_t price_places;
    int64_t tick;        /* in units of the last place */
    int64_t first_price; /* in ticks: about the price of 2021-04-17 */
    uint8_t size_places; /* of the linear contract */
    int64_t lots_linear; /* a usual order there */
} coin_row;

static const coin_row COINS[] = {
    {"BTC", 2, 50, 121245, 3, 250}, {"ETH", 2, 5, 47600, 2, 400},  {"EOS", 3, 1, 7978, 1, 900},
    {"XRP", 4, 1, 15600, 0, 3000},  {"LTC", 2, 1, 31000, 2, 1500}, {"BCH", 2, 5, 21100, 2, 500},
    {"LINK", 3, 1, 42300, 1, 600},  {"ADA", 4, 1, 14200, 0, 2500}, {"DOT", 3, 5, 8500, 1, 700},
    {"XTZ", 3, 1, 6900, 1, 800},    {"UNI", 3, 1, 33100, 1, 400},  {"DOGE", 4, 1, 2900, 0, 9000},
};

enum { COIN_COUNT = sizeof COINS / sizeof COINS[0], LOTS_INVERSE = 12000 };

instrument instrument_make(frame_shape shape, uint32_t index)
{
    TD_ASSERT(index < INSTRUMENTS_MAX);
    const coin_row *coin = &COINS[index % COIN_COUNT];
    int is_linear = shape == SHAPE_LINEAR;
    instrument made = {
        .id = index + 1,
        .price_places = coin->price_places,
        .tick = coin->tick,
        .first_price = coin->first_price,
        .size_places = is_linear ? coin->size_places : 0,
        .lots_typical = is_linear ? coin->lots_linear : LOTS_INVERSE,
    };
    const char *quote = is_linear ? "USDT" : "USD";
    int n = index < COIN_COUNT
                ? snprintf(made.symbol, sizeof made.symbol, "%s%s", coin->name, quote)
                : snprintf(made.symbol, sizeof made.symbol, "S%04u%s", index, quote);
    TD_ASSERT(n > 0);
    TD_ASSERT((size_t)n < sizeof made.symbol);
    return made;
}
