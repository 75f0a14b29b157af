/* Liquidations: one row each. A topic of liquidations gives the side of the position, a row has the
 * side of the order that closed it: the liquidation of a long is a sell; such a topic has no ids.
 * Without one, a family's trades may tell which of them were liquidations. */
#include <string.h>

#include "base/alloc.h"
#include "export/export_type.h"
#include "schema/entry_order.h"
#include "tape/trade_repeats.h"

/* 1 for the market's topic that has every liquidation. */
static int has_all(const family_market *market, const topic_row *row)
{
    return market->liquidation_topic != NULL && strcmp(row->name, market->liquidation_topic) == 0;
}

static int prefers(const family_market *market, const topic_row *topic, const topic_row *other)
{
    if (topic->type == MSG_TRADE && other->type == MSG_TRADE)
        return export_prefers_trades(market, topic, other);
    return (has_all(market, topic) && !has_all(market, other)) ||
           (topic->type == MSG_LIQUIDATION && other->type != MSG_LIQUIDATION);
}

static msg_value value_of(const msg_item *item, msg_member member)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, member);
    return value != NULL ? *value : row_absent();
}

/* The time of a liquidation: in the topic that has every liquidation, the entry's own time; in
 * another topic, whose frames have one entry each, the frame's send time. */
static uint64_t time_of(const family_market *market, const msg_record *record, const msg_item *item)
{
    const msg_value *sent = msg_value_find(record->values, record->value_count, MEMBER_SEND_TIME);
    const msg_value *own = msg_value_find(item->values, item->value_count, MEMBER_EXCHANGE_TIME);
    if (sent != NULL && !has_all(market, record->head.row))
        return sent->as.time_ns;
    return own != NULL ? own->as.time_ns : record->head.exchange_ns;
}

static td_result put_liquidations(const maker_frame *seen, const row_out *out, td_err *err)
{
    td_result rc = TD_OK;
    if (seen->frame->is_lead_in)
        return TD_OK;
    const msg_record *record = &seen->message->record;
    const int has_symbols = export_entries_have_symbols(record->head.row);
    for (size_t i = 0; i < record->item_count && rc == TD_OK; i++) {
        const msg_item *item = &record->items[entry_order_at(seen->order, i)];
        const msg_value *side = msg_value_find(item->values, item->value_count, MEMBER_SIDE);
        int was_long = side != NULL && side->as.side == SIDE_BUY;
        const msg_value values[TRADE_COLUMNS] = {[TRADE_ID] = row_absent(),
                                                 [TRADE_SIDE] =
                                                     row_side(was_long ? SIDE_SELL : SIDE_BUY),
                                                 [TRADE_PRICE] = value_of(item, MEMBER_PRICE),
                                                 [TRADE_SIZE] = value_of(item, MEMBER_SIZE)};
        export_row row = export_row_of(seen);
        row.exchange_ns = time_of(&seen->frame->channel->family->market, record, item);
        const msg_value *symbol = msg_value_find(item->values, item->value_count, MEMBER_SYMBOL);
        if (has_symbols && symbol != NULL && symbol->type == VALUE_TEXT)
            row.symbol = symbol->as.text;
        row.flags |= i + 1 == record->item_count ? ROW_LAST_OF_FRAME : 0U;
        row.values = values;
        rc = out->put(out->ctx, &row, err);
    }
    return rc;
}

/* ---- trades that liquidated an order's owner ---- */

static int has_liquidated_trades(const topic_row *row)
{
    return row->type == MSG_TRADE &&
           topic_field(row->fields, row->field_count, MEMBER_LIQUIDATION_TYPE) != NULL;
}

/* What a trade's entry has as its liquidation_type; empty: the trade was no liquidation. */
static td_bytes liquidation_type(const message *m, size_t index)
{
    const msg_item *item = m->extra == NULL ? NULL : &m->extra->items[index];
    const msg_value *value =
        item == NULL ? NULL
                     : msg_value_find(item->values, item->value_count, MEMBER_LIQUIDATION_TYPE);
    return value != NULL && value->type == VALUE_TEXT ? value->as.text : td_bytes_of(NULL, 0);
}

/* The side of the order that was liquidated; if both were, as of the maker's. */
static msg_side side_of(const family_market *market, const msg_trade *trade, td_bytes type)
{
    if (market->liquidated_taker == NULL || trade->side == SIDE_NONE)
        return SIDE_NONE;
    if (td_bytes_is(type, market->liquidated_taker))
        return (msg_side)trade->side;
    return trade->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
}

static int gives_row(const trade_repeats *had, const maker_frame *seen, size_t index)
{
    const msg_trade trade = message_trade(seen->message, index);
    return liquidation_type(seen->message, index).size > 0 &&
           !trade_repeats_has(had, seen->frame, &trade);
}

static td_result put_trades(trade_repeats *had, const maker_frame *seen, const row_out *out,
                            td_err *err)
{
    const message *m = seen->message;
    const family_market *market = &seen->frame->channel->family->market;
    const int has_symbols = export_entries_have_symbols(m->head.row);
    td_result rc = TD_OK;
    size_t last = m->trades.trade_count;
    while (last > 0 && !gives_row(had, seen, entry_order_at(seen->order, last - 1)))
        last--;
    for (size_t i = 0; i < m->trades.trade_count && rc == TD_OK; i++) {
        const size_t at = entry_order_at(seen->order, i);
        const msg_trade trade = message_trade(m, at);
        const td_bytes type = liquidation_type(m, at);
        if (trade_repeats_has(had, seen->frame, &trade))
            continue;
        trade_repeats_add(had, seen->frame, &trade);
        if (type.size == 0 || seen->frame->is_lead_in)
            continue;
        const msg_value values[TRADE_COLUMNS] = {[TRADE_ID] = row_text(trade.trade_id),
                                                 [TRADE_SIDE] =
                                                     row_side(side_of(market, &trade, type)),
                                                 [TRADE_PRICE] = row_decimal(trade.price),
                                                 [TRADE_SIZE] = row_decimal(trade.size)};
        export_row row = export_row_of(seen);
        if (trade.exchange_ns != 0)
            row.exchange_ns = trade.exchange_ns;
        if (has_symbols || trade.symbol.size > 0)
            row.symbol = trade.symbol.size > 0 ? trade.symbol : m->head.symbol;
        row.flags |= i + 1 == last ? ROW_LAST_OF_FRAME : 0U;
        row.values = values;
        rc = out->put(out->ctx, &row, err);
    }
    return rc;
}

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    if (seen->message == NULL)
        return TD_OK;
    return seen->message->head.type == MSG_TRADE ? put_trades(maker, seen, out, err)
                                                 : put_liquidations(seen, out, err);
}

static void *open_liquidations(const maker_begin *begin)
{
    (void)begin;
    return td_alloc_zero(1, sizeof(trade_repeats));
}

const export_type EXPORT_LIQUIDATIONS = {
    .name = "liquidations",
    .columns = EXPORT_TRADE_COLUMNS,
    .column_count = TRADE_COLUMNS,
    .message = MSG_LIQUIDATION,
    .also = has_liquidated_trades,
    .prefers = prefers,
    .open = open_liquidations,
    .frame = on_frame,
    .close = td_free,
};
