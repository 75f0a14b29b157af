#include "export/rows_hftbacktest.h"

#include "base/alloc.h"
#include "export/event_order.h"
#include "export/row_batch.h"

static const export_column COLUMNS[HFT_COLUMNS] = {[HFT_KIND] = {"kind", VALUE_INTEGER},
                                                   [HFT_PRICE] = {"price", VALUE_DECIMAL},
                                                   [HFT_AMOUNT] = {"size", VALUE_DECIMAL}};

typedef struct hft_depth {
    const export_settings *settings;
    uint8_t has_begun;
    /* The book after the last frame; lives as long as the topic. NULL if the book is not
     * trusted. */
    const book *book;
    export_row last; /* the last frame's row, without values */
} hft_depth;

typedef struct hft_rows {
    row_batch batch;
    unsigned flags;   /* of all rows */
    const book *book; /* after the frame */
} hft_rows;

static void begin_rows(hft_rows *rows, const export_row *common, const row_out *out, td_err *err)
{
    row_batch_begin(&rows->batch, common, out, err);
    rows->flags = common->flags;
    rows->book = NULL;
}

static uint64_t side_flag(msg_side side)
{
    return side == SIDE_BUY ? EVENT_BUY : EVENT_SELL;
}

/* Adds a row. level: NULL with EVENT_CLEAR. */
static void add(hft_rows *rows, uint64_t kind, const book_level *level)
{
    msg_value *values = row_batch_add(&rows->batch, rows->flags);
    values[HFT_KIND] = row_integer((int64_t)kind);
    values[HFT_PRICE] = level == NULL ? row_absent() : row_decimal(level->price);
    values[HFT_AMOUNT] = level == NULL ? row_absent() : row_decimal(level->size);
}

/* Adds the levels of one side that the book knows (book_knows), in the frame's order. */
static void add_levels(hft_rows *rows, const message *m, uint64_t kind, msg_side side)
{
    size_t count = message_item_count(m);
    for (size_t i = 0; i < count; i++) {
        const msg_level level = message_level(m, i);
        if (level.side != side ||
            !book_knows(rows->book, side, (td_decimal){level.price, level.price_scale}))
            continue;
        int64_t size = level.action == ACTION_DELETE ? 0 : level.size;
        const book_level as = {{level.price, level.price_scale}, {size, level.size_scale}};
        add(rows, kind | side_flag(side), &as);
    }
}

/* Adds a side of a book, best levels first. */
static void add_side(hft_rows *rows, const book *from, uint64_t kind, msg_side side)
{
    book_level level;
    for (size_t i = 0; book_level_at(from, side, i, &level); i++)
        add(rows, kind | side_flag(side), &level);
}

static const msg_side SIDES[] = {SIDE_BUY, SIDE_SELL};
enum { SIDE_COUNT = sizeof SIDES / sizeof SIDES[0] };

/* Adds a snapshot: for each side a clear, then the side's levels. The levels are from of_book, or
 * from the message if of_book is NULL. */
static void add_snapshot(hft_rows *rows, const message *m, const book *of_book)
{
    rows->flags |= ROW_SNAPSHOT | (of_book == NULL ? 0U : (unsigned)ROW_SYNTHESIZED);
    for (size_t i = 0; i < SIDE_COUNT; i++) {
        add(rows, EVENT_CLEAR | side_flag(SIDES[i]), NULL);
        if (of_book == NULL)
            add_levels(rows, m, EVENT_SNAPSHOT, SIDES[i]);
        else
            add_side(rows, of_book, EVENT_SNAPSHOT, SIDES[i]);
    }
}

/* Puts a frame's rows. At the start of a day the book continues from the day before; with --sod the
 * first trusted frame then gives the whole book. */
static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    hft_depth *self = maker;
    const trust_answer *trust = seen->trust;
    self->book = NULL;
    if (!trust->is_trusted || seen->frame->is_lead_in ||
        (trust->is_unused && !trust->is_taken_over))
        return TD_OK;
    export_row common = export_row_of(seen);
    common.exchange_ns = trust->exchange_ns;
    hft_rows rows;
    begin_rows(&rows, &common, out, err);
    rows.book = seen->book;
    int is_whole =
        trust->is_in_book || (self->settings->has_sod && !self->has_begun && trust->was_alive);
    self->has_begun = 1;
    self->book = seen->book;
    self->last = common;
    if (is_whole || trust->is_snapshot) {
        add_snapshot(&rows, seen->message, is_whole ? seen->book : NULL);
    } else { /* asks before bids, as docs/export.md requires */
        add_levels(&rows, seen->message, EVENT_DEPTH, SIDE_SELL);
        add_levels(&rows, seen->message, EVENT_DEPTH, SIDE_BUY);
    }
    return row_batch_end(&rows.batch, 0);
}

/* Puts the book at the end of the day: bids before asks. */
static td_result on_end(void *maker, uint64_t end_ns, const gap_row *gap, const row_out *out,
                        td_err *err)
{
    const hft_depth *self = maker;
    hft_rows rows;
    (void)end_ns;
    begin_rows(&rows, &self->last, out, err);
    for (size_t i = 0; self->book != NULL && gap == NULL && i < SIDE_COUNT; i++)
        add_side(&rows, self->book, HFT_END_OF_DAY, SIDES[i]);
    return row_batch_end(&rows.batch, 0);
}

static void *open_depth(const maker_begin *begin)
{
    hft_depth *made = td_alloc_zero(1, sizeof *made);
    made->settings = begin->settings;
    return made;
}

const export_type EXPORT_HFT_DEPTH = {
    .name = "depth",
    .columns = COLUMNS,
    .column_count = HFT_COLUMNS,
    .flags = EXPORT_OF_BOOKS,
    .takes = export_takes_book,
    .prefers = export_prefers_book,
    .open = open_depth,
    .frame = on_frame,
    .end = on_end,
    .close = td_free,
};
