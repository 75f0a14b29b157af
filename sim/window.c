#include "sim/window.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

book_window *window_open(uint32_t depth)
{
    TD_ASSERT(depth > 0);
    TD_ASSERT(depth <= WINDOW_DEPTH_MAX);
    book_window *made = td_alloc_zero(1, sizeof *made + (size_t)depth * 2 * sizeof(market_level));
    made->depth = depth;
    return made;
}

void window_copy(book_window *to, const book_window *from)
{
    TD_ASSERT(to->depth == from->depth);
    memcpy(to, from, sizeof *to + 2 * (size_t)to->depth * sizeof to->levels[0]);
}

static void fill_side(book_window *window, const instrument *traded, const market *m,
                      market_side side)
{
    market_level *levels = window->levels + (side == MARKET_BUY ? 0 : window->depth);
    size_t available = market_level_count(m, side);
    uint32_t count = available < window->depth ? (uint32_t)available : window->depth;
    for (uint32_t i = 0; i < count; i++) {
        market_level level = market_level_at(m, side, i);
        levels[i] =
            (market_level){.price = instrument_price(traded, level.price), .size = level.size};
    }
    window->counts[side] = count;
}

void window_fill(book_window *window, const instrument *traded, const market *m)
{
    fill_side(window, traded, m, MARKET_BUY);
    fill_side(window, traded, m, MARKET_SELL);
}

/* ---- differences ---- */

static void add_change(window_changes *list, change_kind kind, market_side side, market_level level)
{
    TD_ASSERT(list->count < sizeof list->items / sizeof list->items[0]);
    if (kind == CHANGE_DELETE)
        level.size = 0;
    list->items[list->count++] = (window_change){.kind = kind, .side = side, .level = level};
}

/* Walk one side of both windows from the best price: a level only in the old one is deleted, a
 * level only in the new one is inserted. */
static void compare_side(window_changes *list, const book_window *from, const book_window *to,
                         market_side side)
{
    const market_level *old = window_side(from, side);
    const market_level *new = window_side(to, side);
    uint32_t i = 0;
    uint32_t j = 0;
    while (i < from->counts[side] && j < to->counts[side]) {
        if (old[i].price == new[j].price) {
            if (old[i].size != new[j].size)
                add_change(list, CHANGE_UPDATE, side, new[j]);
            i++;
            j++;
        } else if ((old[i].price > new[j].price) == (side == MARKET_BUY)) {
            add_change(list, CHANGE_DELETE, side, old[i++]);
        } else {
            add_change(list, CHANGE_INSERT, side, new[j++]);
        }
    }
    while (i < from->counts[side])
        add_change(list, CHANGE_DELETE, side, old[i++]);
    while (j < to->counts[side])
        add_change(list, CHANGE_INSERT, side, new[j++]);
}

void window_compare(const book_window *from, const book_window *to, window_changes *out)
{
    out->count = 0;
    compare_side(out, from, to, MARKET_BUY);
    compare_side(out, from, to, MARKET_SELL);
}
