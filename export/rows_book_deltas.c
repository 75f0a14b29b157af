/* Changes of a book, for a reader that rebuilds the book from the rows of one file. Such a reader
 * empties its book where is_snapshot changes from false to true, and nowhere else (docs/export.md).
 * So the reader treats two consecutive snapshots as one, and levels that the second snapshot lacks
 * need deletes.
 *
 * A maker tracks the book of a reader of its rows, and writes rows that update it. */
#include "base/alloc.h"
#include "base/assert.h"
#include "export/export_type.h"
#include "export/row_batch.h"

static const export_column COLUMNS[DELTA_COLUMNS] = {
    [DELTA_IS_SNAPSHOT] = {"is_snapshot", VALUE_BOOL},
    [DELTA_SIDE] = {"side", VALUE_SIDE},
    [DELTA_PRICE] = {"price", VALUE_DECIMAL},
    [DELTA_SIZE] = {"size", VALUE_DECIMAL}};

/* The kind of the last row written to the file. */
typedef enum last_rows { LAST_NONE, LAST_SNAPSHOT, LAST_CHANGE } last_rows;

/* A reader's state. The book has the topic's depth. Before the first row it is the trusted book,
 * with which the file may have to begin. */
typedef struct delta_reader {
    book *held; /* the reader's book: the rows written so far, applied */
    last_rows last;
} delta_reader;

/* ---- rows ---- */

/* The rows of one frame. */
typedef struct frame_rows {
    row_batch batch;
    unsigned flags; /* of all rows */
} frame_rows;

/* Adds a row for a level. is_in_frame: 1 if the frame contains the level in this form. */
static inline __attribute__((always_inline)) void add_level(frame_rows *rows, int is_snapshot,
                                                            msg_side side, const book_level *level,
                                                            int is_in_frame)
{
    TD_ASSERT_SLOW(side == SIDE_BUY || side == SIDE_SELL);
    msg_value *values =
        row_batch_add(&rows->batch, rows->flags | (is_snapshot ? ROW_SNAPSHOT : 0U) |
                                        (is_in_frame ? 0U : (unsigned)ROW_SYNTHESIZED));
    /* In place: gcc 12 copies the results of functions such as row_bool(), in twice the time. */
    values[DELTA_IS_SNAPSHOT] = (msg_value){.type = VALUE_BOOL, .as.is_true = is_snapshot != 0};
    values[DELTA_SIDE] = (msg_value){.type = VALUE_SIDE, .as.side = (uint8_t)side};
    values[DELTA_PRICE] = (msg_value){.type = VALUE_DECIMAL, .as.decimal = level->price};
    values[DELTA_SIZE] = (msg_value){.type = VALUE_DECIMAL, .as.decimal = level->size};
}

/* The order of sides in all rows: asks before bids. */
static const msg_side SIDES[] = {SIDE_SELL, SIDE_BUY};
enum { SIDE_COUNT = sizeof SIDES / sizeof SIDES[0] };

/* Adds the levels of a book change, each side in the frame's order. Levels that the book does not
 * know (book_knows) are left out: others around them are missing. */
static void add_change(frame_rows *rows, const message *m, const book *now, int is_snapshot)
{
    size_t count = message_item_count(m);
    for (size_t k = 0; k < SIDE_COUNT; k++) {
        const int is_whole = book_is_whole(now, SIDES[k]);
        for (size_t i = 0; i < count; i++) {
            const msg_level level = message_level(m, i);
            const td_decimal price = {level.price, level.price_scale};
            if (level.side != SIDES[k] || (!is_whole && !book_knows(now, SIDES[k], price)))
                continue;
            int64_t size = level.action == ACTION_DELETE ? 0 : level.size;
            const book_level as = {price, {size, level.size_scale}};
            add_level(rows, is_snapshot, SIDES[k], &as, 1);
        }
    }
}

/* Adds a whole book as a snapshot, best levels first. */
static void add_book(frame_rows *rows, const book *from)
{
    book_level level;
    for (size_t k = 0; k < SIDE_COUNT; k++)
        for (size_t i = 0; book_level_at(from, SIDES[k], i, &level); i++)
            add_level(rows, 1, SIDES[k], &level, 0);
}

/* 1 if a side of the book has a level at this price. *at: index of the level to begin with; callers
 * ask for prices from best to worst, so *at only grows. */
static int find_level(const book *in, msg_side side, td_decimal price, size_t *at)
{
    book_level level;
    for (; book_level_at(in, side, *at, &level); ++*at) {
        int order = td_decimal_compare(level.price, price);
        if (order == 0)
            return 1;
        if (side == SIDE_SELL ? order > 0 : order < 0)
            return 0;
    }
    return 0;
}

/* Adds deletes for the levels of `held` that are not in `now`, best first. */
static void add_vanished(frame_rows *rows, const book *held, const book *now)
{
    for (size_t k = 0; k < SIDE_COUNT; k++) {
        book_level level;
        size_t at = 0;
        for (size_t i = 0; book_level_at(held, SIDES[k], i, &level); i++) {
            if (find_level(now, SIDES[k], level.price, &at))
                continue;
            level.size = (td_decimal){0, 0};
            add_level(rows, 0, SIDES[k], &level, 0);
        }
    }
}

/* ---- the reader ---- */

/* Brings the reader's book to the trusted one. Changes of few levels are applied, all others are
 * copied: it takes as long to apply a level as to copy dozens. */
static void update_held(delta_reader *reader, const maker_frame *seen)
{
    enum { COPIED_LEVELS = 32 };
    const size_t changed = seen->trust->is_in_book || seen->trust->is_snapshot
                               ? SIZE_MAX / COPIED_LEVELS
                               : message_item_count(seen->message);
    book_outcome ignored; /* the trusted book has checked the same frame */
    if (book_level_count(seen->book, SIDE_BUY) + book_level_count(seen->book, SIDE_SELL) <=
        changed * COPIED_LEVELS)
        book_copy(reader->held, seen->book);
    else
        book_apply(reader->held, &seen->message->book, &ignored);
}

/* Begins a file with a snapshot: the frame if it is one, or the whole book if the book is older
 * than the file. */
static void begin_file(delta_reader *reader, const maker_frame *seen, frame_rows *rows)
{
    if (!seen->trust->was_alive) {
        book_clear(reader->held);
        return;
    }
    add_book(rows, reader->held);
    if (rows->batch.count > 0)
        reader->last = LAST_SNAPSHOT;
}

static int is_empty(const book *held)
{
    return book_level_count(held, SIDE_BUY) == 0 && book_level_count(held, SIDE_SELL) == 0;
}

/* Adds a snapshot, after deletes if the reader needs them. A book that is in no frame is written
 * whole. */
static void add_snapshot(delta_reader *reader, const maker_frame *seen, frame_rows *rows)
{
    const trust_answer *trust = seen->trust;
    int is_snapshot_empty =
        trust->is_in_book ? is_empty(seen->book) : message_item_count(seen->message) == 0;
    uint64_t before = rows->batch.count;
    /* After changes, the first row of a snapshot makes a reader empty its book. A snapshot without
     * levels has no row, so it needs deletes. */
    if (reader->last == LAST_SNAPSHOT || (reader->last == LAST_CHANGE && is_snapshot_empty))
        add_vanished(rows, reader->held, seen->book);
    if (rows->batch.count > before)
        reader->last = LAST_CHANGE;
    before = rows->batch.count;
    if (trust->is_in_book)
        add_book(rows, seen->book);
    else
        add_change(rows, seen->message, seen->book, 1);
    if (rows->batch.count > before)
        reader->last = LAST_SNAPSHOT;
}

static void add_delta(delta_reader *reader, const maker_frame *seen, frame_rows *rows)
{
    uint64_t before = rows->batch.count;
    /* The book was empty when the file began, which no row can express. So the book after this
     * frame is written as the first snapshot. */
    int is_first = reader->last == LAST_NONE;
    if (is_first)
        add_book(rows, seen->book);
    else
        add_change(rows, seen->message, seen->book, 0);
    if (rows->batch.count > before)
        reader->last = is_first ? LAST_SNAPSHOT : LAST_CHANGE;
}

/* Puts a frame's rows. A frame of a book that is not trusted gives no rows. */
static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    delta_reader *reader = maker;
    const trust_answer *trust = seen->trust;
    if (!trust->is_trusted || (trust->is_unused && !trust->is_taken_over))
        return TD_OK;
    TD_ASSERT(trust->was_alive || trust->is_snapshot || trust->is_taken_over);
    if (!seen->frame->is_lead_in) {
        export_row common = export_row_of(seen);
        frame_rows rows;
        common.exchange_ns = trust->exchange_ns;
        rows.flags = common.flags & ~(unsigned)ROW_SNAPSHOT;
        row_batch_begin(&rows.batch, &common, out, err);
        if (reader->last == LAST_NONE)
            begin_file(reader, seen, &rows);
        if (trust->is_snapshot || trust->is_taken_over)
            add_snapshot(reader, seen, &rows);
        else
            add_delta(reader, seen, &rows);
        td_result rc = row_batch_end(&rows.batch, ROW_LAST_OF_FRAME);
        if (rc != TD_OK)
            return rc;
    }
    update_held(reader, seen);
    return TD_OK;
}

/* ---- the type ---- */

/* Opens a maker with the checkpoint's book. Without a checkpoint, the first trusted frame is a
 * snapshot. */
static void *open_reader(const maker_begin *begin)
{
    delta_reader *made = td_alloc_zero(1, sizeof *made);
    made->held = book_open(begin->channel->topic.row->book_depth);
    if (begin->before != NULL)
        book_copy(made->held, begin->before);
    return made;
}

static void close_reader(void *maker)
{
    delta_reader *reader = maker;
    book_close(reader->held);
    td_free(reader);
}

const export_type EXPORT_BOOK_DELTAS = {
    .name = "book_deltas",
    .columns = COLUMNS,
    .column_count = DELTA_COLUMNS,
    .flags = EXPORT_OF_BOOKS,
    .takes = export_takes_book,
    .prefers = export_prefers_book,
    .open = open_reader,
    .frame = on_frame,
    .close = close_reader,
};
