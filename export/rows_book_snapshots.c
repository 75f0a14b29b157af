/* The best levels of a book: a row whenever a price or amount among them changes, at every Nth
 * change, or at fixed intervals (a grid). After a break, and at the start of a file, there is no
 * previous row to compare with; then the first state gives a row, except with a grid. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "export/export_type.h"

/* The columns of a level. */
enum { ASK_PRICE, ASK_AMOUNT, BID_PRICE, BID_AMOUNT, LEVEL_COLUMNS };
enum { TARDIS_LEVELS_MAX = 25, TARDIS_VALUES_MAX = TARDIS_LEVELS_MAX * LEVEL_COLUMNS };

typedef struct best_levels {
    size_t levels;
    uint8_t are_quotes;
    uint8_t has_last;
    uint32_t every_changes, changes; /* since the last row */
    uint64_t every_ns;               /* 0 without a grid */
    uint64_t last_ns;                /* with a grid: receive time of the last frame, or 0 */
    msg_value values[];              /* the current state */
} best_levels;

/* ---- rows ---- */

/* Returns 1 if the number differs by value. */
static int set_number(msg_value *to, td_decimal value)
{
    const td_decimal last = to->as.decimal;
    if (to->type != VALUE_DECIMAL) {
        *to = row_decimal(value);
        return 1;
    }
    if (last.mantissa == value.mantissa && last.scale == value.scale)
        return 0;
    to->as.decimal = value;
    return td_decimal_compare(last, value) != 0;
}

/* Reads the levels of a side; price and amount: columns of the best level. Returns 1 if one has
 * changed. Only changed values are written: most levels are as in the frame before. */
static int read_side(best_levels *best, const book *from, msg_side side, unsigned price,
                     unsigned amount)
{
    int has_changed = 0;
    book_level level;
    msg_value *to = best->values;
    size_t i = 0;
    for (; i < best->levels && book_level_at(from, side, i, &level); i++, to += LEVEL_COLUMNS) {
        has_changed |= set_number(&to[price], level.price);
        has_changed |= set_number(&to[amount], level.size);
    }
    for (; i < best->levels; i++, to += LEVEL_COLUMNS) {
        has_changed |= to[price].type != VALUE_ABSENT;
        to[price] = to[amount] = row_absent();
    }
    return has_changed;
}

/* Returns 1 if a value has changed. */
static int read_levels(best_levels *best, const book *from)
{
    const int has_ask = best->are_quotes
                            ? read_side(best, from, SIDE_SELL, QUOTE_ASK_PRICE, QUOTE_ASK_SIZE)
                            : read_side(best, from, SIDE_SELL, ASK_PRICE, ASK_AMOUNT);
    const int has_bid = read_side(best, from, SIDE_BUY, BID_PRICE, BID_AMOUNT);
    return has_ask || has_bid;
}

static td_result put_levels(best_levels *best, const maker_frame *seen, const row_out *out,
                            td_err *err)
{
    if (seen->frame->is_lead_in)
        return TD_OK;
    if (!seen->trust->is_trusted || !seen->trust->was_alive)
        best->has_last = 0;
    if (!seen->trust->is_trusted)
        return TD_OK;
    if (!read_levels(best, seen->book) && best->has_last)
        return TD_OK;
    if (best->has_last && ++best->changes < best->every_changes)
        return TD_OK;
    best->has_last = 1;
    best->changes = 0;
    export_row row = export_row_of(seen);
    row.exchange_ns = seen->trust->exchange_ns;
    row.flags |= ROW_LAST_OF_FRAME;
    row.values = best->values;
    return out->put(out->ctx, &row, err);
}

/* Puts the rows for grid times up to this frame, if the frame proves that the book was complete
 * until now. */
static td_result put_grid(best_levels *best, const maker_frame *seen, const row_out *out,
                          td_err *err)
{
    const trust_answer *trust = seen->trust;
    const uint64_t recv_ns = seen->frame->recv_ns;
    const uint64_t from_ns =
        best->last_ns < seen->part.from_ns ? seen->part.from_ns : best->last_ns + 1;
    const int was_complete =
        best->has_last && trust->was_alive && trust->broke->reason == TIME_IS_RIGHT;
    td_result rc = TD_OK;
    uint64_t at_ns = (from_ns + best->every_ns - 1) / best->every_ns * best->every_ns;
    for (; rc == TD_OK && was_complete && at_ns <= recv_ns && !seen->frame->is_lead_in;
         at_ns += best->every_ns) {
        const export_row row = {.recv_ns = at_ns, .flags = ROW_SYNTHESIZED, .values = best->values};
        rc = out->put(out->ctx, &row, err);
    }
    best->last_ns = recv_ns;
    best->has_last = trust->is_trusted;
    if (trust->is_trusted)
        (void)read_levels(best, seen->book);
    return rc;
}

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    best_levels *best = maker;
    return best->every_ns != 0 ? put_grid(best, seen, out, err) : put_levels(best, seen, out, err);
}

/* ---- the types ---- */

_Static_assert((int)QUOTE_COLUMNS == (int)LEVEL_COLUMNS, "quotes are one level");
const export_column EXPORT_QUOTE_COLUMNS[QUOTE_COLUMNS] = {
    [QUOTE_ASK_SIZE] = {"ask_size", VALUE_DECIMAL},
    [QUOTE_ASK_PRICE] = {"ask_price", VALUE_DECIMAL},
    [QUOTE_BID_PRICE] = {"bid_price", VALUE_DECIMAL},
    [QUOTE_BID_SIZE] = {"bid_size", VALUE_DECIMAL}};

static void *open_levels(const maker_begin *begin)
{
    const size_t count = begin->type->column_count;
    best_levels *made = td_alloc_zero(1, sizeof *made + count * sizeof *made->values);
    made->levels = count / LEVEL_COLUMNS;
    made->are_quotes = begin->type == &EXPORT_QUOTES;
    return made;
}

/* Opens a maker. With a grid, the checkpoint's book is the state at the first grid time. */
static void *open_chosen(const maker_begin *begin)
{
    best_levels *made = open_levels(begin);
    made->every_ns = begin->settings->every_ns;
    made->every_changes = begin->settings->every_changes;
    made->has_last = made->every_ns != 0 && begin->before != NULL;
    if (made->has_last)
        (void)read_levels(made, begin->before);
    return made;
}

/* clang-format off: a level, a line */
#define LEVEL(n)                                                                                   \
    {"asks[" #n "].price", VALUE_DECIMAL}, {"asks[" #n "].size", VALUE_DECIMAL},                   \
        {"bids[" #n "].price", VALUE_DECIMAL},                                                     \
    {                                                                                              \
        "bids[" #n "].size", VALUE_DECIMAL                                                         \
    }
/* clang-format on */

/* The columns for 25 levels. Types with fewer levels use the first of them. */
static const export_column SNAPSHOT_COLUMNS[TARDIS_VALUES_MAX] = {
    LEVEL(0),  LEVEL(1),  LEVEL(2),  LEVEL(3),  LEVEL(4),  LEVEL(5),  LEVEL(6),
    LEVEL(7),  LEVEL(8),  LEVEL(9),  LEVEL(10), LEVEL(11), LEVEL(12), LEVEL(13),
    LEVEL(14), LEVEL(15), LEVEL(16), LEVEL(17), LEVEL(18), LEVEL(19), LEVEL(20),
    LEVEL(21), LEVEL(22), LEVEL(23), LEVEL(24)};

const export_type EXPORT_BOOK_SNAPSHOT_25 = {
    .name = "book_snapshot_25",
    .columns = SNAPSHOT_COLUMNS,
    .column_count = TARDIS_VALUES_MAX,
    .flags = EXPORT_OF_BOOKS,
    .takes = export_takes_book,
    .prefers = export_prefers_book,
    .open = open_levels,
    .frame = on_frame,
    .close = td_free,
};

const export_type EXPORT_BOOK_SNAPSHOT_5 = {
    .name = "book_snapshot_5",
    .columns = SNAPSHOT_COLUMNS,
    .column_count = 5 * (size_t)LEVEL_COLUMNS,
    .flags = EXPORT_OF_BOOKS,
    .takes = export_takes_book,
    .prefers = export_prefers_book,
    .open = open_levels,
    .frame = on_frame,
    .close = td_free,
};

const export_type EXPORT_QUOTES = {
    .name = "quotes",
    .columns = EXPORT_QUOTE_COLUMNS,
    .column_count = QUOTE_COLUMNS,
    .flags = EXPORT_OF_BOOKS,
    .takes = export_takes_book,
    .prefers = export_prefers_book,
    .open = open_levels,
    .frame = on_frame,
    .close = td_free,
};

const export_type EXPORT_BOOK_SNAPSHOTS = {
    .name = "book_snapshots",
    .columns = SNAPSHOT_COLUMNS,
    .column_count = TARDIS_VALUES_MAX,
    .flags = EXPORT_OF_BOOKS,
    .takes = export_takes_book,
    .prefers = export_prefers_book,
    .open = open_chosen,
    .frame = on_frame,
    .close = td_free,
};

void export_book_snapshots_init(uint32_t levels, export_book_snapshots *out)
{
    TD_ASSERT(levels <= EXPORT_SNAPSHOT_LEVELS);
    for (unsigned i = 0; i < levels * LEVEL_COLUMNS; i++) {
        const unsigned column = i % LEVEL_COLUMNS;
        (void)snprintf(out->names[i], sizeof out->names[i], "%s[%u].%s",
                       column < BID_PRICE ? "asks" : "bids", i / LEVEL_COLUMNS,
                       column % 2 == ASK_PRICE ? "price" : "size");
        out->columns[i] = (export_column){out->names[i], VALUE_DECIMAL};
    }
    out->type = EXPORT_BOOK_SNAPSHOTS;
    out->type.columns = out->columns;
    out->type.column_count = (size_t)levels * LEVEL_COLUMNS;
}
