/* Liquidations: one row each. The exchange gives the side of the position, a row has the side of
 * the order that closed it: the liquidation of a long is a sell. The exchange gives no ids. */
#include <string.h>

#include "export/export_type.h"
#include "schema/entry_order.h"

/* 1 for the market's topic that has every liquidation. */
static int has_all(const family_market *market, const topic_row *row)
{
    return market->liquidation_topic != NULL && strcmp(row->name, market->liquidation_topic) == 0;
}

static int prefers(const family_market *market, const topic_row *topic, const topic_row *other)
{
    return has_all(market, topic) && !has_all(market, other);
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

static td_result on_frame(void *maker, const maker_frame *seen, const row_out *out, td_err *err)
{
    td_result rc = TD_OK;
    (void)maker;
    if (seen->message == NULL || seen->frame->is_lead_in)
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

const export_type EXPORT_LIQUIDATIONS = {
    .name = "liquidations",
    .columns = EXPORT_TRADE_COLUMNS,
    .column_count = TRADE_COLUMNS,
    .message = MSG_LIQUIDATION,
    .prefers = prefers,
    .frame = on_frame,
};
