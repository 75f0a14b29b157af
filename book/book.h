/* One order book, with exactly the exchange's levels. A book applies typed messages, keeps both
 * sides sorted by price, and counts operations that did not fit. It has no I/O, no clock and no
 * threads; book/continuity.h has the rules.
 *
 * A book can keep the single orders, too (book_keep_orders). Its frames then change orders, and a
 * level is what the orders at its price add up to.
 *
 * Prices and sizes are integers. A book has one scale for prices and one for sizes, and widens a
 * scale when a frame has more decimal places. Equal values are equal whatever their text; a book
 * can keep how many places were written, for checksums of the text. Side and
 * price identify a level, so a price may be on both sides at once (the book is crossed then).
 *
 * Cost: a side is two arrays sorted by price, best last. A price is found by a binary search
 * without branches. Nothing is allocated while levels fit the expected depth. */
#ifndef TD_BOOK_BOOK_H
#define TD_BOOK_BOOK_H

#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/hash.h"
#include "book/order_set.h"
#include "book/state_io.h"
#include "schema/message.h"

typedef struct book book;

/* Counts of a frame's entries that did not fit. Such entries are applied as far as possible: a
 * delete of a missing level does nothing, an insert of an existing one sets it. Entries of a book
 * with orders are orders: what is called a level here is an order with its id then. */
typedef struct book_outcome {
    uint32_t delete_misses;  /* deletes of levels that did not exist */
    uint32_t update_misses;  /* updates of levels that did not exist (the level is set) */
    uint32_t update_repeats; /* updates to the size that the level already has, also by a delta's
                                ACTION_SET */
    uint32_t insert_hits;    /* inserts of levels that existed (the size is replaced) */
    uint32_t empty_sizes;    /* levels set, updated or inserted with a size of 0 or less */
    uint32_t overflows;      /* levels beyond the book's limit, or with an id of more than
                                LIMIT_ORDER_ID_BYTES: not kept */
    uint32_t out_of_range;   /* prices or sizes that do not fit at the book's scale: not kept */
} book_outcome;

typedef struct book_level {
    td_decimal price;
    td_decimal size;
} book_level;

/* An empty book. It allocates no more while each side has at most `depth` levels (0: unknown), and
 * at most twice as many while a frame is applied. Whatever the depth, a side holds up to
 * LIMIT_BOOK_LEVELS levels. */
book *book_open(uint32_t depth);
void book_close(book *book);

/* Memory of the book, in bytes. */
size_t book_bytes(const book *book);

/* From now on keep, of each level that a frame sets, how many decimal places its price and size
 * were written with; or forget and no longer keep them. */
void book_keep_written(book *book);
void book_forget_written(book *book);

/* From now on keep single orders: the book, which is empty, is changed by book_apply_orders only.
 */
void book_keep_orders(book *book);

/* The orders; NULL if the book keeps none. */
const order_set *book_orders(const book *book);

/* Apply one frame of orders (MSG_BOOK_ORDERS) to a book that keeps them, in the frame's order; a
 * snapshot replaces everything. */
typedef enum book_change_kind { BOOK_CHANGES, BOOK_REPLACES } book_change_kind;
void book_apply_orders(book *book, const msg_record *message, book_change_kind kind,
                       book_outcome *outcome);

/* Remove all levels. */
void book_clear(book *book);

/* Apply one frame: a snapshot replaces everything; otherwise levels change in the frame's order:
 * deletes, updates, inserts. A price that a snapshot repeats counts as an insert hit. */
void book_apply(book *book, const msg_book *message, book_outcome *outcome);

/* As book_apply, but the frame is a snapshot whatever its type. */
void book_replace(book *book, const msg_book *message, book_outcome *outcome);

/* Remove all levels but the best `depth` ones of each side, with their orders. */
void book_truncate(book *book, uint32_t depth);

/* After a snapshot that may have left out further levels of a side, which has some: the side is
 * known only from its worst level on. The book keeps levels beyond it, but no query shows them.
 * book_clear and book_replace forget it. */
void book_limit(book *book, msg_side side);

/* 1 if the side is known at this price. */
int book_knows(const book *book, msg_side side, td_decimal price);

/* 1 if all levels of the side are known: then a side without levels is empty. */
int book_is_whole(const book *book, msg_side side);

/* 1 if the market came near to what the snapshot did not show: of the levels that a limited side
 * had, less than half are left. */
int book_is_narrow(const book *book);

/* Copy another book's levels, but not how they were written, nor the orders. */
void book_copy(book *to, const book *from);

/* The version of a state (book/symbol_state.h) in which books have what book_limit set. */
enum { BOOK_EDGE_VERSION = 5 };

/* Save the levels, or load them into an empty book, which keeps how they were written if the saved
 * one did. */
void book_serialize(book *book, state_io *io);

/* Number of levels of one side, of those that are known (book_limit). */
size_t book_level_count(const book *book, msg_side side);

/* The index-th best level of a side, 0 = best. Returns 0 if it does not exist or is not known. */
int book_level_at(const book *book, msg_side side, size_t index, book_level *out);

/* As book_level_at, with the places that were written. Returns 0 also if they are not known. */
int book_level_written(const book *book, msg_side side, size_t index, book_level *out);

/* The size of the level at a price, in any scale; 0 if the side has no such level that is known. */
td_decimal book_size_at(const book *book, msg_side side, td_decimal price);

/* A level that two states of a book do not have alike. */
typedef struct book_change {
    msg_side side;
    td_decimal price;
    td_decimal before, after; /* its sizes; valid if had_level, has_level */
    uint8_t had_level, has_level;
} book_change;

/* Iterates over such levels: bids, then asks, the best first. Initialise with the two states; no
 * `before` is an empty book. book_changes_next returns 0 after the last. The states must not change
 * meanwhile. */
typedef struct book_changes {
    const book *before, *after;
    msg_side side;
    size_t before_at, after_at; /* for its own use: the next levels of that side */
} book_changes;
int book_changes_next(book_changes *self, book_change *out);

/* 1 if the best bid is at or above the best ask. */
int book_is_crossed(const book *book);

/* Digest of both sides, and of the orders: equal for equal books, by value, whatever the scale and
 * the history. After the first call the book updates it with each change, so that a digest after
 * every frame costs only the changes. Detects accidents, not forgery. */
void book_hash(book *book, td_hasher *into);

/* A 64-bit digest of the best `depth` levels of each side (0: all), equal for books that are equal
 * to that depth. The digest for the greatest depth requested so far is updated with each change;
 * for a smaller depth the levels are read. */
uint64_t book_hash_best(book *book, uint32_t depth);

/* SHA-1 as in the report: lines "SIDE PRICE SIZE", joined by LF, no LF at the end, Buy first, each
 * side ascending by price, shortest decimals. */
void book_levels_sha1(const book *book, char out[TD_SHA1_HEX_BYTES]);

#endif
