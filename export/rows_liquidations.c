/* Liquidations: a row for each. The exchange names the side of the position, rows that of the order
 * which closed it: sell liquidated a long. */
#include <string.h>

#include "export/export_type.h"

enum { ID, SIDE, PRICE, SIZE, COLUMNS };

/* The exchange gives no ids. */
static const export_column LIQUIDATION_COLUMNS[COLUMNS] = {[ID] = {"trade_id", VALUE_TEXT},
                                                           [SIDE] = {"side", VALUE_SIDE},
                                                           [PRICE] = {"price", VALUE_DECIMAL},
                                                           [SIZE] = {"size", VALUE_DECIMAL}};

/* 1 for the topic with every liquidation; the others have one a second at most. */
static int has_all(const topic_row *row)
{
    return strcmp(row->name, "allLiquidation") == 0;
}

static int prefers(const family_market *market, const topic_row *topic, const topic_row *other)
{
    (void)market;
    return has_all(topic) && !has_all(other);
}

static void set_decimal(const msg_item *item, msg_member member, msg_value *to)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, member);
    if (value != NULL)
        *to = *value;
}

/* When the frame was made, where it has one entry; else the entry's own time. */
static uint64_t time_of(const msg_record *record, const msg_item *item)
{
    const msg_value *sent = msg_value_find(record->values, record->value_count, MEMBER_SEND_TIME);
    const msg_value *own = msg_value_find(item->values, item->value_count, MEMBER_EXCHANGE_TIME);
    if (sent != NULL && !has_all(record->head.row))
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
    for (size_t i = 0; i < record->item_count && rc == TD_OK; i++) {
        const msg_item *item = &record->items[i];
        const msg_value *side = msg_value_find(item->values, item->value_count, MEMBER_SIDE);
        int was_long = side != NULL && side->as.side == SIDE_BUY;
        msg_value values[COLUMNS] = {[SIDE] = row_side(was_long ? SIDE_SELL : SIDE_BUY)};
        set_decimal(item, MEMBER_PRICE, &values[PRICE]);
        set_decimal(item, MEMBER_SIZE, &values[SIZE]);
        export_row row = export_row_of(seen);
        row.exchange_ns = time_of(record, item);
        row.flags |= i + 1 == record->item_count ? ROW_LAST_OF_FRAME : 0U;
        row.values = values;
        rc = out->put(out->ctx, &row, err);
    }
    return rc;
}

const export_type EXPORT_LIQUIDATIONS = {
    .name = "liquidations",
    .columns = LIQUIDATION_COLUMNS,
    .column_count = COLUMNS,
    .message = MSG_LIQUIDATION,
    .prefers = prefers,
    .frame = on_frame,
};
