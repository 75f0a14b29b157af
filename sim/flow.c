#include "sim/flow.h"

#include "base/assert.h"

enum {
    FILL_LEVELS = 300, /* levels of each side at first */
    DEPTH_TICKS = 550, /* missing levels are added within this distance of the best price; less than
                          price_min, so that prices stay positive */
    /* Market orders among 1,000 events; about 7 % of the frames are then trades. */
    TAKE_PERMILLE = 36,
    CANCEL_PERMILLE = 430,
    CANCEL_SHARE = 32, /* a cancel may exceed an order's size by 1 / CANCEL_SHARE of its level */
};

void flow_init(flow *f, const instrument *traded, uint64_t seed)
{
    td_random_init(&f->random, seed);
    f->lots_typical = traded->lots_typical;
    f->price_min = FLOW_LEVELS_MAX;
    TD_ASSERT(traded->first_price > 2 * (FILL_LEVELS + f->price_min));
}

/* A random distance from 0 to max; each further step has probability mean / (mean + 1). */
static int64_t draw_distance(flow *f, uint32_t mean, int64_t max)
{
    int64_t distance = 0;
    while (distance < max && td_random_below(&f->random, mean + 1) != 0)
        distance++;
    return distance;
}

/* A random order size. Sizes span three powers of ten; round sizes are not favoured. */
static int64_t draw_size(flow *f)
{
    uint64_t scale = td_random_below(&f->random, 100);
    uint64_t most = (uint64_t)f->lots_typical * (scale < 70 ? 1 : scale < 95 ? 6 : 40);
    return 1 + (int64_t)td_random_below(&f->random, most);
}

static market_side draw_side(flow *f)
{
    return td_random_below(&f->random, 2) == 0 ? MARKET_BUY : MARKET_SELL;
}

void flow_fill(flow *f, const instrument *traded, market *m)
{
    for (int64_t i = 1; i <= FILL_LEVELS; i++) {
        market_limit(m, MARKET_BUY, traded->first_price - i, draw_size(f));
        market_limit(m, MARKET_SELL, traded->first_price + i, draw_size(f));
    }
}

/* Add an order to a side with too few levels, anywhere in its depth: if it were always beyond the
 * worst level, the book would drift away from its price. */
static void deepen(flow *f, market *m, market_side side)
{
    int64_t away = 1 + (int64_t)td_random_below(&f->random, DEPTH_TICKS);
    int64_t best = market_level_at(m, side, 0).price;
    int64_t price = side == MARKET_BUY ? best - away : best + away;
    market_limit(m, side, price < 1 ? 1 : price, draw_size(f));
}

/* Place a limit order: mostly near its side's best price, sometimes inside or across the spread. */
static void place(flow *f, market *m, market_side side)
{
    int64_t far_best = market_level_at(m, market_other_side(side), 0).price;
    int64_t distance = draw_distance(f, td_random_below(&f->random, 8) == 0 ? 60 : 9, 300);
    int64_t price = side == MARKET_BUY ? far_best - distance : far_best + distance;
    if (price < f->price_min)
        price = f->price_min + (int64_t)td_random_below(&f->random, 4);
    market_limit(m, side, price, draw_size(f));
}

/* Cancel orders: mostly near the best price, where most orders are placed, but also at far levels.
 * Larger levels lose more, so that no level grows without bound. */
static void cancel(flow *f, market *m, market_side side)
{
    int64_t count = (int64_t)market_level_count(m, side);
    int64_t index = td_random_below(&f->random, 4) == 0
                        ? (int64_t)td_random_below(&f->random, (uint64_t)count)
                        : draw_distance(f, 12, count - 1);
    uint64_t all = (uint64_t)market_level_at(m, side, (size_t)index).size;
    int64_t size = draw_size(f);
    size += (int64_t)td_random_below(&f->random, all / CANCEL_SHARE + 1);
    market_cancel(m, side, (size_t)index, size);
}

void flow_step(flow *f, market *m)
{
    for (int side = MARKET_BUY; side <= MARKET_SELL; side++) {
        if (market_level_count(m, (market_side)side) < FLOW_LEVELS_MIN) {
            deepen(f, m, (market_side)side);
            return;
        }
    }
    uint64_t what = td_random_below(&f->random, 1000);
    if (what < TAKE_PERMILLE) {
        /* Drawn before the call, because C does not fix the order of arguments. */
        int64_t size = draw_size(f);
        market_side side = draw_side(f);
        market_take(m, side, market_any_price(side), size);
    } else if (what < TAKE_PERMILLE + CANCEL_PERMILLE) {
        cancel(f, m, draw_side(f));
    } else {
        place(f, m, draw_side(f));
    }
}
