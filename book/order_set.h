/* The orders of one book, by id: each side in the order in which the orders will be filled. At a
 * price that is the order of their times, and of equal times the order in which they came. Prices
 * and sizes keep the decimal places that the exchange wrote.
 *
 * Which orders a frame adds, changes and removes is decided by book/book.h, whose levels follow
 * from them. Memory grows with the orders, up to LIMIT_BOOK_ORDERS a side. One thread; no I/O. */
#ifndef TD_BOOK_ORDER_SET_H
#define TD_BOOK_ORDER_SET_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/decimal.h"
#include "base/hash.h"
#include "book/state_io.h"
#include "schema/message.h"

typedef struct order_set order_set;

typedef struct book_order {
    td_bytes id; /* of at most LIMIT_ORDER_ID_BYTES; of a set: valid until the set changes */
    td_decimal price, size;
    uint64_t updated_ns; /* the exchange's time of its place in the queue */
} book_order;

/* Where an order is. */
typedef struct order_place {
    msg_side side;
    size_t index; /* 0: the first that is filled */
} order_place;

/* An empty set. Closing NULL is allowed. */
TD_NEVER_NULL order_set *order_set_open(void);
void order_set_close(order_set *set);

/* Memory of the set, in bytes. */
size_t order_set_bytes(const order_set *set);

/* Remove all orders. */
void order_set_clear(order_set *set);

/* Number of orders of a side. */
size_t order_set_count(const order_set *set, msg_side side);

/* The order at an index, 0 is the first that is filled. Returns 0 if the side has no such order. */
int order_set_at(const order_set *set, msg_side side, size_t index, book_order *out);

/* Find an order by its id. Returns 0 if it is absent. */
int order_set_find(const order_set *set, td_bytes id, order_place *out);

/* Add an order whose id is absent, or change the one with this id, which may move it. Returns 0,
 * with nothing changed, if the side is full or the id is empty or too long. */
int order_set_put(order_set *set, msg_side side, const book_order *order);

/* Remove the order at a place. */
void order_set_remove(order_set *set, order_place at);

/* Remove the last orders of a side until it has `count`. */
void order_set_truncate(order_set *set, msg_side side, size_t count);

/* The orders at one price. */
typedef struct order_level {
    size_t first; /* index of the first of them; without orders: where it would be */
    size_t count;
    td_decimal size;  /* their sum */
    uint8_t is_exact; /* 0: the sum exceeds 64 bits */
} order_level;
void order_set_level(const order_set *set, msg_side side, td_decimal price, order_level *out);

/* Digest of all orders, whatever the history; equal numbers are equal whatever their places. After
 * the first call it is updated with each change. Detects accidents, not forgery. */
void order_set_hash(order_set *set, td_hasher *into);

/* Save the orders, or load them into an empty set. */
void order_set_serialize(order_set *set, state_io *io);

#endif
