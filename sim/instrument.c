#include "sim/instrument.h"

#include <stdio.h>

#include "base/assert.h"

/* A coin as both kinds of contract quote it. */
typedef struct coin_row {
    const char *name;
    int64_t tick;        /* in units of the last place of a price */
    int64_t first_price; /* in ticks: about the price of 2021-04-17 */
    int64_t lots_linear; /* a usual order of the linear contract */
    uint8_t price_places;
    uint8_t size_places; /* of the linear contract */
} coin_row;

static const coin_row COINS[] = {
    {"BTC", 50, 121245, 250, 2, 3}, {"ETH", 5, 47600, 400, 2, 2},  {"EOS", 1, 7978, 900, 3, 1},
    {"XRP", 1, 15600, 3000, 4, 0},  {"LTC", 1, 31000, 1500, 2, 2}, {"BCH", 5, 21100, 500, 2, 2},
    {"LINK", 1, 42300, 600, 3, 1},  {"ADA", 1, 14200, 2500, 4, 0}, {"DOT", 5, 8500, 700, 3, 1},
    {"XTZ", 1, 6900, 800, 3, 1},    {"UNI", 1, 33100, 400, 3, 1},  {"DOGE", 1, 2900, 9000, 4, 0},
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
