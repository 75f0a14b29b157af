#include "export/export_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "export/export_table.h"

enum {
    NS_PER_US = 1000,
    START_BYTES = LIMIT_NAME_BYTES + LIMIT_SYMBOL_BYTES + 48, /* the first four cells */
    ROW_BYTES = START_BYTES + 2 * TD_DECIMAL_TEXT_BYTES + 24,
};

/* "exchange,symbol,timestamp,local_timestamp," and a NUL. Times are cut to us, not rounded. */
static size_t format_start(const export_cells *cells, uint64_t exchange_ns, char out[START_BYTES])
{
    uint64_t stamp_ns = exchange_ns != 0 ? exchange_ns : cells->recv_ns;
    int size = snprintf(out, START_BYTES, "%s,%s,%" PRIu64 ",%" PRIu64 ",", cells->exchange,
                        cells->symbol, stamp_ns / NS_PER_US, cells->recv_ns / NS_PER_US);
    TD_ASSERT(size > 0);
    TD_ASSERT(size < START_BYTES);
    return (size_t)size;
}

/* ---- trades ---- */

static const char *taker_name(uint8_t side)
{
    if (side == SIDE_BUY)
        return "buy";
    return side == SIDE_SELL ? "sell" : "unknown";
}

td_result export_row_trade(td_buf *out, const export_cells *cells, const message *m, size_t index,
                           int *is_id_cut, td_err *err)
{
    TD_ASSERT(m->head.type == MSG_TRADE);
    TD_ASSERT(index < message_item_count(m));
    msg_trade trade = message_trade(m, index);
    char start[START_BYTES];
    char price[TD_DECIMAL_TEXT_BYTES];
    char amount[TD_DECIMAL_TEXT_BYTES];
    (void)td_decimal_format(trade.price, price); /* the lengths are not needed */
    (void)td_decimal_format(trade.size, amount);
    (void)format_start(cells, trade.exchange_ns != 0 ? trade.exchange_ns : cells->exchange_ns,
                       start);
    *is_id_cut = export_cell_refusal(trade.trade_id) != NULL;
    int id_size =
        *is_id_cut || trade.trade_id.size > LIMIT_FRAME_BYTES ? 0 : (int)trade.trade_id.size;
    return td_buf_printf(out, err, "%s%.*s,%s,%s,%s\n", start, id_size,
                         id_size == 0 ? "" : (const char *)trade.trade_id.data,
                         taker_name(trade.side), price, amount);
}

/* ---- levels ---- */

static td_result add_level(td_buf *out, td_bytes start, rows_kind kind, msg_side side,
                           const book_level *level, td_err *err)
{
    TD_ASSERT_SLOW(side == SIDE_BUY || side == SIDE_SELL);
    char row[ROW_BYTES];
    char price[TD_DECIMAL_TEXT_BYTES];
    char amount[TD_DECIMAL_TEXT_BYTES];
    (void)td_decimal_format(level->price, price); /* the lengths are not needed */
    (void)td_decimal_format(level->size, amount);
    int size = snprintf(row, sizeof row, "%.*s%s,%s,%s,%s\n", (int)start.size,
                        (const char *)start.data, kind == ROWS_SNAPSHOT ? "true" : "false",
                        side == SIDE_SELL ? "ask" : "bid", price, amount);
    TD_ASSERT(size > 0);
    TD_ASSERT(size < (int)sizeof row);
    return td_buf_append(out, row, (size_t)size, err);
}

/* Asks before bids, everywhere. */
static const msg_side SIDES[] = {SIDE_SELL, SIDE_BUY};
enum { SIDE_COUNT = sizeof SIDES / sizeof SIDES[0] };

td_result export_rows_change(td_buf *out, const export_cells *cells, const message *m,
                             rows_kind kind, uint64_t *rows, td_err *err)
{
    TD_ASSERT(m->head.type == MSG_BOOK_CHANGE);
    char start[START_BYTES];
    td_bytes begin = td_bytes_of(start, format_start(cells, cells->exchange_ns, start));
    size_t count = message_item_count(m);
    td_result rc = TD_OK;
    for (size_t k = 0; k < SIDE_COUNT; k++) {
        for (size_t i = 0; i < count && rc == TD_OK; i++) {
            msg_level level = message_level(m, i);
            if (level.side != SIDES[k])
                continue;
            int64_t size = level.action == ACTION_DELETE ? 0 : level.size;
            const book_level as = {{level.price, level.price_scale}, {size, level.size_scale}};
            rc = add_level(out, begin, kind, SIDES[k], &as, err);
            *rows += rc == TD_OK;
        }
    }
    return rc;
}

td_result export_rows_book(td_buf *out, const export_cells *cells, const book *from, uint64_t *rows,
                           td_err *err)
{
    char start[START_BYTES];
    td_bytes begin = td_bytes_of(start, format_start(cells, cells->exchange_ns, start));
    td_result rc = TD_OK;
    for (size_t k = 0; k < SIDE_COUNT; k++) {
        book_level level;
        for (size_t i = 0; rc == TD_OK && book_level_at(from, SIDES[k], i, &level); i++) {
            rc = add_level(out, begin, ROWS_SNAPSHOT, SIDES[k], &level, err);
            *rows += rc == TD_OK;
        }
    }
    return rc;
}

/* 1 if a side has a level at this price; both sides are walked from their best, so *at only goes
 * on. */
static int walk_to(const book *in, msg_side side, td_decimal price, size_t *at)
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

td_result export_rows_vanished(td_buf *out, const export_cells *cells, const book *held,
                               const book *now, uint64_t *rows, td_err *err)
{
    char start[START_BYTES];
    td_bytes begin = td_bytes_of(start, format_start(cells, cells->exchange_ns, start));
    td_result rc = TD_OK;
    for (size_t k = 0; k < SIDE_COUNT; k++) {
        book_level level;
        size_t at = 0;
        for (size_t i = 0; rc == TD_OK && book_level_at(held, SIDES[k], i, &level); i++) {
            if (walk_to(now, SIDES[k], level.price, &at))
                continue;
            level.size = (td_decimal){0, 0};
            rc = add_level(out, begin, ROWS_CHANGE, SIDES[k], &level, err);
            *rows += rc == TD_OK;
        }
    }
    return rc;
}
