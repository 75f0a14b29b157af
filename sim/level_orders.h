/* The single orders of a shown book, for streams that show orders: each level of a window
 * (window.h) is made of orders, which come, grow, shrink from the front of the queue and go as its
 * size changes. Levels that fall out of a full window take their orders with them unannounced, as
 * on Kraken. No randomness; one thread. */
#ifndef TD_SIM_LEVEL_ORDERS_H
#define TD_SIM_LEVEL_ORDERS_H

#include <stddef.h>
#include <stdint.h>

#include "sim/window.h"

enum {
    LEVEL_ORDERS_MAX = 3, /* of one level; then one of them grows, and loses its place */
    LEVEL_ORDER_ID_BYTES = 20,
};

typedef struct level_orders level_orders;

typedef struct level_order {
    int64_t price, size;
    uint64_t ns;     /* of its place in the queue */
    uint64_t number; /* rises */
} level_order;

typedef struct order_event {
    const char *action; /* "add", "modify" or "delete" */
    market_side side;
    level_order order; /* of a delete: as it was */
} order_event;

/* A book without orders. Closing NULL is allowed. */
level_orders *level_orders_open(void);
void level_orders_close(level_orders *orders);

/* Begin again with the levels of a window, at a time. */
void level_orders_reset(level_orders *orders, const book_window *window, uint64_t ns);

/* Follow the changes that led to a window, and note the events of orders. */
void level_orders_follow(level_orders *orders, const book_window *window,
                         const window_changes *changes, uint64_t ns);

/* Number of events of a side at most, in a snapshot or for a change of a window. */
static inline size_t level_orders_events_max(size_t depth)
{
    return depth * (LEVEL_ORDERS_MAX + 2); /* all levels are deleted, and others are added */
}

/* Note all orders as events, for a snapshot. */
void level_orders_list(level_orders *orders);

/* The events that were noted last: bids and asks, each in the order of the queue or of the changes.
 */
const order_event *level_orders_events(const level_orders *orders, size_t *count);

/* The orders of a side, in the order in which they are filled. */
const level_order *level_orders_side(const level_orders *orders, market_side side, size_t *count);

/* An order's id, in the form of Kraken's: "O6ZQNQ-BXL4E-5WGINO". */
void level_order_format_id(uint64_t number, char out[LEVEL_ORDER_ID_BYTES]);

#endif
