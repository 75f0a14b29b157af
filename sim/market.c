#include "sim/market.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum { NONE = MARKET_NO_ORDER };

typedef struct order {
    int64_t price;
    int64_t size;
    market_side side;
    int32_t older;       /* neighbours at the same price; NONE at the ends */
    int32_t newer;       /* of a free order: the next free one */
    uint32_t live_index; /* its place in market.live */
} order;

typedef struct price_level {
    int64_t price;
    int64_t size;
    int32_t oldest;
    int32_t newest;
} price_level;

/* One side, worst level first: the best ones, where everything happens, are at the end. */
typedef struct half_book {
    price_level levels[MARKET_LEVELS_MAX];
    size_t count;
} half_book;

struct market {
    half_book sides[2];
    order orders[MARKET_ORDERS_MAX];
    int32_t live[MARKET_ORDERS_MAX]; /* handles of resting orders, packed */
    uint32_t live_count;
    int32_t first_free;
    market_trade trades[MARKET_TRADES_MAX];
    size_t trade_count;
    int64_t seq;
};

td_result market_open(int64_t first_seq, market **out, td_err *err)
{
    market *m = td_alloc_zero(1, sizeof *m);
    if (m == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a market");
    m->seq = first_seq;
    for (int32_t i = 0; i < MARKET_ORDERS_MAX; i++)
        m->orders[i].newer = i + 1 < MARKET_ORDERS_MAX ? i + 1 : NONE;
    *out = m;
    return TD_OK;
}

void market_close(market *m)
{
    td_free(m);
}

/* ---- levels ---- */

/* 1 if price a is better for its side than b: it is matched first. */
static int is_better(market_side side, int64_t a, int64_t b)
{
    return side == MARKET_BUY ? a > b : a < b;
}

/* Index of the first level that is not worse than price: that of price itself, if it is there. */
static size_t find_level(const half_book *half, market_side side, int64_t price)
{
    size_t low = 0;
    size_t high = half->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_better(side, price, half->levels[middle].price))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remove_level(half_book *half, size_t index)
{
    TD_ASSERT(index < half->count);
    half->count--;
    memmove(&half->levels[index], &half->levels[index + 1],
            (half->count - index) * sizeof half->levels[0]);
}

/* The level of a price, made if it is not there; NULL if there is no room for one more. */
static price_level *get_level(half_book *half, market_side side, int64_t price)
{
    size_t index = find_level(half, side, price);
    if (index < half->count && half->levels[index].price == price)
        return &half->levels[index];
    if (half->count == MARKET_LEVELS_MAX)
        return NULL;
    memmove(&half->levels[index + 1], &half->levels[index],
            (half->count - index) * sizeof half->levels[0]);
    half->count++;
    half->levels[index] = (price_level){.price = price, .oldest = NONE, .newest = NONE};
    return &half->levels[index];
}

/* ---- orders ---- */

/* Take an order out of its level's queue and give its handle back. The level's size is the
 * caller's. */
static void unlink_order(market *m, price_level *level, int32_t handle)
{
    order *o = &m->orders[handle];
    if (o->older != NONE)
        m->orders[o->older].newer = o->newer;
    else
        level->oldest = o->newer;
    if (o->newer != NONE)
        m->orders[o->newer].older = o->older;
    else
        level->newest = o->older;
    TD_ASSERT(m->live_count > 0);
    int32_t last = m->live[--m->live_count];
    m->live[o->live_index] = last;
    m->orders[last].live_index = o->live_index;
    o->newer = m->first_free;
    m->first_free = handle;
    o->size = 0;
}

/* Let the rest of an order rest behind the others of its price. */
static int32_t rest_order(market *m, market_side side, int64_t price, int64_t size)
{
    int32_t handle = m->first_free;
    price_level *level = handle == NONE ? NULL : get_level(&m->sides[side], side, price);
    if (level == NULL)
        return NONE;
    order *o = &m->orders[handle];
    m->first_free = o->newer;
    *o = (order){.price = price,
                 .size = size,
                 .side = side,
                 .older = level->newest,
                 .newer = NONE,
                 .live_index = m->live_count};
    m->live[m->live_count++] = handle;
    if (level->newest != NONE)
        m->orders[level->newest].newer = handle;
    else
        level->oldest = handle;
    level->newest = handle;
    level->size += size;
    return handle;
}

/* Match up to size against the best level of the side that rests; its oldest orders first. */
static int64_t match_level(market *m, market_side taker, half_book *half, int64_t size)
{
    price_level *level = &half->levels[half->count - 1];
    while (size > 0 && level->oldest != NONE && m->trade_count < MARKET_TRADES_MAX) {
        order *resting = &m->orders[level->oldest];
        int64_t traded = resting->size < size ? resting->size : size;
        m->trades[m->trade_count++] =
            (market_trade){.price = level->price, .size = traded, .taker = taker};
        resting->size -= traded;
        level->size -= traded;
        size -= traded;
        if (resting->size == 0)
            unlink_order(m, level, level->oldest);
    }
    TD_ASSERT((level->size == 0) == (level->oldest == NONE));
    if (level->oldest == NONE)
        remove_level(half, half->count - 1);
    return size;
}

/* Match an order against the other side, down to its limit. Returns what is left of it. */
static int64_t match(market *m, market_side side, int64_t limit, int64_t size)
{
    half_book *other = &m->sides[side == MARKET_BUY ? MARKET_SELL : MARKET_BUY];
    m->trade_count = 0;
    while (size > 0 && other->count > 0 && m->trade_count < MARKET_TRADES_MAX) {
        int64_t best = other->levels[other->count - 1].price;
        if (is_better(side, best, limit))
            break; /* dearer than a buyer's limit, cheaper than a seller's */
        size = match_level(m, side, other, size);
    }
    return size;
}

int32_t market_limit(market *m, market_side side, int64_t price, int64_t size)
{
    TD_ASSERT(price > 0);
    TD_ASSERT(size > 0);
    m->seq++;
    size = match(m, side, price, size);
    /* Cut at the trades' bound, the rest must not rest: it would cross the book. */
    if (size == 0 || m->trade_count == MARKET_TRADES_MAX)
        return NONE;
    return rest_order(m, side, price, size);
}

void market_take(market *m, market_side side, int64_t size)
{
    TD_ASSERT(size > 0);
    m->seq++;
    (void)match(m, side, side == MARKET_BUY ? INT64_MAX : 0, size); /* the rest is dropped */
}

void market_cancel(market *m, int32_t handle)
{
    TD_ASSERT(handle >= 0);
    TD_ASSERT(handle < MARKET_ORDERS_MAX);
    const order *o = &m->orders[handle];
    TD_ASSERT(o->size > 0);
    half_book *half = &m->sides[o->side];
    size_t index = find_level(half, o->side, o->price);
    TD_ASSERT(index < half->count);
    price_level *level = &half->levels[index];
    TD_ASSERT(level->price == o->price);
    m->seq++;
    m->trade_count = 0;
    level->size -= o->size;
    unlink_order(m, level, handle);
    if (level->oldest == NONE)
        remove_level(half, index);
}

/* ---- looking ---- */

uint32_t market_order_count(const market *m)
{
    return m->live_count;
}

int32_t market_order_at(const market *m, uint32_t index)
{
    TD_ASSERT(index < m->live_count);
    return m->live[index];
}

const market_trade *market_trades(const market *m, size_t *count)
{
    *count = m->trade_count;
    return m->trades;
}

int64_t market_seq(const market *m)
{
    return m->seq;
}

size_t market_level_count(const market *m, market_side side)
{
    return m->sides[side].count;
}

market_level market_level_at(const market *m, market_side side, size_t index)
{
    const half_book *half = &m->sides[side];
    TD_ASSERT(index < half->count);
    const price_level *level = &half->levels[half->count - 1 - index];
    return (market_level){.price = level->price, .size = level->size};
}

int market_has_level(const market *m, market_side side, int64_t price)
{
    const half_book *half = &m->sides[side];
    size_t index = find_level(half, side, price);
    return index < half->count && half->levels[index].price == price;
}
