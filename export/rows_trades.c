/* Trades: one row for each recorded trade, because trades have no state. A snapshot's trades that
 * the topic had already are no further ones. */
#include "base/alloc.h"
#include "export/export_type.h"
#include "tape/trade_repeats.h"
#include "schema/entry_order.h"

const export_column EXPORT_TRADE_COLUMNS[TRADE_COLUMNS] = {[TRADE_ID] = {"trade_id", VALUE_TEXT},
                                                           [TRADE_SIDE] = {"side", VALUE_SIDE},
                                                           [TRADE_PRICE] = {"price", VALUE_DECIMAL},
                                                           [TRADE_SIZE] = {"size", VALUE_DECIMAL}};

typedef struct trade_maker {
    trade_repeats had;
    const topic_row *row; /* of the last frame */
    int has_symbols;      /* export_entries_have_symbols(row), which compares texts */
} trade_maker;

static int is_repeat(const trade_repeats *had, const maker_frame *seen, size_t index)
{
    const msg_trade trade = message_trade(seen->message, index);
    return trade_repeats_has(had, seen->frame, &trade);
}

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    const message *m = seen->message;
    td_result rc = TD_OK;
    if (m == NULL)
        return TD_OK;
    trade_maker *self = maker;
    trade_repeats *had = &self->had;
    size_t count = message_item_count(m);
    if (self->row != m->head.row)
        self->has_symbols = export_entries_have_symbols(m->head.row);
    self->row = m->head.row;
    while (count > 0 && is_repeat(had, seen, entry_order_at(seen->order, count - 1)))
        count--;
    for (size_t i = 0; i < count && rc == TD_OK; i++) {
        const msg_trade trade = message_trade(m, entry_order_at(seen->order, i));
        if (trade_repeats_has(had, seen->frame, &trade))
            continue;
        trade_repeats_add(had, seen->frame, &trade);
        msg_value values[TRADE_COLUMNS] = {[TRADE_ID] = row_text(trade.trade_id),
                                           [TRADE_SIDE] = row_side(trade.side),
                                           [TRADE_PRICE] = row_decimal(trade.price),
                                           [TRADE_SIZE] = row_decimal(trade.size)};
        export_row row = export_row_of(seen);
        if (trade.exchange_ns != 0)
            row.exchange_ns = trade.exchange_ns;
        if (trade.has_cross_seq || trade.has_seq)
            row.number = trade.has_cross_seq ? trade.cross_seq : trade.seq;
        row.has_number |= trade.has_cross_seq || trade.has_seq;
        row.flags |= i + 1 == count ? ROW_LAST_OF_FRAME : 0U;
        if (self->has_symbols || trade.symbol.size > 0)
            row.symbol = trade.symbol.size > 0 ? trade.symbol : m->head.symbol;
        row.values = values;
        rc = out->put(out->ctx, &row, err);
    }
    return rc;
}

static void *open_trades(const maker_begin *begin)
{
    (void)begin;
    return td_alloc_zero(1, sizeof(trade_maker));
}

const export_type EXPORT_TRADES = {
    .name = "trades",
    .columns = EXPORT_TRADE_COLUMNS,
    .column_count = TRADE_COLUMNS,
    .message = MSG_TRADE,
    .prefers = export_prefers_trades,
    .open = open_trades,
    .frame = on_frame,
    .close = td_free,
};
