#include "sim/market.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* One side of the book, worst level first: most changes are near the best level, and the end of an
 * array is cheaper to change. */
typedef struct half_book {
    market_level levels[MARKET_LEVELS_MAX];
    size_t count;
} half_book;

struct market {
    half_book sides[2];
    market_trade trades[MARKET_TRADES_MAX];
    size_t trade_count;
    int64_t seq;
};

market *market_open(int64_t first_seq)
{
    market *m = td_alloc_zero(1, sizeof *m);
    m->seq = first_seq;
    return m;
}

void market_close(market *m)
{
    td_free(m);
}

/* ---- levels ---- */

/* 1 if price a is matched before price b. */
static int is_better(market_side side, int64_t a, int64_t b)
{
    return side == MARKET_BUY ? a > b : a < b;
}

/* Index of the first level not worse than price: the level of price itself, if it exists. */
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

/* Remove lots from a level, and the level once it is empty. */
static void reduce_level(half_book *half, size_t index, int64_t size)
{
    TD_ASSERT(index < half->count);
    TD_ASSERT(size <= half->levels[index].size);
    half->levels[index].size -= size;
    if (half->levels[index].size > 0)
        return;
    half->count--;
    memmove(&half->levels[index], &half->levels[index + 1],
            (half->count - index) * sizeof half->levels[0]);
}

static void add_to_level(half_book *half, market_side side, int64_t price, int64_t size)
{
    size_t index = find_level(half, side, price);
    if (index < half->count && half->levels[index].price == price) {
        half->levels[index].size += size;
        return;
    }
    if (half->count == MARKET_LEVELS_MAX)
        return;
    memmove(&half->levels[index + 1], &half->levels[index],
            (half->count - index) * sizeof half->levels[0]);
    half->count++;
    half->levels[index] = (market_level){.price = price, .size = size};
}

/* ---- events ---- */

/* Match an order against the other side, down to its limit. Returns the unmatched size. */
static int64_t match(market *m, market_side side, int64_t limit, int64_t size)
{
    half_book *other = &m->sides[market_other_side(side)];
    while (size > 0 && other->count > 0 && m->trade_count < MARKET_TRADES_MAX) {
        market_level best = other->levels[other->count - 1];
        if (is_better(side, best.price, limit))
            break; /* above a buyer's limit, or below a seller's */
        int64_t traded = size < best.size ? size : best.size;
        m->trades[m->trade_count++] =
            (market_trade){.price = best.price, .size = traded, .taker = side};
        reduce_level(other, other->count - 1, traded);
        size -= traded;
    }
    return size;
}

static void begin_event(market *m)
{
    m->seq++;
    m->trade_count = 0;
}

void market_limit(market *m, market_side side, int64_t price, int64_t size)
{
    TD_ASSERT(price > 0);
    TD_ASSERT(size > 0);
    begin_event(m);
    size = match(m, side, price, size);
    /* After a cut at MARKET_TRADES_MAX the remainder is dropped, because it would cross the
     * book. */
    if (size > 0 && m->trade_count < MARKET_TRADES_MAX)
        add_to_level(&m->sides[side], side, price, size);
}

void market_take(market *m, market_side side, int64_t limit, int64_t size)
{
    TD_ASSERT(size >= 0);
    begin_event(m);
    (void)match(m, side, limit, size); /* the remainder is dropped */
}

void market_cancel(market *m, market_side side, size_t index, int64_t size)
{
    half_book *half = &m->sides[side];
    TD_ASSERT(index < half->count);
    TD_ASSERT(size > 0);
    size_t at = half->count - 1 - index;
    begin_event(m);
    reduce_level(half, at, size < half->levels[at].size ? size : half->levels[at].size);
}

/* ---- reading ---- */

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
    return half->levels[half->count - 1 - index];
}
