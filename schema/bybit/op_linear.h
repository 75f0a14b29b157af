/* Public fields of USDT symbols in the op dialect: linear, and copy trading, which is the same
 * product. Numbers are often strings. Tables only; only for schema/bybit/. */
#ifndef TD_BYBIT_OP_LINEAR_H
#define TD_BYBIT_OP_LINEAR_H

#include "schema/bybit/op.h"

/* Fields of trades. timestamp is trade_time_ms cut to seconds; is_block_trade was added later, as a
 * string. */
#define LINEAR_TRADE_FIELDS                                                                        \
    FIELD(MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, 0),                                   \
        FIELD(MEMBER_TICK_DIRECTION, "tick_direction", FIELD_TEXT, UNIT_NONE, 0, 0),               \
        FIELD(MEMBER_PRICE, "price", FIELD_DECIMAL, UNIT_PRICE, 0, FIELD_REQUIRED),                \
        FIELD(MEMBER_SIZE, "size", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_REQUIRED),               \
        FIELD(MEMBER_EXCHANGE_TIME, "timestamp", FIELD_TIME, UNIT_RFC3339, 0, 0),                  \
        FIELD(MEMBER_EXCHANGE_TIME, "trade_time_ms", FIELD_TIME, UNIT_MS, 0, FIELD_PREFERRED),     \
        FIELD(MEMBER_SIDE, "side", FIELD_ANY_SIDE, UNIT_NONE, 0, FIELD_REQUIRED),                  \
        FIELD(MEMBER_TRADE_ID, "trade_id", FIELD_TEXT, UNIT_NONE, 0, 0),                           \
        FIELD(MEMBER_IS_BLOCK_TRADE, "is_block_trade", FIELD_BOOL, UNIT_NONE, 0, 0)

/* Fields of tickers. All scaled integers are strings here. */
static const field_row LINEAR_INSTRUMENT[] = {
    {MEMBER_INSTRUMENT_ID, "id", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_SYMBOL, "symbol", FIELD_TEXT, UNIT_NONE, 0, FIELD_REQUIRED},
    OP_TICKER_PRICE_FIELDS,
    {MEMBER_OPEN_INTEREST, "open_interest_e8", FIELD_DECIMAL, UNIT_QUANTITY, 8, 0},
    {MEMBER_OPEN_INTEREST, "open_interest", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_PREFERRED},
    {MEMBER_OPEN_VALUE, "open_value_e8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TOTAL_TURNOVER, "total_turnover_e8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TURNOVER_24H, "turnover_24h_e8", FIELD_DECIMAL, UNIT_MONEY, 8, 0},
    {MEMBER_TOTAL_VOLUME, "total_volume_e8", FIELD_DECIMAL, UNIT_QUANTITY, 8, 0},
    {MEMBER_TOTAL_VOLUME, "total_volume", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_PREFERRED},
    {MEMBER_VOLUME_24H, "volume_24h_e8", FIELD_DECIMAL, UNIT_QUANTITY, 8, 0},
    {MEMBER_VOLUME_24H, "volume_24h", FIELD_DECIMAL, UNIT_QUANTITY, 0, FIELD_PREFERRED},
    {MEMBER_FUNDING_RATE, "funding_rate_e6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    {MEMBER_PREDICTED_FUNDING_RATE, "predicted_funding_rate_e6", FIELD_DECIMAL, UNIT_RATE, 6, 0},
    {MEMBER_ITEM_CROSS_SEQ, "cross_seq", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_CREATED_AT, "created_at", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_UPDATED_AT, "updated_at", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_NEXT_FUNDING_TIME, "next_funding_time", FIELD_TIME, UNIT_RFC3339, 0, 0},
    {MEMBER_COUNTDOWN_HOUR, "count_down_hour", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_COUNTDOWN_HOUR, "countdown_hour", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_FUNDING_RATE_INTERVAL, "funding_rate_interval", FIELD_INTEGER, UNIT_NONE, 0, 0},
    {MEMBER_SETTLE_TIME, "settle_time_e9", FIELD_TIME, UNIT_NS, 0, 0},
    {MEMBER_DELISTING_STATUS, "delisting_status", FIELD_INTEGER, UNIT_NONE, 0, 0},
};

#endif
