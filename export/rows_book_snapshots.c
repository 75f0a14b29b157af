/* The best levels of a book: a row whenever one of their prices or amounts changes. What the row
 * before had is not known after a break, nor where a file begins: then the first state is a row. */
#include <string.h>

#include "base/alloc.h"
#include "export/export_type.h"

/* The columns of a level, and those of quotes, which have one level. */
enum { ASK_PRICE, ASK_AMOUNT, BID_PRICE, BID_AMOUNT, LEVEL_COLUMNS };
enum { QUOTE_ASK_AMOUNT, QUOTE_ASK_PRICE, QUOTE_BID_PRICE, QUOTE_BID_AMOUNT };
enum { LEVELS_MAX = 25, VALUES_MAX = LEVELS_MAX * LEVEL_COLUMNS };

typedef struct best_levels {
    size_t levels;
    uint8_t are_quotes;
    uint8_t has_last;
    msg_value last[VALUES_MAX]; /* the row before */
} best_levels;

/* ---- rows ---- */

static void read_side(const book *from, msg_side side, size_t levels, msg_value *to)
{
    book_level level;
    for (size_t i = 0; i < levels && book_level_at(from, side, i, &level); i++) {
        to[i * LEVEL_COLUMNS] = row_decimal(level.price);
        to[i * LEVEL_COLUMNS + 1] = row_decimal(level.size);
    }
}

static void read_levels(const best_levels *best, const book *from, msg_value *to)
{
    for (size_t i = 0; i < best->levels * LEVEL_COLUMNS; i++)
        to[i] = row_absent();
    read_side(from, SIDE_SELL, best->levels, to + ASK_PRICE);
    read_side(from, SIDE_BUY, best->levels, to + BID_PRICE);
    if (best->are_quotes) {
        const msg_value price = to[ASK_PRICE];
        to[QUOTE_ASK_AMOUNT] = to[ASK_AMOUNT];
        to[QUOTE_ASK_PRICE] = price;
    }
}

static int are_same(const msg_value *a, const msg_value *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (a[i].type != b[i].type || (a[i].type != VALUE_ABSENT &&
                                       td_decimal_compare(a[i].as.decimal, b[i].as.decimal) != 0))
            return 0;
    return 1;
}

static td_result put_levels(best_levels *best, const maker_frame *seen, const row_out *out,
                            td_err *err)
{
    const size_t count = best->levels * LEVEL_COLUMNS;
    msg_value now[VALUES_MAX];
    if (seen->frame->is_lead_in)
        return TD_OK;
    if (!seen->trust->is_trusted || !seen->trust->was_alive)
        best->has_last = 0;
    if (!seen->trust->is_trusted)
        return TD_OK;
    read_levels(best, seen->book, now);
    if (best->has_last && are_same(now, best->last, count))
        return TD_OK;
    memcpy(best->last, now, count * sizeof *now);
    best->has_last = 1;
    export_row row = export_row_of(seen);
    row.flags |= ROW_LAST_OF_FRAME;
    row.values = now;
    return out->put(out->ctx, &row, err);
}

static td_result on_frame_25(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    best_levels *best = maker;
    best->levels = 25;
    return put_levels(best, seen, out, err);
}

static td_result on_frame_5(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    best_levels *best = maker;
    best->levels = 5;
    return put_levels(best, seen, out, err);
}

static td_result on_frame_quotes(void *maker, const maker_frame *seen, const row_out *out,
                                 td_err *err)
{
    best_levels *best = maker;
    best->levels = 1;
    best->are_quotes = 1;
    return put_levels(best, seen, out, err);
}

/* ---- the types ---- */

static int takes(const export_settings *settings, const frame_channel *channel)
{
    const topic_row *row = channel->topic.row;
    return row != NULL && export_is_book_topic(row, settings->depth);
}

static void *open_levels(const export_settings *settings, const frame_channel *channel,
                         const book *before)
{
    (void)settings;
    (void)channel;
    (void)before;
    return td_alloc_zero(1, sizeof(best_levels));
}

/* clang-format off: a level, a line */
#define LEVEL(n)                                                                                   \
    {"asks[" #n "].price", VALUE_DECIMAL}, {"asks[" #n "].amount", VALUE_DECIMAL},                 \
        {"bids[" #n "].price", VALUE_DECIMAL},                                                     \
    {                                                                                              \
        "bids[" #n "].amount", VALUE_DECIMAL                                                       \
    }
/* clang-format on */

/* Of fewer levels, their first. */
static const export_column SNAPSHOT_COLUMNS[VALUES_MAX] = {
    LEVEL(0),  LEVEL(1),  LEVEL(2),  LEVEL(3),  LEVEL(4),  LEVEL(5),  LEVEL(6),
    LEVEL(7),  LEVEL(8),  LEVEL(9),  LEVEL(10), LEVEL(11), LEVEL(12), LEVEL(13),
    LEVEL(14), LEVEL(15), LEVEL(16), LEVEL(17), LEVEL(18), LEVEL(19), LEVEL(20),
    LEVEL(21), LEVEL(22), LEVEL(23), LEVEL(24)};

static const export_column QUOTE_COLUMNS[LEVEL_COLUMNS] = {
    [QUOTE_ASK_AMOUNT] = {"ask_amount", VALUE_DECIMAL},
    [QUOTE_ASK_PRICE] = {"ask_price", VALUE_DECIMAL},
    [QUOTE_BID_PRICE] = {"bid_price", VALUE_DECIMAL},
    [QUOTE_BID_AMOUNT] = {"bid_amount", VALUE_DECIMAL}};

const export_type EXPORT_BOOK_SNAPSHOT_25 = {
    .name = "book_snapshot_25",
    .columns = SNAPSHOT_COLUMNS,
    .column_count = VALUES_MAX,
    .flags = EXPORT_OF_BOOKS,
    .takes = takes,
    .prefers = export_prefers_book,
    .open = open_levels,
    .frame = on_frame_25,
    .close = td_free,
};

const export_type EXPORT_BOOK_SNAPSHOT_5 = {
    .name = "book_snapshot_5",
    .columns = SNAPSHOT_COLUMNS,
    .column_count = 5 * (size_t)LEVEL_COLUMNS,
    .flags = EXPORT_OF_BOOKS,
    .takes = takes,
    .prefers = export_prefers_book,
    .open = open_levels,
    .frame = on_frame_5,
    .close = td_free,
};

const export_type EXPORT_QUOTES = {
    .name = "quotes",
    .columns = QUOTE_COLUMNS,
    .column_count = LEVEL_COLUMNS,
    .flags = EXPORT_OF_BOOKS,
    .takes = takes,
    .prefers = export_prefers_book,
    .open = open_levels,
    .frame = on_frame_quotes,
    .close = td_free,
};
