#include "schema/message.h"

#include "base/assert.h"

const char *msg_type_name(msg_type type)
{
    static const char *const NAMES[MSG_TYPE_COUNT] = {
        [MSG_RAW] = "raw",
        [MSG_BOOK_CHANGE] = "book_change",
        [MSG_TRADE] = "trade",
        [MSG_TICKER] = "ticker",
        [MSG_KLINE] = "kline",
        [MSG_LIQUIDATION] = "liquidation",
        [MSG_INSURANCE] = "insurance",
        [MSG_ORDER] = "order",
        [MSG_STOP_ORDER] = "stop_order",
        [MSG_EXECUTION] = "execution",
        [MSG_POSITION] = "position",
        [MSG_WALLET] = "wallet",
        [MSG_GREEKS] = "greeks",
        [MSG_INDEX] = "index",
        [MSG_NOTICE] = "notice",
        [MSG_CONTROL] = "control",
        [MSG_REQUEST] = "request",
    };
    TD_ASSERT(type < MSG_TYPE_COUNT);
    TD_ASSERT(NAMES[type] != NULL);
    return NAMES[type];
}

const char *frame_kind_name(frame_kind kind)
{
    static const char *const NAMES[] = {
        [FRAME_UNTYPED] = "untyped",
        [FRAME_SNAPSHOT] = "snapshot",
        [FRAME_DELTA] = "delta",
        [FRAME_ANY] = "any",
    };
    TD_ASSERT(kind <= FRAME_ANY);
    return NAMES[kind];
}

const char *msg_side_name(msg_side side)
{
    static const char *const NAMES[] = {
        [SIDE_BUY] = "Buy", [SIDE_SELL] = "Sell", [SIDE_NONE] = "none"};
    TD_ASSERT(side <= SIDE_NONE);
    return NAMES[side];
}

const char *msg_action_name(msg_action action)
{
    static const char *const NAMES[] = {
        [ACTION_NONE] = "none",     [ACTION_SET] = "set",       [ACTION_DELETE] = "delete",
        [ACTION_UPDATE] = "update", [ACTION_INSERT] = "insert",
    };
    TD_ASSERT(action <= ACTION_INSERT);
    return NAMES[action];
}

/* Times end in _ns whatever the frame's unit: a message holds them in ns. */
const char *msg_member_name(msg_member member)
{
    static const char *const NAMES[MEMBER_COUNT] = {
        [MEMBER_NONE] = "none",
        [MEMBER_SYMBOL] = "symbol",
        [MEMBER_SIDE] = "side",
        [MEMBER_PRICE] = "price",
        [MEMBER_SIZE] = "size",
        [MEMBER_LEVEL_ID] = "id",
        [MEMBER_CROSS_SEQ] = "cross_seq",
        [MEMBER_U] = "u",
        [MEMBER_SEQ] = "seq",
        [MEMBER_EXCHANGE_TIME] = "exchange_ns",
        [MEMBER_TRANSACT_TIME] = "transact_ns",
        [MEMBER_TIME_TEXT] = "time_text",
        [MEMBER_TRADE_ID] = "trade_id",
        [MEMBER_TICK_DIRECTION] = "tick_direction",
        [MEMBER_IS_BLOCK_TRADE] = "is_block_trade",
        [MEMBER_INSTRUMENT_ID] = "instrument_id",
        [MEMBER_LAST_PRICE] = "last_price",
        [MEMBER_BID1_PRICE] = "bid1_price",
        [MEMBER_ASK1_PRICE] = "ask1_price",
        [MEMBER_PREV_PRICE_24H] = "prev_price_24h",
        [MEMBER_PRICE_24H_PCNT] = "price_24h_pcnt",
        [MEMBER_HIGH_PRICE_24H] = "high_price_24h",
        [MEMBER_LOW_PRICE_24H] = "low_price_24h",
        [MEMBER_PREV_PRICE_1H] = "prev_price_1h",
        [MEMBER_PRICE_1H_PCNT] = "price_1h_pcnt",
        [MEMBER_MARK_PRICE] = "mark_price",
        [MEMBER_INDEX_PRICE] = "index_price",
        [MEMBER_OPEN_INTEREST] = "open_interest",
        [MEMBER_OPEN_VALUE] = "open_value",
        [MEMBER_TOTAL_TURNOVER] = "total_turnover",
        [MEMBER_TURNOVER_24H] = "turnover_24h",
        [MEMBER_TOTAL_VOLUME] = "total_volume",
        [MEMBER_VOLUME_24H] = "volume_24h",
        [MEMBER_FUNDING_RATE] = "funding_rate",
        [MEMBER_PREDICTED_FUNDING_RATE] = "predicted_funding_rate",
        [MEMBER_ITEM_CROSS_SEQ] = "item_cross_seq",
        [MEMBER_CREATED_AT] = "created_ns",
        [MEMBER_UPDATED_AT] = "updated_ns",
        [MEMBER_NEXT_FUNDING_TIME] = "next_funding_ns",
        [MEMBER_COUNTDOWN_HOUR] = "countdown_hours",
        [MEMBER_FUNDING_RATE_INTERVAL] = "funding_rate_interval_hours",
        [MEMBER_SETTLE_TIME] = "settle_ns",
        [MEMBER_DELISTING_STATUS] = "delisting_status",
        [MEMBER_SYMBOL_NAME] = "symbol_name",
        [MEMBER_SYMBOL_YEAR] = "symbol_year",
        [MEMBER_CONTRACT_TYPE] = "contract_type",
        [MEMBER_COIN] = "coin",
        [MEMBER_QUOTE_SYMBOL] = "quote_symbol",
        [MEMBER_POSITION_MODE] = "position_mode",
        [MEMBER_IS_UP_BORROWABLE] = "is_up_borrowable",
        [MEMBER_IMPORT_TIME] = "import_ns",
        [MEMBER_START_TRADING_TIME] = "start_trading_ns",
        [MEMBER_TIME_TO_SETTLE] = "time_to_settle_s",
        [MEMBER_SETTLE_FEE_RATE] = "settle_fee_rate",
        [MEMBER_CONTRACT_STATUS] = "contract_status",
        [MEMBER_SYSTEM_SUBSIDY] = "system_subsidy",
        [MEMBER_FAIR_BASIS] = "fair_basis",
        [MEMBER_FAIR_BASIS_RATE] = "fair_basis_rate",
        [MEMBER_BASIS_IN_YEAR] = "basis_in_year",
        [MEMBER_EXPECT_PRICE] = "expect_price",
        [MEMBER_WALLET_BALANCE] = "wallet_balance",
    };
    TD_ASSERT(member < MEMBER_COUNT);
    TD_ASSERT(NAMES[member] != NULL);
    return NAMES[member];
}

size_t message_item_count(const message *m)
{
    if (m->is_record)
        return m->record.item_count;
    if (m->head.type == MSG_BOOK_CHANGE)
        return m->book.level_count;
    if (m->head.type == MSG_TRADE)
        return m->trades.trade_count;
    return 0;
}

const msg_value *msg_value_find(const msg_value *values, size_t count, msg_member member)
{
    for (size_t i = 0; i < count; i++)
        if (values[i].member == member)
            return &values[i];
    return NULL;
}

static const msg_value *item_value(const msg_item *item, msg_member member)
{
    return msg_value_find(item->values, item->value_count, member);
}

/* Absent numbers are 0, absent texts empty. */
static td_decimal decimal_of(const msg_value *value)
{
    return value != NULL && value->type == VALUE_DECIMAL ? value->as.decimal : (td_decimal){0, 0};
}

static td_bytes text_of(const msg_value *value)
{
    return value != NULL && value->type == VALUE_TEXT ? value->as.text : td_bytes_of(NULL, 0);
}

/* Values are typed by the row that they were read with, so a member's type is known here. */
msg_level msg_item_level(const msg_item *item)
{
    const msg_value *side = item_value(item, MEMBER_SIDE);
    td_decimal price = decimal_of(item_value(item, MEMBER_PRICE));
    td_decimal size = decimal_of(item_value(item, MEMBER_SIZE));
    if (item->action == ACTION_DELETE)
        size = (td_decimal){0, 0};
    return (msg_level){
        .price = price.mantissa,
        .price_scale = price.scale,
        .size = size.mantissa,
        .size_scale = size.scale,
        .side = side == NULL ? (uint8_t)SIDE_NONE : side->as.side,
        .action = (uint8_t)item->action,
    };
}

msg_trade msg_item_trade(const msg_item *item)
{
    const msg_value *side = item_value(item, MEMBER_SIDE);
    const msg_value *time = item_value(item, MEMBER_EXCHANGE_TIME);
    const msg_value *seq = item_value(item, MEMBER_CROSS_SEQ);
    const msg_value *block = item_value(item, MEMBER_IS_BLOCK_TRADE);
    return (msg_trade){
        .price = decimal_of(item_value(item, MEMBER_PRICE)),
        .size = decimal_of(item_value(item, MEMBER_SIZE)),
        .exchange_ns = time == NULL ? 0 : time->as.time_ns,
        .cross_seq = seq == NULL ? 0 : seq->as.integer,
        .has_cross_seq = seq != NULL,
        .trade_id = text_of(item_value(item, MEMBER_TRADE_ID)),
        .tick_direction = text_of(item_value(item, MEMBER_TICK_DIRECTION)),
        .side = side == NULL ? (uint8_t)SIDE_NONE : side->as.side,
        .is_block_trade = (int8_t)(block == NULL ? -1 : block->as.is_true),
    };
}

msg_level message_level(const message *m, size_t index)
{
    TD_ASSERT(m->head.type == MSG_BOOK_CHANGE);
    TD_ASSERT(index < message_item_count(m));
    if (m->is_record)
        return msg_item_level(&m->record.items[index]);
    return m->book.levels[index];
}

msg_trade message_trade(const message *m, size_t index)
{
    TD_ASSERT(m->head.type == MSG_TRADE);
    TD_ASSERT(index < message_item_count(m));
    if (m->is_record)
        return msg_item_trade(&m->record.items[index]);
    return m->trades.trades[index];
}
