/* The visible part of a market's book: its best levels, and the differences between two states.
 * Stateless. */
#ifndef TD_SIM_WINDOW_H
#define TD_SIM_WINDOW_H

#include <stddef.h>
#include <stdint.h>

#include "sim/instrument.h"
#include "sim/market.h"

enum { WINDOW_DEPTH_MAX = 1000 };

/* The best levels, best first, as on the wire: a price is in units of the instrument's last decimal
 * place. In a change, size 0 means that the level is deleted. */
typedef struct book_window {
    uint32_t depth;
    uint32_t counts[2];    /* by market_side */
    market_level levels[]; /* bids from index 0, asks from index depth */
} book_window;

/* Allocate an empty window; free it with td_free. */
book_window *window_open(uint32_t depth);

/* The levels of a side. */
static inline const market_level *window_side(const book_window *window, market_side side)
{
    return window->levels + (side == MARKET_BUY ? 0 : window->depth);
}

/* Fill a window with the market's best levels. */
void window_fill(book_window *window, const instrument *traded, const market *m);

/* Copy a window of the same depth. */
void window_copy(book_window *to, const book_window *from);

typedef enum change_kind { CHANGE_DELETE, CHANGE_UPDATE, CHANGE_INSERT } change_kind;

typedef struct window_change {
    change_kind kind;
    market_side side;
    market_level level;
} window_change;

/* Space for the largest number of changes: all old levels of both sides deleted, and as many
 * inserted. */
typedef struct window_changes {
    window_change items[4 * WINDOW_DEPTH_MAX];
    uint32_t count;
} window_changes;

/* The changes between two windows: bids, then asks, each best first. */
void window_compare(const book_window *from, const book_window *to, window_changes *out);

#endif
